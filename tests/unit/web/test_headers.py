"""The headers of every response, for browsers and for scripts of other origins."""

from collections.abc import Callable

import pytest
from api_client import ApiClient

Service = Callable[..., ApiClient]

APP = "https://app.example.org"
URLS = [
    ("GET", "/api/v1/users"),
    ("GET", "/api/v1/users/7"),
    ("POST", "/api/v1/users"),
    ("OPTIONS", "/api/v1/users"),
    ("GET", "/nothing"),
    ("TRACE", "/api/v1/users"),
    ("GET", "/healthz"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
]
PREFLIGHT = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "if-match"}
EXPOSED = "Allow, ETag, Location, Retry-After, WWW-Authenticate, X-Request-ID"
ALLOWED = (
    "Accept, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, "
    "X-Request-ID, traceparent, tracestate"
)
POLICY = "default-src 'none'; frame-ancestors 'none'"
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


@pytest.mark.parametrize(("method", "url"), URLS)
def test_every_response_has_the_security_headers(service: Service, method: str, url: str) -> None:
    response = service().open(url, method=method)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    policy = DOCS_POLICY if url == "/docs" else POLICY
    assert response.headers.getlist("Content-Security-Policy") == [policy]
    assert "Strict-Transport-Security" not in response.headers


@pytest.mark.parametrize(("method", "url"), URLS)
def test_no_response_names_the_software_of_the_service(
    service: Service, method: str, url: str
) -> None:
    response = service().open(url, method=method)
    assert response.headers.getlist("Server") == ["roster"]
    assert "X-Powered-By" not in response.headers
    if url not in ("/openapi.json", "/docs"):
        text = response.text.lower()
        assert not any(name in text for name in ("werkzeug", "flask", "granian", "python"))


@pytest.mark.parametrize("scheme", ["https", "HTTPS"])
def test_requires_https_if_the_public_url_does(service: Service, scheme: str) -> None:
    response = service(ROSTER_PUBLIC_URL=f"{scheme}://people.example.org").get("/api/v1")
    assert response.headers["Strict-Transport-Security"] == "max-age=31536000"
    response = service(ROSTER_PUBLIC_URL="http://people.example.org").get("/api/v1")
    assert "Strict-Transport-Security" not in response.headers


@pytest.mark.parametrize("origin", [APP, "null", "*"])
def test_allows_no_other_origins_by_default(service: Service, origin: str) -> None:
    for response in (
        service().get("/api/v1", headers={"Origin": origin}),
        service().options("/api/v1", headers={"Origin": origin, **PREFLIGHT}),
    ):
        assert not any(name.startswith("Access-Control") for name, _ in response.headers)
        assert response.headers["Vary"] == "Accept"


def test_scripts_of_an_allowed_origin_can_read_responses(service: Service) -> None:
    client = service(ROSTER_CORS_ORIGINS=f"https://other.example.org,{APP}")
    for url in ("/api/v1/users", "/api/v1/users/7", "/nothing"):
        response = client.get(url, headers={"Origin": APP})
        assert response.headers["Access-Control-Allow-Origin"] == APP
        assert response.headers["Access-Control-Expose-Headers"] == EXPOSED
        assert response.headers["Vary"] == "Accept, Origin"
        assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize(
    "origin", [None, "https://evil.example.org", "https://app.example.org.evil.org", "null", ""]
)
def test_scripts_of_other_origins_cannot_read_responses(
    service: Service, origin: str | None
) -> None:
    headers = {} if origin is None else {"Origin": origin}
    response = service(ROSTER_CORS_ORIGINS=APP).get("/api/v1/users", headers=headers)
    assert "Access-Control-Allow-Origin" not in response.headers
    assert (
        response.headers["Vary"] == "Accept, Origin"
    )  # otherwise a cache would return this response to them


def test_scripts_of_all_origins_can_read_responses_if_allowed(
    service: Service,
) -> None:
    client = service(ROSTER_CORS_ORIGINS="*", ROSTER_JWT_SECRET="hush" * 8)
    response = client.get("/api/v1", headers={"Origin": APP})
    assert response.headers["Access-Control-Allow-Origin"] == "*"


