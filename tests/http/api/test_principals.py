"""Scopes of changes, and the identity of the principal that makes them."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from api.conftest import CheckedClient
from api.constants import ATOMIC, OPERATIONS, USERS
from api.tokens import key_set_token, secret_token
from api_client import ApiClient
from flask import Flask

READ, WRITE = "users:read", "users:write"
BOTH = (READ, WRITE)
ONE, TWO = "https://one.test/", "https://two.test/"
TOKENS = {
    "reader": secret_token(READ, subject="reader"),
    "writer": secret_token(WRITE, subject="writer"),
    "both": secret_token(*BOTH, subject="both"),
    "anonymous": secret_token(*BOTH),
    "ann": key_set_token(*BOTH, subject="ann", issuer=ONE),
    "ann elsewhere": key_set_token(*BOTH, subject="ann", issuer=TWO),
    "ann by secret": secret_token(*BOTH, subject="ann", issuer=ONE),
}
IDENTITIES = {
    "ann": ("key_set", ONE, "ann"),
    "ann elsewhere": ("key_set", TWO, "ann"),
    "ann by secret": ("secret", ONE, "ann"),
}


@pytest.fixture
def client(build: Callable[..., Flask], secured: dict[str, str]) -> ApiClient:
    return CheckedClient(build(secured))


def by(name: str, **headers: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[name]}", **headers}


def creation(email: str = "ann@example.org") -> dict[str, Any]:
    return {"data": {"type": "users", "attributes": {"email": email, "name": "Ann"}}}


def create(client: ApiClient, name: str = "both", email: str = "ann@example.org") -> str:
    response = client.post(USERS, json=creation(email), headers=by(name))
    assert response.status_code == 201
    return str(response.json["data"]["id"])


def operate(client: ApiClient, name: str, *operations: dict[str, Any], **headers: str) -> Any:
    body = json.dumps({"atomic:operations": operations})
    return client.post(OPERATIONS, data=body, content_type=ATOMIC, headers=by(name, **headers))


def update(user_id: str, **attributes: Any) -> dict[str, Any]:
    return {"op": "update", "data": {"type": "users", "id": user_id, "attributes": attributes}}


def code(response: Any) -> tuple[int, str]:
    (error,) = response.json["errors"]
    return response.status_code, error["code"]


def test_a_change_requires_permission_to_read(client: ApiClient) -> None:
    user_id = create(client)
    document = {"data": {"type": "users", "id": user_id}}
    response = client.patch(f"{USERS}/{user_id}", json=document, headers=by("writer"))
    assert code(response) == (403, "insufficient_scope")
    assert "users:read" in response.json["errors"][0]["detail"]
    assert "users:write" not in response.json["errors"][0]["detail"]
    assert "ann@example.org" not in response.text
    response = client.patch(f"{USERS}/{user_id}", json=document, headers=by("both"))
    assert response.status_code == 200


def test_each_operation_requires_the_scopes_of_its_single_request(client: ApiClient) -> None:
    user_id = create(client)
    add = {"op": "add", "data": creation("bob@example.org")["data"]}
    remove = {"op": "remove", "ref": {"type": "users", "id": user_id}}
    assert code(operate(client, "reader", add)) == (403, "insufficient_scope")
    response = operate(client, "writer", add, update(user_id))
    assert code(response) == (403, "insufficient_scope")
    assert "users:read" in response.json["errors"][0]["detail"]
    assert (
        client.get(f"{USERS}?filter[email]=bob@example.org", headers=by("both")).json["data"] == []
    )
    assert operate(client, "writer", add, remove).status_code == 200


def test_the_structure_of_operations_is_checked_before_their_scopes(client: ApiClient) -> None:
    assert operate(client, "writer", {"op": "update"}).status_code == 400
    missing = {"op": "update", "href": "/api/v1/nothing/1", "data": {"type": "users", "id": "1"}}
    assert code(operate(client, "writer", missing)) == (404, "not_found")


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_a_token_without_a_subject_cannot_change_anything(client: ApiClient, method: str) -> None:
    user_id = create(client)
    headers = by("anonymous")
    assert client.get(USERS, headers=headers).status_code == 200
    url = USERS if method == "POST" else f"{USERS}/{user_id}"
    response = client.open(url, method=method, json=creation(), headers=headers)
    assert code(response) == (403, "subject_required")
    assert code(operate(client, "anonymous", update(user_id))) == (403, "subject_required")
    assert client.get(f"{USERS}/{user_id}", headers=headers).status_code == 200


@pytest.mark.parametrize("name", IDENTITIES)
def test_the_audit_log_names_the_whole_principal(client: ApiClient, name: str) -> None:
    user_id = create(client, name)
    history = client.get(f"{USERS}/{user_id}/history", headers=by("reader")).json
    (event,) = history["data"]
    recorded = [event["attributes"][each] for each in ("actor_kind", "actor_issuer", "actor")]
    assert tuple(recorded) == IDENTITIES[name]


def test_an_idempotency_key_belongs_to_the_whole_principal(client: ApiClient) -> None:
    """The same subject of another issuer, or of another kind, is another principal."""
    add = {"op": "add", "data": creation()["data"]}
    key = {"Idempotency-Key": "shared"}
    assert operate(client, "ann", add, **key).status_code == 200
    for other in ("ann elsewhere", "ann by secret"):
        assert code(operate(client, other, add, **key)) == (409, "email_taken")
    assert operate(client, "ann", add, **key).status_code == 200
