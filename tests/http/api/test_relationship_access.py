"""Which scopes groups, memberships and owners require."""

from collections.abc import Callable
from typing import Any

import pytest
from api.conftest import CheckedClient
from api.constants import ATOMIC, GROUPS, USERS
from api.identifiers import users
from api.tokens import SECRET, secret_token
from api_client import ApiClient
from flask import Flask

MEMBERS = f"{GROUPS}/1/relationships/members"
MEMBERSHIPS = f"{USERS}/1/relationships/groups"
OWNER = f"{GROUPS}/1/relationships/owner"
SCOPES = ("users:read", "users:write", "groups:read", "groups:write")
ANN = {"email": "ann@example.org", "name": "Ann"}

Create = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def secured(build: Callable[..., Flask]) -> Flask:
    return build({"ROSTER_JWT_SECRET": SECRET})


def authorization(*scopes: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret_token(*scopes, subject='tests')}"}


@pytest.fixture
def guarded(secured: Flask, create: Create, create_group: Create) -> ApiClient:
    create()
    create_group(members=["1"], owner="1")
    return CheckedClient(secured)


def in_user(name: str) -> Any:
    related = {"groups": {"data": [{"type": "groups", "id": "1"}]}}
    data = {"type": "users", "attributes": ANN, "relationships": related}
    return {"data": data | ({"id": "1"} if name == "PATCH" else {})}


def operation(**members: Any) -> Any:
    return {"atomic:operations": [members]}


def of(kind: str, name: str, op: str, data: Any) -> Any:
    return operation(op=op, ref={"type": kind, "id": "1", "relationship": name}, data=data)


NEW_USER = {"data": {"type": "users", "attributes": ANN}}
GROUP = {"data": {"type": "groups", "attributes": {"name": "New"}}}
CHANGED = {"data": {"type": "groups", "id": "1", "attributes": {"name": "New"}}}
OPERATIONS = "/api/v1/operations"


