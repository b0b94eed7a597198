"""POST /oauth/token exchanges a refresh token (RFC 6749, section 6)."""

import tracemalloc
from typing import Any
from urllib.parse import urlencode

import pytest
from accounts_service import AccountService
from api_client import ApiClient
from processor_time import processor_time_below

TOKEN = "/oauth/token"


def refresh(client: ApiClient, token: str, **more: str) -> Any:
    form = {"grant_type": "refresh_token", "refresh_token": token, **more}
    return client.post(TOKEN, data=form)


def test_returns_new_tokens_that_are_not_stored(service: AccountService, client: ApiClient) -> None:
    service.user(role="admin")
    issued = service.log_in()
    response = refresh(client, issued.refresh_token)
    assert response.status_code == 200
    assert response.mimetype == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Pragma"] == "no-cache"
    tokens = response.get_json()
    assert tokens.keys() == {
        "access_token",
        "token_type",
        "expires_in",
        "refresh_token",
        "scope",
    }
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 600
    assert tokens["scope"] == "users:read groups:read users:write groups:write me"
    assert tokens["refresh_token"] != issued.refresh_token
    assert refresh(client, tokens["refresh_token"]).status_code == 200


def test_a_narrower_scope_applies_to_one_response(
    service: AccountService, client: ApiClient
) -> None:
    service.user(role="admin")
    tokens = refresh(client, service.log_in().refresh_token, scope="me users:read").get_json()
    assert tokens["scope"] == "users:read me"
    assert "users:write" in refresh(client, tokens["refresh_token"]).get_json()["scope"]


def test_an_empty_scope_counts_as_missing(service: AccountService, client: ApiClient) -> None:
    service.user()
    assert refresh(client, service.log_in().refresh_token, scope="").get_json()["scope"] == "me"


def test_a_client_id_an_authorization_and_unknown_parameters_are_ignored(
    service: AccountService, client: ApiClient
) -> None:
    service.user()
    form = {
        "grant_type": "refresh_token",
        "refresh_token": service.log_in().refresh_token,
        "client_id": "any",
        "more": "x",
    }
    headers = {"Authorization": "Bearer wrong"}
    content_type = "Application/X-WWW-Form-Urlencoded; charset=UTF-8"
    body = urlencode(form)
    response = client.post(TOKEN, data=body, headers=headers, content_type=content_type)
    assert response.status_code == 200


def test_a_token_that_was_used_earlier_ends_the_session(
    service: AccountService, client: ApiClient
) -> None:
    user = service.user()
    token = service.log_in().refresh_token
    newer = refresh(client, token).get_json()["refresh_token"]
    service.wait(minutes=1)
    for each in (token, newer):
        response = refresh(client, each)
        assert (response.status_code, response.get_json()["error"]) == (400, "invalid_grant")
        assert response.headers["Cache-Control"] == "no-store"
    assert "token_reused" in service.events(user)


def test_a_scope_beyond_that_of_the_user_is_refused_and_the_token_remains_valid(
    service: AccountService, client: ApiClient
) -> None:
    service.user()
    token = service.log_in().refresh_token
    response = refresh(client, token, scope="me users:read")
    assert (response.status_code, response.get_json()["error"]) == (400, "invalid_scope")
    service.wait(minutes=1)
    assert refresh(client, token).status_code == 200


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"refresh_token": "rrt_x"}, "invalid_request"),
        ({"grant_type": "", "refresh_token": "rrt_x"}, "invalid_request"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": ""}, "invalid_request"),
        ({"grant_type": ["refresh_token"] * 2, "refresh_token": "rrt_x"}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": ["rrt_x"] * 2}, "invalid_request"),
        ({f"p{number}": "" for number in range(101)}, "invalid_request"),
        ({"grant_type": "password", "username": "a", "password": "b"}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "refresh_token": "rrt_x"}, "invalid_grant"),
        ({"grant_type": "refresh_token", "refresh_token": "é\0\ud7ff"}, "invalid_grant"),
        ({"grant_type": "refresh_token", "refresh_token": b"\xff"}, "invalid_grant"),
    ],
)
def test_an_invalid_request_gets_the_error_of_the_rfc(
    client: ApiClient, form: Any, error: str
) -> None:
    response = client.post(TOKEN, data=form)
    assert response.status_code == 400
    assert response.mimetype == "application/json"
    document = response.get_json()
    assert document.keys() == {"error", "error_description"}
    assert document["error"] == error
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("url", [TOKEN, "/oauth/revoke"])
@pytest.mark.parametrize(
    "request_parts",
    [
        {"json": {"grant_type": "refresh_token", "refresh_token": "rrt_x", "token": "x"}},
        {"data": b"token=x&grant_type=refresh_token&refresh_token=rrt_x"},
        {"data": {"token": "x"}, "content_type": "multipart/form-data"},
        {"data": b"token=x", "content_type": "Xapplication/x-www-form-urlencoded"},
        {"data": b"token=x", "content_type": "application/x-www-form-urlencodedX"},
        {"data": {"token": "x"}, "headers": {"Content-Encoding": "gzip"}},
        {"data": {"token": "x"}, "headers": {"Content-Encoding": "Xidentity"}},
        {"data": {"token": "x"}, "query_string": {"refresh_token": "rrt_x"}},
        {"data": {"other": "x"}},
    ],
)
def test_another_kind_of_request_is_invalid(
    client: ApiClient, url: str, request_parts: Any
) -> None:
    response = client.post(url, **request_parts)
    assert (response.status_code, response.get_json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("url", [TOKEN, "/oauth/revoke"])
@pytest.mark.parametrize("escape", ["%61", "%C3%A9", "%ff", "%2", "%zz"])
def test_a_form_of_escaped_characters_takes_little_memory_and_time(
    client: ApiClient, url: str, escape: str
) -> None:
    """Anyone can send it, and large bodies of all clients are validated one at a time."""

    def send(value: str) -> Any:
        form = f"grant_type=refresh_token&refresh_token={value}&token={value}"
        return client.post(url, data=form, content_type="application/x-www-form-urlencoded")

    few = send(escape * 5000)
    assert few.status_code == (200 if url != TOKEN else 400)
    assert b"percent" not in few.data
    many = escape * (10**6 // len(escape) // 2)
    tracemalloc.start()
    try:
        response = send(many)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (response.status_code, response.get_json()["error"]) == (400, "invalid_request")
    assert peak < 10 * 10**6
    with processor_time_below(0.1):
        send(many)


def test_no_error_quotes_the_request(client: ApiClient) -> None:
    for response, code in (
        (refresh(client, "rrt_secret", scope="secret"), "invalid_grant"),
        (client.post(TOKEN, data={"grant_type": "secret"}), "unsupported_grant_type"),
    ):
        assert (response.status_code, response.get_json()["error"]) == (400, code)
        assert b"secret" not in response.data
