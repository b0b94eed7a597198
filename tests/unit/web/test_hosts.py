"""Which hosts and origins a service without access control accepts."""

from collections.abc import Callable
from typing import Any

import pytest
from api_client import ApiClient

from entrypoints.settings import BadSetting

Service = Callable[..., ApiClient]

USERS = "/api/v1/users"
PUBLIC = "https://people.example.org/directory"
SECRET = "hush" * 8
URLS = [
    ("GET", "/"),
    ("GET", "/api/v1"),
    ("GET", USERS),
    ("GET", f"{USERS}.json/"),
    ("POST", USERS),
    ("PATCH", f"{USERS}/1"),
    ("DELETE", f"{USERS}/1"),
    ("POST", "/api/v1/operations"),
    ("PUT", USERS),
    ("OPTIONS", USERS),
    ("GET", "/docs"),
    ("GET", "/docs/start.js"),
    ("GET", "/docs/errors"),
    ("GET", "/openapi.json"),
    ("GET", "/metrics"),
    ("GET", "/nothing"),
    ("GET", "/api/v1/nothing"),
    ("GET", "/api/v1/users/abc"),
    ("GET", "/healthz/"),
]
FOREIGN = [
    "rebound.attacker.example:5000",
    "rebound.attacker.example",
    "localhost.attacker.example",
    "127.0.0.1.attacker.example",
    "attacker.localhost.",
    "notlocalhost",
    "0.0.0.0:5000",
    "192.0.2.1",
    "[2001:db8::1]:5000",
    "[::]",
    "127.1",
    "2130706433",
    "people.example.org",
    "x." * 60 + "example",
]
LOOPBACK = [
    "localhost",
    "localhost:5000",
    "LOCALHOST:5000",
    "localhost.",
    "127.0.0.1:5000",
    "127.0.0.1",
    "127.1.2.3:80",
    "[::1]:5000",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]:5000",
]


def user(email: str = "ann@example.org") -> dict[str, Any]:
    return {"data": {"type": "users", "attributes": {"email": email, "name": "Ann"}}}


def only_error(response: Any) -> tuple[str, str, dict[str, str]]:
    (error,) = response.get_json()["errors"]
    return error["status"], error["code"], error["source"]


MISDIRECTED = ("421", "misdirected_request", {"header": "Host"})
FOREIGN_ORIGIN = ("403", "foreign_origin", {"header": "Origin"})


@pytest.mark.parametrize(("method", "url"), URLS)
def test_rejects_a_foreign_host_on_every_url(service: Service, method: str, url: str) -> None:
    response = service().open(url, method=method, headers={"Host": "rebound.attacker.example"})
    assert response.status_code == 421
    assert response.headers["Content-Type"] == "application/vnd.api+json"
    assert only_error(response) == MISDIRECTED


def test_rejects_a_foreign_host_on_a_path_with_two_slashes(service: Service) -> None:
    rebound = {"PATH_INFO": "//healthz", "HTTP_HOST": "rebound.attacker.example"}
    assert service().get("/", environ_overrides=rebound).status_code == 421


@pytest.mark.parametrize("host", FOREIGN)
def test_rejects_every_foreign_host(service: Service, host: str) -> None:
    response = service().get(USERS, headers={"Host": host})
    assert only_error(response) == MISDIRECTED
    assert host[:50] in response.get_json()["errors"][0]["detail"]


@pytest.mark.parametrize("host", LOOPBACK)
def test_accepts_loopback_in_every_spelling(service: Service, host: str) -> None:
    assert service().get(USERS, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["", "a b", "[::1", "a@localhost", "localhost,evil.example"])
def test_an_invalid_host_is_a_bad_request(service: Service, host: str) -> None:
    response = service().get(USERS, headers={"Host": host})
    assert only_error(response) == ("400", "bad_request", {"header": "Host"})


@pytest.mark.parametrize("probe", ["/healthz", "/readyz"])
@pytest.mark.parametrize("host", FOREIGN)
def test_probes_accept_any_host(service: Service, probe: str, host: str) -> None:
    assert service().get(probe, headers={"Host": host}).status_code == 200


def test_a_request_of_http_1_0_needs_no_host(service: Service) -> None:
    old = {"SERVER_PROTOCOL": "HTTP/1", "HTTP_HOST": ""}
    assert service().get(USERS, environ_overrides=old).status_code == 200
    foreign = {**old, "HTTP_HOST": "rebound.attacker.example"}
    assert service().get(USERS, environ_overrides=foreign).status_code == 421


@pytest.mark.parametrize(
    ("settings", "hosts"),
    [
        ({"ROSTER_PUBLIC_URL": PUBLIC}, ["people.example.org", "PEOPLE.example.org.:8443"]),
        ({"ROSTER_PUBLIC_URL": "http://[2001:db8::1]:80"}, ["[2001:DB8:0::1]:80"]),
        (
            {"ROSTER_HOSTS": "a.example, B.example., 192.0.2.7, 2001:db8::7, [2001:db8::8]"},
            ["a.example", "b.EXAMPLE:80", "192.0.2.7:5000", "[2001:db8:0::7]", "[2001:db8::8]:1"],
        ),
    ],
)
def test_accepts_hosts_from_the_settings(
    service: Service, settings: dict[str, str], hosts: list[str]
) -> None:
    client = service(**settings)
    for host in [*hosts, "localhost:5000"]:
        assert client.get(USERS, headers={"Host": host}).status_code == 200, host
    for host in ("rebound.attacker.example", "www.people.example.org", "192.0.2.8"):
        assert client.get(USERS, headers={"Host": host}).status_code == 421, host