@pytest.mark.parametrize(
    ("method", "url", "document", "scopes"),
    [
        ("GET", GROUPS, None, "groups:read"),
        ("GET", f"{GROUPS}/1", None, "groups:read"),
        ("GET", f"{GROUPS}/1/history", None, "groups:read"),
        ("POST", GROUPS, GROUP, "groups:write"),
        ("PATCH", f"{GROUPS}/1", CHANGED, "groups:read groups:write"),
        ("DELETE", f"{GROUPS}/1", None, "groups:write"),
        ("DELETE", f"{USERS}/1", None, "users:write"),
        ("GET", MEMBERS, None, "groups:read"),
        ("GET", OWNER, None, "groups:read"),
        ("GET", f"{GROUPS}/1/members", None, "groups:read users:read"),
        ("GET", f"{GROUPS}/1/owner", None, "groups:read users:read"),
        ("GET", MEMBERSHIPS, None, "users:read groups:read"),
        ("GET", f"{USERS}/1/groups", None, "users:read groups:read"),
        ("GET", f"{MEMBERS}?include=members", None, "groups:read users:read"),
        ("GET", f"{OWNER}?include=owner", None, "groups:read users:read"),
        ("GET", f"{MEMBERS}?filter[email]=x@y.org", None, "groups:read users:read"),
        ("GET", f"{MEMBERS}?filter[id]=1", None, "groups:read"),
        ("GET", f"{MEMBERS}?sort=role", None, "groups:read users:read"),
        ("GET", f"{USERS}?include=groups", None, "users:read groups:read"),
        ("GET", f"{USERS}/1?include=groups.owner", None, "users:read groups:read"),
        ("GET", f"{GROUPS}?include=owner", None, "groups:read users:read"),
        ("GET", f"{GROUPS}?include=", None, "groups:read"),
        ("GET", f"{USERS}?filter[groups]=1", None, "users:read groups:read"),
        ("GET", f"{USERS}?filter[groups][ne]=1", None, "users:read groups:read"),
        ("GET", f"{USERS}?filter[groups][empty]=true", None, "users:read groups:read"),
        ("GET", f"{USERS}?filter[not][groups]=1", None, "users:read groups:read"),
        (
            "GET",
            f"{USERS}?filter[or][1][groups]=1&filter[or][2][q]=a",
            None,
            "users:read groups:read",
        ),
        ("GET", f"{GROUPS}?filter[not][members.name]=a", None, "groups:read users:read"),
        ("GET", f"{GROUPS}?filter[members][empty]=true", None, "groups:read"),
        ("GET", f"{MEMBERS}?filter[groups]=1", None, "groups:read"),
        ("GET", f"{MEMBERS}?filter[not][groups.name]=x", None, "groups:read"),
        ("POST", f"{GROUPS}?include=members", GROUP, "groups:write users:read"),
        ("POST", f"{GROUPS}?include=owner.groups", GROUP, "groups:write users:read groups:read"),
        ("POST", f"{USERS}?include=groups", NEW_USER, "users:write groups:read"),
        ("POST", f"{USERS}?include=groups.owner", NEW_USER, "users:write groups:read users:read"),
        (
            "PATCH",
            f"{GROUPS}/1?include=owner",
            CHANGED,
            "groups:read groups:write users:read",
        ),
        ("POST", MEMBERS, {"data": users(1)}, "groups:write"),
        ("PATCH", MEMBERS, {"data": users(1)}, "groups:write"),
        ("DELETE", MEMBERS, {"data": users(1)}, "groups:write"),
        ("PATCH", OWNER, {"data": None}, "groups:write"),
        ("POST", MEMBERSHIPS, {"data": []}, "users:read groups:write"),
        ("PATCH", MEMBERSHIPS, {"data": []}, "users:read groups:write"),
        ("DELETE", MEMBERSHIPS, {"data": []}, "users:read groups:write"),
        ("POST", USERS, in_user("POST"), "users:write groups:write"),
        ("PATCH", f"{USERS}/1", in_user("PATCH"), "users:read users:write groups:write"),
        ("POST", OPERATIONS, of("groups", "members", "add", users(1)), "groups:write"),
        ("POST", OPERATIONS, of("groups", "owner", "update", None), "groups:write"),
        ("POST", OPERATIONS, of("users", "groups", "remove", []), "users:read groups:write"),
        (
            "POST",
            OPERATIONS,
            operation(op="add", data=in_user("POST")["data"]),
            "users:write groups:write",
        ),
    ],
)
def test_a_request_needs_all_scopes_of_its_row(
    guarded: ApiClient, method: str, url: str, document: Any, scopes: str
) -> None:
    def send(*held: str) -> Any:
        media = ATOMIC if url == OPERATIONS else "application/vnd.api+json"
        sent = {} if document is None else {"json": document, "content_type": media}
        headers = authorization(*held)
        return guarded.open(url, method=method, headers=headers, **sent)

    required = scopes.split()
    for missing in required:
        response = send(*(each for each in SCOPES if each != missing))
        assert response.problems == [("403", "insufficient_scope", None)]
        assert missing in response.json["errors"][0]["detail"]
    assert send(*required).status_code < 300


@pytest.mark.parametrize(
    ("method", "url", "document"),
    [
        ("GET", f"{USERS}?include=groups&x=1", None),
        ("GET", f"{MEMBERS}?include=x", None),
        ("POST", USERS, {"data": {**in_user("POST")["data"], "attributes": []}}),
    ],
)
def test_malformed_requests_are_reported_before_scopes(
    guarded: ApiClient, method: str, url: str, document: Any
) -> None:
    others = ("groups:read",) if url.startswith(GROUPS) else ()
    headers = authorization("users:read", "users:write", *others)
    sent = {} if document is None else {"json": document}
    assert guarded.open(url, method=method, headers=headers, **sent).status_code == 400


@pytest.mark.parametrize("document", [{"data": []}, None])
def test_a_change_is_rejected_before_its_body_is_read(guarded: ApiClient, document: Any) -> None:
    headers = authorization("groups:read")
    for url in (MEMBERS, OPERATIONS):
        response = guarded.post(url, json=document, headers=headers)
        assert response.problems == [("403", "insufficient_scope", None)]


def test_a_change_requires_a_subject(guarded: ApiClient) -> None:
    headers = {"Authorization": f"Bearer {secret_token(*SCOPES)}"}
    response = guarded.post(MEMBERS, json={"data": []}, headers=headers)
    assert response.problems == [("403", "subject_required", None)]