def test_a_preflight_lists_the_methods_of_the_url_and_needs_no_token(
    service: Service,
) -> None:
    client = service(ROSTER_CORS_ORIGINS=APP, ROSTER_JWT_SECRET="hush" * 8)
    response = client.options("/api/v1/users/7", headers={"Origin": APP, **PREFLIGHT})
    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Origin"] == APP
    assert response.headers["Allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH"
    assert response.headers["Access-Control-Allow-Methods"] == response.headers["Allow"]
    assert response.headers["Access-Control-Allow-Headers"] == ALLOWED
    assert response.headers["Access-Control-Max-Age"] == "7200"


def test_a_script_can_read_an_error_response(service: Service) -> None:
    client = service(ROSTER_CORS_ORIGINS=APP, ROSTER_JWT_SECRET="hush" * 8)
    response = client.get("/api/v1/users", headers={"Origin": APP})
    assert response.status_code == 401
    assert response.headers["Access-Control-Allow-Origin"] == APP
    assert response.headers["Access-Control-Expose-Headers"] == EXPOSED


TRACING = ["baggage", "sentry-trace", "x-requested-with", "traceparent", "X-Anything_else!"]


def allowed_headers(client: ApiClient, requested: str) -> list[str]:
    """Sends a preflight that requests these headers, and returns the allowed ones."""
    headers = {**PREFLIGHT, "Origin": APP, "Access-Control-Request-Headers": requested}
    response = client.options("/api/v1/users/7", headers=headers)
    assert response.headers["Vary"] == "Accept, Origin, Access-Control-Request-Headers"
    return response.headers["Access-Control-Allow-Headers"].split(", ")


@pytest.mark.parametrize("separator", [",", ", ", " ,\t"])
def test_a_preflight_allows_the_headers_that_it_requests(service: Service, separator: str) -> None:
    requested = separator.join(["content-type", *TRACING])
    new = [name for name in TRACING if name != "traceparent"]
    allowed = allowed_headers(service(ROSTER_CORS_ORIGINS=APP), requested)
    assert allowed == [*ALLOWED.split(", "), *new]


@pytest.mark.parametrize(
    "requested",
    [
        "",
        ",",
        "a b",
        "a\tb,(c),d:e",
        "é",
        "x" * 65,
        "y" * 60_000,
    ],
)
def test_a_preflight_allows_only_valid_header_names(service: Service, requested: str) -> None:
    assert allowed_headers(service(ROSTER_CORS_ORIGINS=APP), requested) == ALLOWED.split(", ")


@pytest.mark.parametrize(("count", "added"), [(64, 64), (65, 64), (66, 64), (1000, 0)])
def test_a_preflight_allows_a_limited_number_of_additional_headers(
    service: Service, count: int, added: int
) -> None:
    names = [f"x{number}" for number in range(count)]
    allowed = allowed_headers(service(ROSTER_CORS_ORIGINS=APP), ",".join(names))
    assert allowed == [*ALLOWED.split(", "), *names[:added]]


def test_only_an_options_request_is_a_preflight(service: Service) -> None:
    headers = {**PREFLIGHT, "Origin": APP}
    response = service(ROSTER_CORS_ORIGINS=APP).get("/api/v1/users", headers=headers)
    assert response.headers["Access-Control-Expose-Headers"] == EXPOSED
    assert "Access-Control-Allow-Methods" not in response.headers


def test_a_preflight_of_another_origin_allows_nothing(service: Service) -> None:
    headers = {
        **PREFLIGHT,
        "Origin": "https://evil.example",
        "Access-Control-Request-Headers": "baggage",
    }
    response = service(ROSTER_CORS_ORIGINS=APP).options("/api/v1/users/7", headers=headers)
    assert not any(name.startswith("Access-Control") for name, _ in response.headers)


@pytest.mark.parametrize(
    "origin",
    ["capacitor://localhost", "tauri://localhost", "chrome-extension://aapbdbdomjkkjkaonfhkkikfg"],
)
def test_origins_of_applications_can_be_allowed(service: Service, origin: str) -> None:
    client = service(ROSTER_CORS_ORIGINS=f"{APP},{origin}")
    for response in (
        client.get("/api/v1/users", headers={"Origin": origin}),
        client.options("/api/v1/users", headers={"Origin": origin, **PREFLIGHT}),
    ):
        assert response.headers["Access-Control-Allow-Origin"] == origin


@pytest.mark.parametrize("url", ["/healthz", "/readyz", "/metrics"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_no_cache_stores_the_state_of_the_service(service: Service, url: str, method: str) -> None:
    response = service().open(url, method=method)
    assert response.status_code == 200
    assert response.headers.getlist("Cache-Control") == ["no-store"]


def test_no_cache_stores_a_failed_readiness_probe(service: Service) -> None:
    response = service(ROSTER_DATABASE_URL="sqlite:////no/such/folder/roster.db").get("/readyz")
    assert response.status_code == 503
    assert response.headers.getlist("Cache-Control") == ["no-store"]
