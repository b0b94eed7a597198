"""POST /oauth/revoke ends a session (RFC 7009)."""

from datetime import timedelta

import pytest
from accounts_service import AccountService
from api_client import ApiClient
from oauth.conftest import other_token

REVOKE = "/oauth/revoke"


@pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
def test_either_token_ends_its_session_only(
    service: AccountService, client: ApiClient, kind: str
) -> None:
    user = service.user()
    issued, other = service.log_in(), service.log_in()
    response = client.post(REVOKE, data={"token": getattr(issued, kind)})
    assert (response.status_code, response.data) == (200, b"")
    assert service.session_queries.find(issued.session.id) is None
    assert service.session_queries.find(other.session.id)
    assert service.events(user).count("session_ended") == 1
    assert service.last_actor() == f"users/{user.id}"


def test_an_access_token_that_has_expired_ends_its_session(
    service: AccountService, client: ApiClient
) -> None:
    """The session would continue with its refresh token, although its user logs out."""
    service.user()
    issued = service.log_in()
    service.now += timedelta(hours=1)
    assert client.post(REVOKE, data={"token": issued.access_token}).status_code == 200
    assert service.session_queries.find(issued.session.id) is None


@pytest.mark.parametrize("token", ["", "rrt_unknown", "x", "a.b.c", "é\0", b"\xff", "x" * 100_000])
def test_any_other_value_gets_the_same_response(client: ApiClient, token: str | bytes) -> None:
    form = {"token": token, "token_type_hint": "anything"}
    response = client.post(REVOKE, data=form, headers={"Authorization": "Bearer x"})
    assert (response.status_code, response.data) == (200, b"")
    assert response.headers["Cache-Control"] == "no-store"
    assert "Content-Type" not in response.headers


def test_a_token_twice_and_one_of_another_issuer_get_the_same_response(
    service: AccountService, client: ApiClient
) -> None:
    service.user()
    token = service.log_in().access_token
    for each in (token, token, other_token(service, "users:read")):
        assert client.post(REVOKE, data={"token": each}).status_code == 200


def test_a_token_of_another_issuer_ends_no_session(
    service: AccountService, client: ApiClient
) -> None:
    service.user()
    session = service.log_in().session
    client.post(REVOKE, data={"token": other_token(service, "users:write")})
    assert service.session_queries.find(session.id)
