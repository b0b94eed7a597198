"""POST /oauth/introspect returns the claims of a token (RFC 7662)."""

from typing import Any

import pytest
from accounts_service import ANONYMOUS, AccountService
from api_client import ApiClient
from oauth.conftest import other_token

from domain.users import User, UserChanges

INACTIVE = {"active": False}


@pytest.fixture
def user(service: AccountService) -> User:
    return service.user()


def introspect(client: ApiClient, service: AccountService, token: str | bytes) -> Any:
    headers = {"Authorization": f"Bearer {other_token(service, 'users:read')}"}
    response = client.post("/oauth/introspect", data={"token": token}, headers=headers)
    assert response.status_code == 200
    assert response.mimetype == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    return response.get_json()


def test_returns_the_claims_of_an_access_token(
    service: AccountService, client: ApiClient, user: User
) -> None:
    issued = service.log_in()
    assert introspect(client, service, issued.access_token) == {
        "active": True,
        "sub": str(user.id),
        "sid": issued.session.id,
        "scope": "me",
        "roles": ["user"],
        "iat": service.now.timestamp(),
        "exp": service.now.timestamp() + 600,
    }


def test_a_session_with_the_scope_may_introspect(
    service: AccountService, client: ApiClient, user: User
) -> None:
    service.user("bob", role="admin")
    headers = {"Authorization": f"Bearer {service.log_in('bob').access_token}"}
    form = {"token": service.log_in().access_token}
    assert client.post("/oauth/introspect", data=form, headers=headers).get_json()["active"]


def test_anything_else_is_inactive(service: AccountService, client: ApiClient, user: User) -> None:
    issued = service.log_in()
    changed = f"{issued.access_token[:-4]}AAAA"
    other = other_token(service, "users:read")
    for token in ("", "x", "é\0", b"\xff", issued.refresh_token, changed, other, "x" * 100_000):
        assert introspect(client, service, token) == INACTIVE


def test_a_token_is_inactive_as_soon_as_its_session_has_ended(
    service: AccountService, client: ApiClient, user: User
) -> None:
    issued, other = service.log_in(), service.log_in()
    service.sessions.end(user.id, issued.session.id, ANONYMOUS)
    assert introspect(client, service, issued.access_token) == INACTIVE
    assert introspect(client, service, other.access_token)["active"]
    service.users.change(user.id, UserChanges({"is_active": False}), ANONYMOUS)
    assert introspect(client, service, other.access_token) == INACTIVE


def test_a_token_is_inactive_after_it_expires(
    service: AccountService, client: ApiClient, user: User
) -> None:
    token = service.log_in().access_token
    service.wait(minutes=11)
    assert introspect(client, service, token) == INACTIVE


def test_a_change_of_role_makes_the_tokens_issued_before_inactive(
    service: AccountService, client: ApiClient, user: User
) -> None:
    issued = service.log_in()
    for role in ("admin", "user"):  # the former role does not make the token valid again
        service.wait(seconds=1)
        service.users.change(user.id, UserChanges({"role": role}), ANONYMOUS)
        assert introspect(client, service, issued.access_token) == INACTIVE
    service.wait(seconds=1)
    form = {"grant_type": "refresh_token", "refresh_token": issued.refresh_token}
    refreshed = client.post("/oauth/token", data=form).get_json()
    assert introspect(client, service, refreshed["access_token"])["active"]


@pytest.mark.parametrize("header", [{}, {"Authorization": "Basic eDp5"}])
def test_a_request_without_a_token_gets_401(client: ApiClient, header: dict[str, str]) -> None:
    response = client.post("/oauth/introspect", data={"token": "x"}, headers=header)
    assert response.status_code == 401
    assert response.get_json().keys() == {"error", "error_description"}
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="roster"'


def test_an_invalid_token_gets_401_and_the_log_has_the_reason(
    client: ApiClient, log: list[Any]
) -> None:
    headers = {"Authorization": "Bearer wrong"}
    response = client.post("/oauth/introspect", data={"token": "x"}, headers=headers)
    assert (response.status_code, response.get_json()["error"]) == (401, "invalid_token")
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="roster", error="invalid_token"'
    assert log[-1]["token_refused"] == "The token is not valid."


def test_a_token_without_the_scope_gets_the_error_of_the_api(
    service: AccountService, client: ApiClient
) -> None:
    headers = {"Authorization": f"Bearer {other_token(service, 'groups:read')}"}
    response = client.post("/oauth/introspect", data={"token": "x"}, headers=headers)
    assert response.status_code == 403
    assert response.mimetype == "application/vnd.api+json"
    (error,) = response.get_json(force=True)["errors"]
    assert error["code"] == "insufficient_scope"
    assert 'scope="users:read"' in response.headers["WWW-Authenticate"]


def test_a_missing_token_parameter_is_invalid(service: AccountService, client: ApiClient) -> None:
    headers = {"Authorization": f"Bearer {other_token(service, 'users:read')}"}
    response = client.post("/oauth/introspect", data={}, headers=headers)
    assert (response.status_code, response.get_json()["error"]) == (400, "invalid_request")
