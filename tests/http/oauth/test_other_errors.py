"""Errors other than 400 and 401 are the same as elsewhere, and so is CORS."""

import pytest
from api_client import ApiClient
from oauth.conftest import Build

from adapters.web.rate_limit import rate, rate_limiter

ENDPOINTS = ["/oauth/token", "/oauth/revoke", "/oauth/introspect"]
ORIGIN = "https://app.example.org"


@pytest.mark.parametrize("url", ENDPOINTS)
def test_another_method_gets_405(build: Build, url: str) -> None:
    response = ApiClient(build()).get(url)
    assert response.status_code == 405
    assert response.mimetype == "application/vnd.api+json"
    assert response.headers["Allow"] == "OPTIONS, POST"


@pytest.mark.parametrize("url", ENDPOINTS[:2])
def test_a_body_beyond_the_limit_gets_413(build: Build, url: str) -> None:
    response = ApiClient(build(body_limit=1000)).post(url, data={"token": "x" * 1000})
    assert response.status_code == 413
    assert response.get_json(force=True)["errors"][0]["code"] == "body_too_large"


@pytest.mark.parametrize("url", ENDPOINTS)
def test_a_network_beyond_the_rate_limit_gets_429(build: Build, url: str) -> None:
    client = ApiClient(build(limit=rate_limiter(rate("2/minute"))))
    responses = [
        client.post(url, environ_base={"REMOTE_ADDR": f"2001:db8::{number}"}) for number in range(3)
    ]
    assert responses[1].status_code in (400, 401)
    assert responses[2].status_code == 429
    assert responses[2].headers["Retry-After"]
    assert responses[2].get_json(force=True)["errors"][0]["code"] == "too_many_requests"
    other = client.post(url, environ_base={"REMOTE_ADDR": "2001:db8:0:1::"})
    assert other.status_code in (400, 401)


@pytest.mark.parametrize("url", ENDPOINTS[:2])
def test_scripts_of_an_allowed_origin_may_read_the_responses(build: Build, url: str) -> None:
    client = ApiClient(build(origins=(ORIGIN,)))
    headers = {"Origin": ORIGIN}
    assert client.post(url, headers=headers).headers["Access-Control-Allow-Origin"] == ORIGIN
    preflight = client.options(url, headers={**headers, "Access-Control-Request-Method": "POST"})
    assert preflight.status_code == 204
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
