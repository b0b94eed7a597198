"""GET /users/{id}/history: the audit log of a user."""

from collections.abc import Callable
from typing import Any

import pytest
from api.conftest import CheckedClient
from api.constants import JSONAPI, PROFILE, USERS
from api.tokens import secret_token
from api_client import ApiClient
from flask import Flask

from application.commands import Commands
from application.ports import Context
from application.users import USER_TYPE

Create = Callable[..., dict[str, Any]]


def history(client: ApiClient, user_id: object, query: str = "") -> Any:
    response = client.get(f"{USERS}/{user_id}/history{query}")
    assert response.status_code == 200, response.text
    return response.json


def change(client: ApiClient, user_id: str, **attributes: object) -> None:
    body = {"data": {"type": "users", "id": user_id, "attributes": attributes}}
    assert client.patch(f"{USERS}/{user_id}", json=body).status_code == 200


def test_each_change_is_an_event_with_its_request(client: ApiClient) -> None:
    creation = client.post(
        USERS,
        json={"data": {"type": "users", "attributes": {"email": "a@x.test", "name": "Ann"}}},
    )
    user_id = creation.json["data"]["id"]
    change(client, user_id, name="Anne", is_active=True)
    assert client.delete(f"{USERS}/{user_id}").status_code == 204
    document = history(client, user_id)
    created, changed, deleted = document["data"]
    assert created["type"] == "events"
    assert created["id"].isdigit()
    assert "links" not in created
    assert created["attributes"] == {
        "time": creation.json["data"]["attributes"]["creation_time"],
        "action": "created",
        "version": 1,
        "changes": {
            "email": {"from": None, "to": "a@x.test"},
            "name": {"from": None, "to": "Ann"},
            "is_active": {"from": None, "to": False},
            "role": {"from": None, "to": "user"},
        },
        "actor": None,
        "actor_kind": None,
        "actor_issuer": None,
        "request_id": creation.headers["X-Request-ID"],
    }
    assert changed["attributes"]["changes"] == {
        "name": {"from": "Ann", "to": "Anne"},
        "is_active": {"from": False, "to": True},
    }
    assert deleted["attributes"]["action"] == "deleted"
    assert document["links"]["self"] == f"{USERS}/{user_id}/history"


def test_a_history_has_pages_like_other_lists(client: ApiClient, create: Create) -> None:
    user_id = create()["id"]
    create(email="other@example.org")
    for number in range(6):
        change(client, user_id, name=f"n{number}")
    seen = []
    page = history(client, user_id, "?sort=-id&page[size]=3&fields[events]=version")
    while True:
        seen += [event["attributes"] for event in page["data"]]
        if page["links"]["next"] is None:
            break
        page = client.get(page["links"]["next"]).json
    assert seen == [{"version": version} for version in range(7, 0, -1)]
    numbered = history(client, user_id, "?page[number]=2&page[size]=4")
    assert [event["attributes"]["version"] for event in numbered["data"]] == [5, 6, 7]
    assert numbered["meta"]["page"]["total"] == 7
    found = history(client, user_id, "?filter[action]=created")["data"]
    assert [event["attributes"]["version"] for event in found] == [1]
    assert history(client, user_id, "?filter[time][lt]=2020-01-01T00:00:00Z")["data"] == []


def test_a_cursor_of_one_history_is_invalid_in_another(client: ApiClient, create: Create) -> None:
    ann, bob = create(), create(email="bob@example.org")
    cursor = history(client, ann["id"])["data"][0]["meta"]["page"]["cursor"]
    response = client.get(f"{USERS}/{bob['id']}/history?page[after]={cursor}")
    assert (response.status_code, response.json["errors"][0]["code"]) == (400, "invalid_cursor")


