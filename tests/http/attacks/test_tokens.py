"""Forged, confused and borrowed tokens, and rights that a user does not have."""

import base64
import hmac
import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import jwt
import pytest
from attacks.conftest import JSONAPI, PASSWORD, SECRET, Target
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Claims = dict[str, Any]


def encoded(part: Any) -> str:
    text = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def by_hmac(key: bytes, header: Claims, claims: Claims) -> str:
    signed = f"{encoded(header)}.{encoded(claims)}"
    return f"{signed}.{encoded(hmac.digest(key, signed.encode(), sha256))}"


def claims_of(headers: dict[str, str]) -> Claims:
    token = headers["Authorization"].removeprefix("Bearer ")
    claims: Claims = jwt.decode(token, options={"verify_signature": False})
    return claims


def own(target: Target, claims: Claims, **header: Any) -> str:
    """A token signed with the key of the service, which no attacker has."""
    headers = {"kid": target.key.kid, "typ": "at+jwt", **header}
    headers = {name: value for name, value in headers.items() if value is not None}
    return jwt.encode(claims, target.key.private, target.key.algorithm, headers=headers)


def unsigned(target: Target, claims: Claims) -> str:
    header = {"alg": "none", "typ": "at+jwt", "kid": target.key.kid}
    return f"{encoded(header)}.{encoded(claims)}.{encoded(b'none')}"


def with_public_key(target: Target, claims: Claims) -> str:
    public = target.key.private.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = {"alg": "HS256", "typ": "at+jwt", "kid": target.key.kid}
    return by_hmac(pem, header, claims)


def with_secret(target: Target, claims: Claims) -> str:
    header = {"alg": "HS256", "typ": "at+jwt", "kid": target.key.kid}
    return by_hmac(SECRET.encode(), header, claims)


FORGERIES: dict[str, Callable[[Target, Claims], str]] = {
    "unsigned": unsigned,
    "signed with the public key": with_public_key,
    "signed with the secret of other tokens": with_secret,
    "without kid": lambda target, claims: own(target, claims, kid=None),
    "with another kid": lambda target, claims: own(target, claims, kid="../../dev/null"),
    "the type of an ID token": lambda target, claims: own(target, claims, typ="JWT"),
    "a logout token": lambda target, claims: own(target, claims, typ="logout+jwt"),
    "a critical extension": lambda target, claims: own(target, claims, crit=["exp"]),
    "another issuer": lambda target, claims: own(target, {**claims, "iss": "other"}),
    "another audience": lambda target, claims: own(target, {**claims, "aud": "other"}),
    "a subject that is not a user": lambda target, claims: own(target, {**claims, "sub": "admin"}),
    "a subject that is a number": lambda target, claims: own(target, {**claims, "sub": 1}),
    "a subject with a leading zero": lambda target, claims: own(target, {**claims, "sub": "01"}),
    "an id that is not a UUID": lambda target, claims: own(target, {**claims, "jti": "program"}),
    "bound to a key": lambda target, claims: own(target, {**claims, "cnf": {"jkt": "x"}}),
    "expired": lambda target, claims: own(target, {**claims, "exp": 1}),
    "without expiry": lambda target, claims: own(
        target, {name: value for name, value in claims.items() if name != "exp"}
    ),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_token_is_refused(target: Target, forge: Callable[[Target, Claims], str]) -> None:
    access = target.access()
    token = forge(target, claims_of(access))
    forged = {"Authorization": f"Bearer {token}"}
    genuine = {"Authorization": f"Bearer {own(target, claims_of(access))}"}
    assert target.send("GET", "/api/v1/me", headers=genuine).status_code == 200
    assert target.send("GET", "/api/v1/me", headers=forged).status_code == 401
    assert target.send("GET", "/api/v1/users", headers=forged).status_code == 401
    introspected = target.send("POST", "/oauth/introspect", headers=access, data={"token": token})
    assert json.loads(introspected.data) == {"active": False}


def test_a_token_of_another_issuer_is_never_that_of_a_user(target: Target) -> None:
    """It copies every claim of a session, and has all scopes."""
    access = target.access()
    claims = claims_of(access)
    token = jwt.encode(claims, SECRET, "HS256")
    borrowed = {"Authorization": f"Bearer {token}"}
    assert target.send("GET", "/api/v1/users", headers=borrowed).status_code == 200
    for method, path in (
        ("GET", "me"),
        ("GET", "sessions"),
        ("DELETE", "sessions"),
        ("DELETE", "sessions/current"),
        ("GET", f"sessions/{claims['sid']}"),
        ("DELETE", f"sessions/{claims['sid']}"),
    ):
        response = target.send(method, f"/api/v1/{path}", headers=borrowed)
        assert (response.status_code, "not_a_user" in response.text) == (403, True)
    changed = {"type": "passwords", "attributes": {"current_password": PASSWORD, "password": "x"}}
    response = target.document("POST", "me/password", changed, headers=borrowed)
    assert "not_a_user" in response.text
    assert target.send("POST", "/oauth/revoke", data={"token": token}).status_code == 200
    assert target.send("GET", "/api/v1/me", headers=access).status_code == 200


@pytest.mark.parametrize(
    ("member", "values"),
    [
        ("attributes", {"role": "superuser"}),
        ("attributes", {"is_active": False}),
        ("attributes", {"email": "eve@example.org"}),
        ("relationships", {"groups": {"data": []}}),
        ("relationships", {"groups": {"data": [{"type": "groups", "id": "2"}]}}),
    ],
)
def test_users_change_only_their_name(target: Target, member: str, values: Claims) -> None:
    access = target.access()
    ann = {"type": "users", "id": str(target.ann)}
    for name, members in (("Staff", [ann]), ("Board", [])):
        relationships = {"members": {"data": members}}
        group = {"type": "groups", "attributes": {"name": name}, "relationships": relationships}
        assert target.document("POST", "groups", group, headers=access).status_code == 201
    response = target.document("PATCH", "me", {**ann, member: values}, headers=access)
    assert response.status_code == 403
    (error,) = json.loads(response.data)["errors"]
    (name,) = values
    assert error["code"] == "read_only"
    assert error["source"]["pointer"].startswith(f"/data/{member}/{name}")


def test_another_users_session_does_not_exist(target: Target) -> None:
    session_id = claims_of(target.access())["sid"]
    target.user("bob")
    tokens = json.loads(target.log_in("bob@example.org").data)["data"]["meta"]
    headers = {"Authorization": f"Bearer {tokens['access_token']}", "Accept": JSONAPI}
    for method in ("GET", "DELETE"):
        assert (
            target.send(method, f"/api/v1/sessions/{session_id}", headers=headers).status_code
            == 404
        )
        for path in ("sessions", f"sessions/{session_id}"):
            url = f"/api/v1/users/{target.ann}/{path}"
            assert target.send(method, url, headers=headers).status_code == 403
    for query in (f"filter[user_id]={target.ann}", "page[size]=1000", "sort=address"):
        listed = target.send("GET", f"/api/v1/sessions?{query}", headers=headers)
        assert session_id not in listed.text
