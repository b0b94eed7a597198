"""DELETE /users/{id}?erase_history=true, and what a repeated request gets afterwards."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from adapters.memory.store import MemoryStore
from adapters.web.bearer import bearer
from application.access import Principal

USERS = "/api/v1/users"
OPERATIONS = "/api/v1/operations"
JSONAPI = "application/vnd.api+json"
ATOMIC = f'{JSONAPI};ext="https://jsonapi.org/ext/atomic"'
ERASE = "?erase_history=true"
EMAIL = "ann.needle@example.org"
ANN = {"type": "users", "attributes": {"email": EMAIL, "name": "Ann Needle"}}
SCOPES = ("users:read", "users:write", "users:erase")


def post(client: FlaskClient, key: str, document: Any, url: str = USERS) -> Any:
    content_type = ATOMIC if url == OPERATIONS else JSONAPI
    body, headers = json.dumps(document), {"Idempotency-Key": key}
    return client.post(url, data=body, content_type=content_type, headers=headers)


def operations(*members: dict[str, Any]) -> dict[str, Any]:
    return {"atomic:operations": members}


def history(client: FlaskClient, user_id: str = "1") -> list[Any]:
    response = client.get(f"{USERS}/{user_id}/history")
    return [each["attributes"] for each in response.json["data"]]


@pytest.fixture
def by(build: Callable[..., Flask]) -> Callable[..., Callable[..., Any]]:
    """Makes requests with a token of these scopes."""

    def principal(token: str) -> Principal:
        subject, *scopes = token.split("+")
        return Principal("key_set", "https://issuer.test/", subject, frozenset(scopes))

    client = build(authenticate=bearer(principal)).test_client()

    def requesting(*scopes: str, subject: str = "operator") -> Callable[..., Any]:
        headers = {"Authorization": f"Bearer {'+'.join((subject, *scopes))}"}

        def request(method: str, url: str, **more: Any) -> Any:
            more["headers"] = {**headers, **more.pop("headers", {})}
            return client.open(url, method=method, **more)

        return request

    return requesting


def test_an_erasure_leaves_the_shape_of_a_history(client: FlaskClient) -> None:
    client.post(USERS, json={"data": ANN}, headers={"X-Request-ID": "needle"})
    assert client.delete(f"{USERS}/1{ERASE}").status_code == 204
    assert client.get(f"{USERS}/1").status_code == 404
    events = history(client)
    assert [event["action"] for event in events] == ["created", "deleted", "erased"]
    assert events[0]["changes"]["name"] == {"erased": True}
    assert "needle" not in str(events).lower()


def test_a_user_that_was_deleted_before_is_erased(client: FlaskClient) -> None:
    client.post(USERS, json={"data": ANN})
    client.delete(f"{USERS}/1?erase_history=false")
    assert "needle" in str(history(client)).lower()
    assert client.delete(f"{USERS}/1{ERASE}").status_code == 204
    assert client.delete(f"{USERS}/1.json{ERASE}").status_code == 204
    assert "needle" not in str(history(client)).lower()
    refused = client.delete(f"{USERS}/2{ERASE}")
    assert refused.problems == [("404", "user_not_found", None)]


def test_a_version_can_be_required(client: FlaskClient) -> None:
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
def test_nothing_is_deleted_for_any_other_query(client: FlaskClient, query: str, code: str) -> None:
    client.post(USERS, json={"data": ANN})
    refused = client.delete(f"{USERS}/1?{query}")
    assert [problem[:2] for problem in refused.problems] == [("400", code)]
    assert client.get(f"{USERS}/1").status_code == 200


@pytest.mark.parametrize("query", [ERASE, "?erase%5Fhistory=tru%65"])
@pytest.mark.parametrize("missing", SCOPES[1:])
def test_it_requires_a_scope_of_its_own(
    by: Callable[..., Callable[..., Any]], missing: str, query: str
) -> None:
    by(*SCOPES)("POST", USERS, json={"data": ANN})
    lacking = by(*(scope for scope in SCOPES if scope != missing))
    refused = lacking("DELETE", f"{USERS}/1{query}")
    assert refused.status_code == 403
    assert missing in refused.json["errors"][0]["detail"]
    assert missing in refused.headers["WWW-Authenticate"]
    # Before the media types and the rest of the query are checked.
    refused = lacking("DELETE", f"{USERS}/1{query}&x=1", headers={"Accept": "text/csv"})
    assert refused.status_code == 403
    assert by(*SCOPES)("DELETE", f"{USERS}/1{query}").status_code == 204


def test_a_deletion_without_it_requires_no_more_than_before(
    by: Callable[..., Callable[..., Any]],
) -> None:
    by(*SCOPES)("POST", USERS, json={"data": ANN})
    assert by("users:write")("DELETE", f"{USERS}/1?erase_history=false").status_code == 204


def test_the_actor_is_erased_where_it_is_the_email(by: Callable[..., Callable[..., Any]]) -> None:
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


def test_stored_responses_with_the_user_are_not_served_again(client: FlaskClient) -> None:
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
    current.store = MemoryStore(clock, 1200)
    client = build().test_client()
    statuses = []
    for number in range(4):
        user = {"type": "users", "attributes": {"email": f"u{number}@x.test", "name": "U"}}
        response = post(client, f"key{number}", {"data": user})
        statuses.append(response.status_code)
    assert statuses == [201, 201, 429, 429]
    assert response.json["errors"][0]["code"] == "too_many_stored_responses"
    assert 86_000 < int(response.headers["Retry-After"]) <= 90_000
    assert len(client.get(USERS).json["data"]) == 2
    user["attributes"]["email"] = "u9@x.test"
    assert client.post(USERS, json={"data": user}).status_code == 201


def test_it_is_described(client: FlaskClient) -> None:
    described = client.get("/openapi.json").json["paths"][f"{USERS}/{{id}}"]["delete"]
    (parameter,) = (each for each in described["parameters"] if each["name"] == "erase_history")
    assert parameter["schema"] == {"type": "boolean", "default": False}
    assert "users:erase" in parameter["description"]