@pytest.mark.parametrize(
    "name", ["actor", "actor_kind", "actor_issuer", "request_id", "changes", "version", "email"]
)
@pytest.mark.parametrize("parameter", ["sort={}", "filter[{}]=1", "filter[{}][ne]=1"])
def test_unsupported_parameters_of_a_history_are_400(
    client: ApiClient, create: Create, name: str, parameter: str
) -> None:
    response = client.get(f"{USERS}/{create()['id']}/history?{parameter.format(name)}")
    assert response.status_code == 400
    assert [error["code"] for error in response.json["errors"]] == ["unknown_attribute"]


def test_a_history_supports_json_urls_and_conditions(client: ApiClient, create: Create) -> None:
    user_id = create()["id"]
    url = f"{USERS}/{user_id}/history"
    first = client.get(url)
    assert client.get(f"{url}.json").json == client.get(f"{url}/").json == first.json
    unchanged = client.get(url, headers={"If-None-Match": first.headers["ETag"]})
    assert unchanged.status_code == 304
    profiled = client.get(url, headers={"Accept": f'{JSONAPI};profile="{PROFILE}"'})
    assert PROFILE in profiled.headers["Content-Type"]
    assert client.head(url).status_code == 200
    rejected = client.delete(url)
    assert (rejected.status_code, rejected.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize("user_id", ["999", "0", "007", "x", "9223372036854775808"])
def test_the_history_of_an_unknown_user_is_404(client: ApiClient, user_id: str) -> None:
    assert client.get(f"{USERS}/{user_id}/history").status_code == 404


def test_a_user_older_than_the_audit_log_has_an_empty_history(
    client: ApiClient, create: Create, store: Any
) -> None:
    user_id = create()["id"]
    store._events = {}  # Like a database that an earlier release has filled.
    assert history(client, user_id)["data"] == []


def test_the_history_of_an_erased_user_has_no_values(
    client: ApiClient, create: Create, store: Any
) -> None:
    user_id = create(email="ann@example.org", name="Ann")["id"]
    with store.begin(Context()) as work:
        Commands(USER_TYPE, lambda _, unit, **__: unit(work)).erase(int(user_id), Context())
    response = client.get(f"{USERS}/{user_id}/history")
    assert "ann" not in response.text.lower()
    events = [event["attributes"] for event in response.json["data"]]
    assert [event["action"] for event in events] == ["created", "deleted", "erased"]
    assert events[0]["changes"]["email"] == {"erased": True}


def test_the_actor_is_the_subject_of_the_token(
    build: Callable[..., Flask], secured: dict[str, str]
) -> None:
    client = CheckedClient(build(secured))
    token = secret_token("users:read", "users:write", subject="ann")
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    user = {"type": "users", "attributes": {"email": "a@x.test", "name": "Ann"}}
    user_id = client.post(USERS, json={"data": user}).json["data"]["id"]
    (event,) = history(client, user_id)["data"]
    assert event["attributes"]["actor"] == "ann"


def test_a_history_requires_the_scope_to_read(
    build: Callable[..., Flask], secured: dict[str, str]
) -> None:
    headers = {"Authorization": f"Bearer {secret_token('users:write', subject='ann')}"}
    response = CheckedClient(build(secured)).get(f"{USERS}/1/history", headers=headers)
    assert (response.status_code, response.json["errors"][0]["code"]) == (403, "insufficient_scope")


def test_each_operation_that_changes_something_is_an_event(
    client: ApiClient, create: Create
) -> None:
    ann = create()
    document = {
        "atomic:operations": [
            {"op": "update", "data": {"type": "users", "id": ann["id"], "attributes": {"name": n}}}
            for n in ("Anne", "Anna", "Anna")
        ]
    }
    response = client.post(
        "/api/v1/operations",
        json=document,
        content_type=f'{JSONAPI};ext="https://jsonapi.org/ext/atomic"',
    )
    assert response.status_code == 200, response.text
    events = history(client, ann["id"])["data"]
    assert [event["attributes"]["changes"]["name"]["to"] for event in events[1:]] == [
        "Anne",
        "Anna",
    ]
    assert len({event["attributes"]["request_id"] for event in events[1:]}) == 1