def test_a_service_with_access_control_accepts_any_host_and_origin(service: Service) -> None:
    client = service(ROSTER_JWT_SECRET=SECRET)
    headers = {"Host": "rebound.attacker.example", "Origin": "http://rebound.attacker.example"}
    assert client.get(USERS, headers=headers).status_code == 401
    assert client.get("/docs", headers=headers).status_code == 200
    assert client.post(USERS, json=user(), headers=headers).status_code == 401


CHANGES = [
    ("POST", USERS),
    ("PATCH", f"{USERS}/1"),
    ("DELETE", f"{USERS}/1"),
    ("POST", "/api/v1/operations"),
]


@pytest.mark.parametrize(("method", "url"), CHANGES)
@pytest.mark.parametrize(
    "origin",
    [
        "https://attacker.example",
        "null",
        "",
        "http://localhost:3000",
        "http://localhost.attacker.example",
        "https://app.example.org:8443",
        "http://localhost, https://app.example.org",
        "localhost",
        "file://localhost",
        "http://",
        "x" * 5000,
        "é",
    ],
)
def test_rejects_changes_from_a_foreign_origin(
    service: Service, method: str, url: str, origin: str
) -> None:
    client = service(ROSTER_CORS_ORIGINS="https://app.example.org")
    client.post(USERS, json=user())
    sent = {"HTTP_ORIGIN": origin.encode().decode("latin-1")}
    response = client.open(url, method=method, json=user("bob@example.org"), environ_overrides=sent)
    assert only_error(response) == FOREIGN_ORIGIN
    assert len(response.data) < 1000
    assert len(client.get(USERS).get_json()["data"]) == 1


def test_errors_quote_the_first_100_characters_of_a_header(service: Service) -> None:
    host, origin = f"{'h.' * 50}example", f"http://{'o' * 93}.example"
    misdirected = service().get(USERS, headers={"Host": host})
    refused = service().post(USERS, json=user(), headers={"Origin": origin})
    for response, quoted in ((misdirected, host[:100]), (refused, origin[:100])):
        (error,) = response.get_json()["errors"]
        assert f' "{quoted}…"' in error["detail"]


@pytest.mark.parametrize("origin", ["https://attacker.example", "null"])
def test_reading_does_not_depend_on_the_origin(service: Service, origin: str) -> None:
    client = service()
    for method in ("GET", "HEAD", "OPTIONS"):
        status = 204 if method == "OPTIONS" else 200
        assert client.open(USERS, method=method, headers={"Origin": origin}).status_code == status


@pytest.mark.parametrize(
    ("settings", "host", "origin"),
    [
        ({}, "localhost:5000", "http://localhost:5000"),
        ({}, "localhost", "http://localhost"),
        ({}, "localhost:80", "http://localhost"),
        ({}, "LOCALHOST:5000", "http://localhost:5000"),
        ({}, "[::1]:5000", "http://[::1]:5000"),
        ({}, "127.0.0.1:5000", "https://127.0.0.1:5000"),  # a proxy ends TLS
        ({"ROSTER_PUBLIC_URL": PUBLIC}, "people.example.org", "https://people.example.org"),
        ({"ROSTER_PUBLIC_URL": PUBLIC}, "localhost:5000", "https://people.example.org"),
        ({"ROSTER_PUBLIC_URL": PUBLIC}, "localhost:5000", "http://localhost:5000"),
        ({"ROSTER_PUBLIC_URL": "https://p.example:443"}, "p.example", "https://p.example"),
        ({"ROSTER_PUBLIC_URL": "https://P.example:8443"}, "p.example", "https://p.example:8443"),
        ({"ROSTER_HOSTS": "a.example"}, "a.example", "https://a.example"),
        ({"ROSTER_CORS_ORIGINS": "https://b.example"}, "localhost", "https://b.example"),
        ({"ROSTER_CORS_ORIGINS": "tauri://localhost"}, "localhost", "tauri://localhost"),
    ],
)
def test_accepts_changes_from_its_own_origin_and_from_allowed_ones(
    service: Service, settings: dict[str, str], host: str, origin: str
) -> None:
    headers = {"Host": host, "Origin": origin}
    created = service(**settings).post(USERS, json=user(), headers=headers)
    assert created.status_code == 201, created.text


def test_the_url_and_the_method_are_checked_before_the_origin(service: Service) -> None:
    client, foreign = service(), {"Origin": "https://attacker.example"}
    assert client.post("/api/v1/nothing", headers=foreign).status_code == 404
    assert client.delete(USERS, headers=foreign).status_code == 405
    wrong = {**foreign, "Accept": "text/html", "Content-Type": "text/plain"}
    assert client.post(USERS, data=b"{", headers=wrong).status_code == 403


def test_an_open_service_cannot_allow_all_origins(service: Service) -> None:
    with pytest.raises(BadSetting, match="ROSTER_CORS_ORIGINS"):
        service(ROSTER_CORS_ORIGINS="*")


@pytest.mark.parametrize("host", ["127.0.0.1%.attacker.example", "127.0.0.1%25x:80", "127.0.0.1%"])
def test_rejects_a_name_that_begins_like_an_address_with_a_zone(
    service: Service, host: str
) -> None:
    assert only_error(service().get(USERS, headers={"Host": host})) == MISDIRECTED


def test_a_host_that_is_too_long_is_a_bad_request(
    service: Service,
) -> None:
    host = f"127.0.0.1:{'0' * 60_000}"
    response = service().get(USERS, headers={"Host": host})
    assert only_error(response) == ("400", "bad_request", {"header": "Host"})
    guarded = service(ROSTER_JWT_SECRET=SECRET)
    assert guarded.get("/healthz", headers={"Host": host}).status_code == 400
