"""The first failed check determines the response, with all its errors."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from api.constants import USERS
from api.user_documents import ANN, new
from api_client import ApiClient

Create = Callable[..., dict[str, Any]]

TAKEN = {"email": "USER0@example.org", "name": "Ann"}
IN_ORDER_ON_POST: list[tuple[int, dict[str, Any]]] = [
    (406, {"accept": "text/html"}),
    (415, {"content_type": "text/plain"}),
    (413, {"size": 2**20 + 1}),
    (400, {"query": "x=1"}),
    (400, {"members": {"meta": []}}),
    (403, {"members": {"id": "5"}}),
    (409, {"members": {"type": "people"}}),
    (422, {"attributes": {"role": "R"}}),
    (403, {"attributes": {"creation_time": "x"}}),
    (409, {"attributes": TAKEN}),
]


def _post(client: ApiClient, faults: list[dict[str, Any]]) -> Any:
    attributes = {k: v for fault in faults for k, v in fault.get("attributes", {}).items()}
    members = {k: v for fault in faults for k, v in fault.get("members", {}).items()}
    wishes = {k: v for fault in faults for k, v in fault.items()}
    body = json.dumps(new({**ANN, **attributes}, **members)).encode()
    return client.post(
        f"{USERS}?{wishes.get('query', '')}",
        data=body.ljust(wishes.get("size", 0)),
        content_type=wishes.get("content_type", "application/json"),
        headers={"Accept": wishes.get("accept", "*/*")},
    )


@pytest.mark.parametrize("first", range(len(IN_ORDER_ON_POST)))
def test_only_the_first_failed_check_is_reported(
    client: ApiClient, create: Create, first: int
) -> None:
    create()
    status = IN_ORDER_ON_POST[first][0]
    alone = _post(client, [IN_ORDER_ON_POST[first][1]])
    assert alone.status_code == status
    for _, later in IN_ORDER_ON_POST[first + 1 :]:
        both = _post(client, [IN_ORDER_ON_POST[first][1], later])
        assert both.problems == alone.problems
    everything = _post(client, [fault for _, fault in IN_ORDER_ON_POST[first:]])
    assert everything.problems == alone.problems


def test_a_wrong_query_hides_a_wrong_body(client: ApiClient) -> None:
    response = client.post(f"{USERS}?x=1", data=b"{", content_type="application/json")
    assert response.json["errors"][0]["source"] == {"parameter": "x"}


def test_a_wrong_type_and_a_wrong_id_are_reported_together(
    client: ApiClient, create: Create
) -> None:
    create()
    document = {"data": {"type": "people", "id": "2", "attributes": {"role": "R"}}}
    assert client.patch(f"{USERS}/1", json=document).problems == [
        ("409", "id_mismatch", "/data/id"),
        ("409", "type_mismatch", "/data/type"),
    ]


@pytest.mark.parametrize("wrong", ["2", "01", "", " 1", "1.0", "١", "user"])
def test_an_id_other_than_that_in_the_url_is_409(
    client: ApiClient, create: Create, wrong: str
) -> None:
    create()
    document = {"data": {"type": "users", "id": wrong}}
    assert client.patch(f"{USERS}/1", json=document).problems == [
        ("409", "id_mismatch", "/data/id")
    ]


@pytest.mark.parametrize("wrong", ["user", "Users", "", " users", "groups", "users\ud800"])
def test_a_type_other_than_that_of_the_collection_is_409(client: ApiClient, wrong: str) -> None:
    response = client.post(USERS, json=new(type=wrong))
    assert response.problems == [("409", "type_mismatch", "/data/type")]


@pytest.mark.parametrize("client_id", ["1", "", "0b6c2d2e-9d0e-4c38-a0fb-8b33b6b6d7d8", "x"])
def test_an_id_from_the_client_is_403(client: ApiClient, client_id: str) -> None:
    response = client.post(USERS, json=new({}, id=client_id, type="people"))
    assert response.problems == [("403", "client_generated_id", "/data/id")]


def test_the_checks_of_the_database_come_last_and_in_order(
    client: ApiClient, create: Create
) -> None:
    create()
    create()
    stale = {"If-Match": '"9-0"'}
    clash = {"creation_time": "x", "email": "user1@EXAMPLE.org"}

    def problems_of(user_id: int, attributes: dict[str, Any], headers: dict[str, str]) -> Any:
        data = {"type": "users", "id": str(user_id), "attributes": attributes}
        return client.patch(f"{USERS}/{user_id}", json={"data": data}, headers=headers).problems

    assert problems_of(9, {**clash, "role": "R"}, stale)[0][0] == "422"
    assert problems_of(9, clash, stale) == [("404", "user_not_found", None)]
    assert problems_of(1, clash, stale) == [("412", "stale_version", None)]
    assert problems_of(1, clash, {}) == [("403", "read_only", "/data/attributes/creation_time")]
    del clash["creation_time"]
    assert problems_of(1, clash, {}) == [("409", "email_taken", "/data/attributes/email")]


@pytest.mark.parametrize(
    "email", ["Ann@Example.Org", "ANN@EXAMPLE.ORG", "ａnn@example.org", "ann@example.org"]
)
def test_an_email_is_unique_in_all_its_spellings(client: ApiClient, email: str) -> None:
    assert client.post(USERS, json=new()).status_code == 201
    response = client.post(USERS, json=new({**ANN, "email": email}))
    assert response.problems == [("409", "email_taken", "/data/attributes/email")]
    assert response.json["errors"][0]["meta"] == {"attribute": "email"}


def test_the_spelling_of_an_email_can_be_changed(client: ApiClient, create: Create) -> None:
    create(email="ann@example.org")
    data = {"type": "users", "id": "1", "attributes": {"email": "ANN@example.org"}}
    response = client.patch(f"{USERS}/1", json={"data": data})
    assert response.json["data"]["attributes"]["email"] == "ANN@example.org"
