"""DELETE /users/{id}?erase_history=true, and what a repeated request gets afterwards."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from api.conftest import RELATIONSHIPS, CheckedClient
from api.constants import ATOMIC, JSONAPI, OPERATIONS, USERS
from api.tokens import key_set_token
from api_client import ApiClient
from flask import Flask

from adapters.memory.store import MemoryStore

ERASE = "?erase_history=true"
EMAIL = "ann.needle@example.org"
ANN = {"type": "users", "attributes": {"email": EMAIL, "name": "Ann Needle"}}
SCOPES = ("users:read", "users:write", "users:erase")


def post(client: ApiClient, key: str, document: Any, url: str = USERS) -> Any:
    content_type = ATOMIC if url == OPERATIONS else JSONAPI
    body, headers = json.dumps(document), {"Idempotency-Key": key}
    return client.post(url, data=body, content_type=content_type, headers=headers)


def operations(*members: dict[str, Any]) -> dict[str, Any]:
    return {"atomic:operations": members}


def history(client: ApiClient, user_id: str = "1") -> list[Any]:
    response = client.get(f"{USERS}/{user_id}/history")
    return [each["attributes"] for each in response.json["data"]]


@pytest.fixture
def by(build: Callable[..., Flask], secured: dict[str, str]) -> Callable[..., Callable[..., Any]]:
    """Makes requests with a token of these scopes."""
    client = CheckedClient(build(secured))

    def requesting(*scopes: str, subject: str = "operator") -> Callable[..., Any]:
        token = key_set_token(*scopes, subject=subject, issuer="https://issuer.test/")
        headers = {"Authorization": f"Bearer {token}"}

        def request(method: str, url: str, **more: Any) -> Any:
            more["headers"] = {**headers, **more.pop("headers", {})}
            return client.open(url, method=method, **more)

        return request

    return requesting


def test_an_erasure_keeps_the_events_without_their_values(client: ApiClient) -> None:
    client.post(USERS, json={"data": ANN}, headers={"X-Request-ID": "needle"})
    assert client.delete(f"{USERS}/1{ERASE}").status_code == 204
    assert client.get(f"{USERS}/1").status_code == 404
    events = history(client)
    assert [event["action"] for event in events] == ["created", "deleted", "erased"]
    assert events[0]["changes"]["name"] == {"erased": True}
    assert "needle" not in str(events).lower()


def test_a_deleted_user_can_be_erased(client: ApiClient) -> None:
    client.post(USERS, json={"data": ANN})
    client.delete(f"{USERS}/1?erase_history=false")
    assert "needle" in str(history(client)).lower()
    assert client.delete(f"{USERS}/1{ERASE}").status_code == 204
    assert client.delete(f"{USERS}/1.json{ERASE}").status_code == 204
    assert "needle" not in str(history(client)).lower()
    rejected = client.delete(f"{USERS}/2{ERASE}")
    assert rejected.problems == [("404", "user_not_found", None)]


def test_an_erasure_honors_if_match(client: ApiClient) -> None:
    created = client.post(USERS, json={"data": ANN})
    stale = {"If-Match": '"9-aa"'}
    assert client.delete(f"{USERS}/1{ERASE}", headers=stale).status_code == 412
    assert client.get(f"{USERS}/1").status_code == 200
    current = {"If-Match": created.headers["ETag"]}
    assert client.delete(f"{USERS}/1{ERASE}", headers=current).status_code == 204
    assert client.delete(f"{USERS}/1{ERASE}", headers=current).status_code == 412


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("erase_history=", "invalid_parameter"),
        ("erase_history=1", "invalid_parameter"),
        ("erase_history=TRUE", "invalid_parameter"),
        ("erase_history=true&erase_history=true", "repeated_parameter"),
        ("erase_history=true&x=1", "unknown_parameter"),
        ("erase=true", "unknown_parameter"),
    ],
)
def test_another_query_is_rejected_and_deletes_nothing(
    client: ApiClient, query: str, code: str
) -> None:
    client.post(USERS, json={"data": ANN})
    rejected = client.delete(f"{USERS}/1?{query}")
    assert [problem[:2] for problem in rejected.problems] == [("400", code)]
    assert client.get(f"{USERS}/1").status_code == 200


@pytest.mark.parametrize("query", [ERASE, "?erase%5Fhistory=tru%65"])
@pytest.mark.parametrize("missing", SCOPES[1:])
def test_an_erasure_requires_its_own_scope(
    by: Callable[..., Callable[..., Any]], missing: str, query: str
) -> None:
    by(*SCOPES)("POST", USERS, json={"data": ANN})
    lacking = by(*(scope for scope in SCOPES if scope != missing))
    rejected = lacking("DELETE", f"{USERS}/1{query}")
    assert rejected.status_code == 403
    assert missing in rejected.json["errors"][0]["detail"]
    assert missing in rejected.headers["WWW-Authenticate"]
    # Before the media types and the rest of the query are checked.
    rejected = lacking("DELETE", f"{USERS}/1{query}&x=1", headers={"Accept": "text/csv"})
    assert rejected.status_code == 403
    assert by(*SCOPES)("DELETE", f"{USERS}/1{query}").status_code == 204


def test_a_deletion_without_erasure_requires_only_the_scope_to_write(
    by: Callable[..., Callable[..., Any]],
) -> None:
    by(*SCOPES)("POST", USERS, json={"data": ANN})
    assert by("users:write")("DELETE", f"{USERS}/1?erase_history=false").status_code == 204


def test_an_actor_with_the_email_of_the_user_is_erased(
    by: Callable[..., Callable[..., Any]],
) -> None:
    ann = by(*SCOPES, subject=EMAIL.upper())
    ann("POST", USERS, json={"data": ANN})
    bob = {"type": "users", "attributes": {"email": "bob@example.org", "name": "Bob"}}
    ann("POST", USERS, json={"data": bob}, headers={"X-Request-ID": "ann-changes-bob"})
    assert ann("DELETE", f"{USERS}/1{ERASE}").status_code == 204
    for user_id in ("1", "2"):
        response = by("users:read")("GET", f"{USERS}/{user_id}/history")
        assert EMAIL not in response.text.lower()
        for event in response.json["data"]:
            attributes = event["attributes"]
            assert (attributes["actor"], attributes["request_id"]) == (None, None)
            assert attributes["actor_kind"] == "key_set"
            assert attributes["actor_issuer"] == "https://issuer.test/"


def test_stored_responses_with_the_user_are_not_served_again(client: ApiClient) -> None:
    documents = {
        "create": ({"data": ANN}, USERS),
        "no change": (
            operations({"op": "update", "data": {"type": "users", "id": "1", "attributes": {}}}),
            OPERATIONS,
        ),
        "many": (
            operations(
                {"op": "add", "data": {**ANN, "attributes": {"email": "b@x.test", "name": "B"}}},
                {"op": "update", "data": {"type": "users", "id": "1", "attributes": {"role": "x"}}},
            ),
            OPERATIONS,
        ),
        "refused": (
            operations(
                {"op": "update", "data": {"type": "users", "id": "1", "attributes": {"role": "y"}}},
                {"op": "add", "data": ANN},
            ),
            OPERATIONS,
        ),
    }
    for key, (document, url) in documents.items():
        first = post(client, key, document, url)
        assert first.status_code == (409 if key == "refused" else 201 if key == "create" else 200)
        assert post(client, key, document, url).data == first.data
    other = {"data": {**ANN, "attributes": {"email": "c@x.test", "name": "C"}}}
    created = post(client, "other", other)
    assert client.delete(f"{USERS}/1{ERASE}").status_code == 204
    for key, (document, url) in documents.items():
        repeated = post(client, key, document, url)
        assert "needle" not in repeated.text.lower()
        assert repeated.json["errors"][0]["code"] == "response_erased"
        assert repeated.json["errors"][0]["source"] == {"header": "Idempotency-Key"}
        assert repeated.status_code == 409
    assert post(client, "other", other).data == created.data


def test_a_key_beyond_the_limit_gets_429(
    build: Callable[..., Flask], clock: Any, current: Any
) -> None:
    current.store = MemoryStore(clock, 1200, RELATIONSHIPS)
    client = CheckedClient(build())
    statuses = []
    for number in range(4):
        user: Any = {"type": "users", "attributes": {"email": f"u{number}@x.test", "name": "U"}}
        response = post(client, f"key{number}", {"data": user})
        statuses.append(response.status_code)
    assert statuses == [201, 201, 429, 429]
    assert response.json["errors"][0]["code"] == "too_many_stored_responses"
    assert 86_000 < int(response.headers["Retry-After"]) <= 90_000
    assert len(client.get(USERS).json["data"]) == 2
    user["attributes"]["email"] = "u9@x.test"
    assert client.post(USERS, json={"data": user}).status_code == 201


@pytest.mark.parametrize("type_", ["users", "groups"])
def test_the_description_has_the_parameter_and_its_scope(client: ApiClient, type_: str) -> None:
    described = client.get("/openapi.json").json["paths"][f"/api/v1/{type_}/{{id}}"]["delete"]
    (parameter,) = (each for each in described["parameters"] if each["name"] == "erase_history")
    assert parameter["schema"] == {"type": "boolean", "default": False}
    assert f"`{type_}:erase`" in parameter["description"]
