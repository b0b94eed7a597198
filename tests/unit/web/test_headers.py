"""What every answer bears, for browsers and for scripts of other origins."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

Service = Callable[..., FlaskClient]

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
ASKED = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "if-match"}


@pytest.mark.parametrize(("method", "url"), URLS)
def test_every_answer_tells_browsers_to_make_nothing_of_it(
    service: Service, method: str, url: str
) -> None:
    answer = service().open(url, method=method)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    (policy,) = answer.headers.getlist("Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert ("script-src 'self'" in policy) == (url == "/docs")
    assert "Strict-Transport-Security" not in answer.headers


@pytest.mark.parametrize(("method", "url"), URLS)
def test_no_answer_tells_what_the_service_is_made_of(
    service: Service, method: str, url: str
) -> None:
    answer = service().open(url, method=method)
    assert answer.headers.getlist("Server") == ["roster"]
    assert "X-Powered-By" not in answer.headers
    if url not in ("/openapi.json", "/docs"):
        said = answer.text.lower()
        assert not any(name in said for name in ("werkzeug", "flask", "granian", "python"))


def test_a_service_known_by_https_is_only_asked_by_https(service: Service) -> None:
    answer = service(ROSTER_PUBLIC_URL="https://people.example.org").get("/api/v1")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    answer = service(ROSTER_PUBLIC_URL="http://people.example.org").get("/api/v1")
    assert "Strict-Transport-Security" not in answer.headers


@pytest.mark.parametrize("origin", [APP, "null", "*"])
def test_scripts_of_other_origins_get_nothing_unless_it_is_set(
    service: Service, origin: str
) -> None:
    for answer in (
        service().get("/api/v1", headers={"Origin": origin}),
        service().options("/api/v1", headers={"Origin": origin, **ASKED}),
    ):
        assert not any(name.startswith("Access-Control") for name, _ in answer.headers)
        assert answer.headers["Vary"] == "Accept"


def test_scripts_of_an_origin_that_is_set_may_read_answers(service: Service) -> None:
    client = service(ROSTER_CORS_ORIGINS=f"https://other.example.org,{APP}")
    for url in ("/api/v1/users", "/api/v1/users/7", "/nothing"):
        answer = client.get(url, headers={"Origin": APP})
        assert answer.headers["Access-Control-Allow-Origin"] == APP
        exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
        assert {"ETag", "Location", "X-Request-ID", "Retry-After"} <= set(exposed)
        assert answer.headers["Vary"] == "Accept, Origin"
        assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin", [None, "https://evil.example.org", "https://app.example.org.evil.org", "null", ""]
)
def test_scripts_of_others_may_not(service: Service, origin: str | None) -> None:
    headers = {} if origin is None else {"Origin": origin}
    answer = service(ROSTER_CORS_ORIGINS=APP).get("/api/v1/users", headers=headers)
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert answer.headers["Vary"] == "Accept, Origin"  # or a cache would give them this answer


def test_scripts_of_all_origins_may_if_it_says_so(service: Service) -> None:
    client = service(ROSTER_CORS_ORIGINS="*", ROSTER_JWT_SECRET="hush" * 8)
    answer = client.get("/api/v1", headers={"Origin": APP})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_a_preflight_is_answered_with_what_the_url_takes_and_needs_no_token(
    service: Service,
) -> None:
    client = service(ROSTER_CORS_ORIGINS=APP, ROSTER_JWT_SECRET="hush" * 8)
    answer = client.options("/api/v1/users/7", headers={"Origin": APP, **ASKED})
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == APP
    assert answer.headers["Access-Control-Allow-Methods"] == answer.headers["Allow"]
    assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
    allowed = answer.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"authorization", "content-type", "if-match", "idempotency-key"} <= set(allowed)
    assert int(answer.headers["Access-Control-Max-Age"]) > 0


def test_a_refusal_can_be_read_by_the_script_that_gets_it(service: Service) -> None:
    client = service(ROSTER_CORS_ORIGINS=APP, ROSTER_JWT_SECRET="hush" * 8)
    answer = client.get("/api/v1/users", headers={"Origin": APP})
    assert answer.status_code == 401
    assert answer.headers["Access-Control-Allow-Origin"] == APP
    assert "WWW-Authenticate" in answer.headers["Access-Control-Expose-Headers"]


TRACED = ["baggage", "sentry-trace", "x-requested-with", "traceparent", "X-Anything_else!"]


def preflight(client: FlaskClient, requested: str) -> list[str]:
    """The headers that a preflight for these allows."""
    asked = {**ASKED, "Origin": APP, "Access-Control-Request-Headers": requested}
    answer = client.options("/api/v1/users/7", headers=asked)
    assert answer.headers["Vary"] == "Accept, Origin, Access-Control-Request-Headers"
    return answer.headers["Access-Control-Allow-Headers"].lower().split(", ")


@pytest.mark.parametrize("separator", [",", ", ", " ,\t"])
def test_a_preflight_allows_the_headers_that_it_requests(service: Service, separator: str) -> None:
    allowed = preflight(service(ROSTER_CORS_ORIGINS=APP), separator.join(["content-type", *TRACED]))
    assert {name.lower() for name in TRACED} <= set(allowed)
    assert {"authorization", "content-type", "if-match", "idempotency-key"} <= set(allowed)
    assert len(allowed) == len(set(allowed))


@pytest.mark.parametrize(
    "requested",
    [
        "",
        ",",
        "a b",
        "a\tb,(c),d:e",
        "é",
        "x" * 65,
        ",".join(f"x{number}" for number in range(1000)),
        "y" * 60_000,
    ],
)
def test_what_is_no_header_name_is_not_allowed_and_the_rest_is_bounded(
    service: Service, requested: str
) -> None:
    usual = preflight(service(ROSTER_CORS_ORIGINS=APP), "")
    allowed = preflight(service(ROSTER_CORS_ORIGINS=APP), requested)
    assert allowed[: len(usual)] == usual
    assert len(allowed) <= len(usual) + 65
    assert all(name.isascii() and " " not in name for name in allowed)


def test_a_preflight_of_another_origin_allows_nothing(service: Service) -> None:
    asked = {**ASKED, "Origin": "https://evil.example", "Access-Control-Request-Headers": "baggage"}
    answer = service(ROSTER_CORS_ORIGINS=APP).options("/api/v1/users/7", headers=asked)
    assert not any(name.startswith("Access-Control") for name, _ in answer.headers)


@pytest.mark.parametrize(
    "origin",
    ["capacitor://localhost", "tauri://localhost", "chrome-extension://aapbdbdomjkkjkaonfhkkikfg"],
)
def test_applications_that_are_no_web_pages_may_be_allowed(service: Service, origin: str) -> None:
    client = service(ROSTER_CORS_ORIGINS=f"{APP},{origin}")
    for answer in (
        client.get("/api/v1/users", headers={"Origin": origin}),
        client.options("/api/v1/users", headers={"Origin": origin, **ASKED}),
    ):
        assert answer.headers["Access-Control-Allow-Origin"] == origin


@pytest.mark.parametrize("url", ["/healthz", "/readyz", "/metrics"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_no_cache_stores_the_state_of_the_service(service: Service, url: str, method: str) -> None:
    response = service().open(url, method=method)
    assert response.status_code == 200
    assert response.headers.getlist("Cache-Control") == ["no-store"]


def test_no_cache_stores_that_the_service_is_not_ready(service: Service) -> None:
    response = service(ROSTER_DATABASE_URL="sqlite:////no/such/folder/roster.db").get("/readyz")
    assert response.status_code == 503
    assert response.headers.getlist("Cache-Control") == ["no-store"]
