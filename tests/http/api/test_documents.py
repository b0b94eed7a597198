"""Documents: their effects, additional members, and errors of structure."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from api.conftest import CheckedClient
from api.constants import USERS
from api.user_documents import ANN, change, new
from api_client import ApiClient
from flask import Flask

Create = Callable[..., dict[str, Any]]
Problem = tuple[str, str, str | None]


def test_a_created_user_has_all_its_attributes(client: ApiClient) -> None:
    attributes = {"email": "Ünn@exämple.org", "name": "Zoë  𝒜", "is_active": True, "role": "admin"}
    response = client.post(USERS, json=new(attributes))
    assert response.status_code == 201
    assert response.headers["Content-Type"] == "application/vnd.api+json"
    data = response.json["data"]
    times = {name: data["attributes"].pop(name) for name in ("creation_time", "update_time")}
    assert data == {
        "type": "users",
        "id": "1",
        "attributes": attributes,
        "relationships": {
            "groups": {
                "links": {
                    "self": "/api/v1/users/1/relationships/groups",
                    "related": "/api/v1/users/1/groups",
                }
            }
        },
        "links": {"self": "/api/v1/users/1"},
    }
    assert times == dict.fromkeys(times, "2026-11-22T09:30:00.124Z")
    assert response.headers["Location"] == response.json["links"]["self"] == "/api/v1/users/1"
    assert response.json["links"]["describedby"] == "/openapi.json"
    shown = client.get("/api/v1/users/1")
    assert shown.json == response.json
    assert shown.headers["ETag"] == response.headers["ETag"]


def test_omitted_attributes_have_defaults(create: Create) -> None:
    attributes = create()["attributes"]
    assert (attributes["is_active"], attributes["role"]) == (False, "user")


def test_a_change_affects_only_the_named_attributes(client: ApiClient, create: Create) -> None:
    before = create(role="admin", is_active=True)["attributes"]
    after = client.patch(f"{USERS}/1", json=change({"name": "Zoë"})).json["data"]["attributes"]
    assert after.pop("update_time") > before.pop("update_time")
    assert after == {**before, "name": "Zoë"}


@pytest.mark.parametrize("document", [change({}), {"data": {"type": "users", "id": "1"}}])
def test_a_change_without_attributes_changes_nothing(
    client: ApiClient, create: Create, document: dict[str, Any]
) -> None:
    before = create()
    response = client.patch(f"{USERS}/1", json=document)
    assert response.status_code == 200
    assert response.json["data"] == before


def test_the_id_of_a_deleted_user_is_not_used_again(client: ApiClient, create: Create) -> None:
    create(email="ann@example.org")
    assert client.delete(f"{USERS}/1").status_code == 204
    for method in ("GET", "DELETE"):
        response = client.open(f"{USERS}/1", method=method)
        assert response.problems == [("404", "user_not_found", None)]
    assert client.patch(f"{USERS}/1", json=change({})).problems == [("404", "user_not_found", None)]
    assert create(email="ann@example.org")["id"] == "2"


def test_the_document_of_a_read_can_be_sent_in_a_change(client: ApiClient, create: Create) -> None:
    create()
    read = client.get(f"{USERS}/1")
    assert client.patch(f"{USERS}/1", json=read.json).json == read.json
    listed = client.get(USERS).json["data"][0]
    assert client.patch(f"{USERS}/1", json={"data": listed}).status_code == 200


HARMLESS: dict[str, Any] = {
    "lid": {"lid": "a-1"},
    "empty relationships": {"relationships": {}},
    "empty links": {"links": {}},
    "empty meta": {"meta": {}},
    "links": {"links": {"self": "/api/v1/users/1", "x": None, "y": {"href": "/z"}}},
    "meta": {"meta": {"page": {"cursor": "x"}}},
    "unknown members": {"x": 1, "nested": {"a": []}, "version:id": "4"},
    "@-members": {"@type": "Person", "@": None},
    "@-members in relationships": {"relationships": {"@x": 5}},
}


@pytest.mark.parametrize("members", HARMLESS.values(), ids=HARMLESS.keys())
def test_members_that_real_clients_send_are_ignored(
    client: ApiClient, members: dict[str, Any]
) -> None:
    created = client.post(USERS, json=new(**members))
    assert created.status_code == 201
    changed = client.patch(f"{USERS}/1", json=change({"name": "Zoë"}, **members))
    assert changed.status_code == 200


@pytest.mark.parametrize(
    "members",
    [
        {"jsonapi": {"version": "1.0", "meta": {}}},
        {"meta": {"client": "x"}},
        {"links": {"self": "/x"}},
        {"included": []},
        {"included": [{"type": "x", "id": "1"}]},
        {"@context": "https://schema.org", "x": None},
    ],
)
def test_top_level_members_are_ignored(client: ApiClient, members: dict[str, Any]) -> None:
    assert client.post(USERS, json={**new(), **members}).status_code == 201


def test_a_null_id_and_at_members_are_accepted_in_a_post(client: ApiClient) -> None:
    response = client.post(USERS, json=new({**ANN, "@id": 1, "@": {}}, id=None))
    assert response.status_code == 201
    assert not {"@id", "@"} & response.json["data"]["attributes"].keys()


MISSING, WRONG = "missing_member", "wrong_json_type"
FAULTS: list[tuple[Any, list[Problem]]] = [
    ([], [("400", WRONG, "")]),
    ("users", [("400", WRONG, "")]),
    (5, [("400", WRONG, "")]),
    (True, [("400", WRONG, "")]),
    ({}, [("400", MISSING, "")]),
    ({"meta": {}}, [("400", MISSING, "")]),
    ({"data": None}, [("400", WRONG, "/data")]),
    ({"data": []}, [("400", WRONG, "/data")]),
    ({"data": [new()["data"]]}, [("400", WRONG, "/data")]),
    ({"data": "users"}, [("400", WRONG, "/data")]),
    ({"data": {}}, [("400", MISSING, "/data")]),
    ({"data": {"attributes": ANN}}, [("400", MISSING, "/data")]),
    (new(type=None), [("400", WRONG, "/data/type")]),
    (new(type=1), [("400", WRONG, "/data/type")]),
    (new(type=["users"]), [("400", WRONG, "/data/type")]),
    (new(id=1), [("400", WRONG, "/data/id")]),
    (new(id={}), [("400", WRONG, "/data/id")]),
    (new(id=True), [("400", WRONG, "/data/id")]),
    (new(lid=1), [("400", WRONG, "/data/lid")]),
    (new(None), [("400", WRONG, "/data/attributes")]),
    (new([]), [("400", WRONG, "/data/attributes")]),
    (new("x"), [("400", WRONG, "/data/attributes")]),
    (new(relationships=[]), [("400", WRONG, "/data/relationships")]),
    (new(relationships=None), [("400", WRONG, "/data/relationships")]),
    (new(relationships={"a": None}), [("400", WRONG, "/data/relationships/a")]),
    (new(relationships={"a/b~c": []}), [("400", WRONG, "/data/relationships/a~1b~0c")]),
    (new(relationships={"a": {}}), [("400", MISSING, "/data/relationships/a")]),
    (
        new(relationships={"name": {"data": None}}),
        [("400", "invalid_document", "/data/relationships/name")],
    ),
    (new(links=[]), [("400", WRONG, "/data/links")]),
    (new(meta="x"), [("400", WRONG, "/data/meta")]),
    ({**new(), "jsonapi": "1.1"}, [("400", WRONG, "/jsonapi")]),
    ({**new(), "meta": []}, [("400", WRONG, "/meta")]),
    ({**new(), "links": "x"}, [("400", WRONG, "/links")]),
    ({**new(), "included": {}}, [("400", WRONG, "/included")]),
    ({**new(), "errors": []}, [("400", "invalid_document", "/errors")]),
    (
        {"data": {"type": 1, "id": 2, "attributes": [], "meta": 3}, "jsonapi": []},
        [
            ("400", WRONG, "/data/attributes"),
            ("400", WRONG, "/data/id"),
            ("400", WRONG, "/data/meta"),
            ("400", WRONG, "/data/type"),
            ("400", WRONG, "/jsonapi"),
        ],
    ),
    (
        {"data": {"id": 2, "attributes": []}},
        [
            ("400", MISSING, "/data"),
            ("400", WRONG, "/data/attributes"),
            ("400", WRONG, "/data/id"),
        ],
    ),
]


@pytest.mark.parametrize(("document", "expected"), FAULTS)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_errors_of_structure_are_reported_together_with_their_places(
    client: ApiClient, create: Create, method: str, document: Any, expected: list[Problem]
) -> None:
    create()
    if method == "PATCH" and isinstance(document, dict) and isinstance(document.get("data"), dict):
        document = {**document, "data": {"id": "1", **document["data"]}}
    url = USERS if method == "POST" else f"{USERS}/1"
    response = client.open(url, method=method, json=document)
    assert response.status_code == 400
    assert response.problems == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"type": "users", "attributes": {}}, (MISSING, "/data")),
        ({"type": "users", "lid": "a", "attributes": {}}, (MISSING, "/data")),
        ({"type": "users", "id": None}, (WRONG, "/data/id")),
        ({"type": "users", "id": 1}, (WRONG, "/data/id")),
    ],
)
def test_a_change_must_name_its_id(
    client: ApiClient, create: Create, data: dict[str, Any], expected: tuple[str, str]
) -> None:
    create()
    assert client.patch(f"{USERS}/1", json={"data": data}).problems == [("400", *expected)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"data":{"type":"users","type":"users"}}',
        b'\xef\xbb\xbf{"data":{}}',
        '{"data":{}}'.encode("utf-16"),
        b'{"data":{"type":"\xff"}}',
        b'{"data":NaN}',
        b'{"data":{"type":"users","attributes":{"name":1e400}}}',
        b'{"data":' * 100,
        b'{"data":{"type":"users","meta":{"x":' + b"9" * 500 + b"}}}",
    ],
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_bodies_that_are_not_strict_json_are_400(
    client: ApiClient, create: Create, method: str, body: bytes
) -> None:
    create()
    url = USERS if method == "POST" else f"{USERS}/1"
    response = client.open(url, method=method, data=body, content_type="application/json")
    assert response.status_code == 400
    assert "source" not in response.json["errors"][0]


def test_a_null_body_is_rejected(client: ApiClient) -> None:
    response = client.post(USERS, data=b"null", content_type="application/json")
    assert response.problems == [("400", WRONG, "")]


def test_a_body_shorter_than_its_length_is_400(client: ApiClient) -> None:
    body = json.dumps(new()).encode()
    response = client.post(
        USERS,
        data=body,
        content_type="application/json",
        environ_overrides={"CONTENT_LENGTH": str(len(body) + 1)},
    )
    assert response.problems == [("400", "incomplete_body", None)]
    assert client.get(USERS).json["data"] == []


@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_over_the_limit_is_413(build: Callable[..., Flask], chunked: bool) -> None:
    client = CheckedClient(build({"ROSTER_BODY_BYTES": "200"}))

    def post(size: int) -> Any:
        body = json.dumps(new()).encode().ljust(size)
        how = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
        overrides = {**how, "CONTENT_LENGTH": ""} if chunked else {}
        return client.post(
            USERS, data=body, content_type="application/json", environ_overrides=overrides
        )

    assert post(201).problems == [("413", "body_too_large", None)]
    assert post(200).status_code == 201
