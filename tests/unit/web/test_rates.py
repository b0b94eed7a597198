"""How often one and the same may ask."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier

import jwt
import pytest
from flask.testing import FlaskClient

from adapters.web.rate_limit import TooManyRequests, rate, rate_limiter

Service = Callable[..., FlaskClient]

SECRET = "hush" * 8
USERS = "/api/v1/users"


def token(subject: str | None) -> dict[str, str]:
    claims = {"exp": 2**40, "scope": "users:read", **({"sub": subject} if subject else {})}
    return {"Authorization": f"Bearer {jwt.encode(claims, SECRET)}"}


def statuses(client: FlaskClient, count: int, address: str = "192.0.2.1", **of: str) -> list[int]:
    came_from = {"REMOTE_ADDR": address}
    return [client.get(USERS, headers=of, environ_base=came_from).status_code for _ in range(count)]


def test_nobody_is_counted_unless_it_is_set(service: Service) -> None:
    assert set(statuses(service(), 200)) == {200}


def test_who_asks_too_often_is_told_when_to_come_back(service: Service) -> None:
    client = service(ROSTER_RATE_LIMIT="3/minute")
    assert statuses(client, 5) == [200, 200, 200, 429, 429]
    answer = client.get(USERS, environ_base={"REMOTE_ADDR": "192.0.2.1"})
    assert answer.get_json()["errors"][0]["code"] == "too_many_requests"
    assert answer.headers["Content-Type"] == "application/vnd.api+json"
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert statuses(client, 1, "192.0.2.2") == [200]


def test_the_time_passes(service: Service) -> None:
    client = service(ROSTER_RATE_LIMIT="1/second")
    assert statuses(client, 2) == [200, 429]
    while statuses(client, 1) == [429]:  # ends, or the test's own time does
        pass


def test_probes_metrics_and_the_description_are_not_counted(service: Service) -> None:
    client = service(ROSTER_RATE_LIMIT="1/minute")
    for url in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"):
        assert [client.get(url).status_code for _ in range(3)] == [200] * 3
    assert [client.options(USERS).status_code for _ in range(3)] == [204] * 3


def test_principals_are_counted_by_name_wherever_they_are(service: Service) -> None:
    client = service(ROSTER_RATE_LIMIT="2/minute", ROSTER_JWT_SECRET=SECRET)
    assert statuses(client, 2, "192.0.2.1", **token("ann")) == [200, 200]
    assert statuses(client, 1, "192.0.2.2", **token("ann")) == [429]
    assert statuses(client, 2, "192.0.2.1", **token("bob")) == [200, 200]
    assert statuses(client, 3, "192.0.2.1", **token(None)) == [200, 200, 429]


def test_who_is_not_let_in_is_counted_by_address(service: Service) -> None:
    client = service(ROSTER_RATE_LIMIT="2/minute", ROSTER_JWT_SECRET=SECRET)
    assert statuses(client, 3, Authorization="Bearer nonsense") == [401, 401, 429]
    assert statuses(client, 1) == [429]
    assert statuses(client, 1, "192.0.2.2") == [401]
    assert statuses(client, 1, **token("ann")) == [200]


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        ("2001:db8::1", "2001:db8::2:0:0:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("", "", True),
    ],
)
def test_the_addresses_of_one_ipv6_network_are_one(
    service: Service, first: str, second: str, together: bool
) -> None:
    client = service(ROSTER_RATE_LIMIT="1/minute")
    assert statuses(client, 1, first) == [200]
    assert statuses(client, 1, second) == [429 if together else 200]


def test_what_is_said_of_others_is_not_believed(service: Service) -> None:
    client = service(ROSTER_RATE_LIMIT="1/minute")
    assert statuses(client, 1, **{"X-Forwarded-For": "198.51.100.1"}) == [200]
    assert statuses(client, 1, **{"X-Forwarded-For": "198.51.100.2"}) == [429]


def test_what_trusted_proxies_say_is(service: Service) -> None:
    client = service(ROSTER_RATE_LIMIT="1/minute", ROSTER_TRUSTED_PROXIES="2")
    assert statuses(client, 1, **{"X-Forwarded-For": "1.1.1.1, 198.51.100.1, 10.0.0.1"}) == [200]
    assert statuses(client, 1, **{"X-Forwarded-For": "2.2.2.2, 198.51.100.1, 10.0.0.1"}) == [429]
    assert statuses(client, 1, **{"X-Forwarded-For": "1.1.1.1, 198.51.100.2, 10.0.0.1"}) == [200]
    forwarded = {"X-Forwarded-Host": "evil.example.org", "X-Forwarded-For": "1.1.1.1, 10.0.0.1"}
    answer = client.get("/api/v1", headers=forwarded)
    assert answer.get_json()["links"]["self"] == "/api/v1"


FORMS = [
    ("203.0.113.7:{}", "203.0.113.7"),
    ('"203.0.113.7:{}"', "::ffff:203.0.113.7"),
    ("[2001:db8::1]:{}", "2001:db8::1"),
    ("[2001:db8::1%eth{}]", "2001:db8:0:0:0:0:0:2"),
]


@pytest.mark.parametrize(("pattern", "same"), FORMS)
def test_a_client_is_one_whatever_port_and_form_a_proxy_writes(
    service: Service, pattern: str, same: str
) -> None:
    client = service(ROSTER_RATE_LIMIT="3/minute", ROSTER_TRUSTED_PROXIES="1")
    for port in (50001, 50002, 50003):
        forwarded = pattern.format(port)
        assert statuses(client, 1, **{"X-Forwarded-For": forwarded}) == [200]
    assert statuses(client, 1, **{"X-Forwarded-For": same}) == [429]
    assert statuses(client, 1, **{"X-Forwarded-For": "203.0.113.8:50001"}) == [200]


@pytest.mark.parametrize(
    "forwarded", ["unknown", "_hidden", "", "203.0.113.999", "203.0.113.7, ", "x" * 10_000]
)
def test_what_is_no_address_counts_as_the_proxys(service: Service, forwarded: str) -> None:
    client = service(ROSTER_RATE_LIMIT="2/minute", ROSTER_TRUSTED_PROXIES="1")
    assert statuses(client, 1, "192.0.2.1", **{"X-Forwarded-For": forwarded}) == [200]
    assert statuses(client, 1, "192.0.2.1", **{"X-Forwarded-For": f"{forwarded}?"}) == [200]
    assert statuses(client, 1, "192.0.2.1") == [429]
    assert statuses(client, 1, "192.0.2.2", **{"X-Forwarded-For": forwarded}) == [200]


def test_fewer_addresses_than_proxies_are_not_believed(service: Service) -> None:
    client = service(ROSTER_RATE_LIMIT="1/minute", ROSTER_TRUSTED_PROXIES="2")
    assert statuses(client, 1, **{"X-Forwarded-For": "198.51.100.1"}) == [200]
    assert statuses(client, 1, **{"X-Forwarded-For": "198.51.100.2"}) == [429]


REFUSALS = [
    ("GET", "/nothing", {}, 404),
    ("GET", "/docs/nothing", {}, 404),
    ("GET", "/api/v1/nothing", {}, 404),
    ("GET", f"{USERS}/abc", {}, 404),
    ("OPTIONS", f"{USERS}/abc", {}, 404),
    ("PUT", USERS, {}, 405),
    ("POST", "/healthz", {}, 405),
    ("GET", USERS, {"Host": "rebound.example"}, 421),
    ("GET", "/docs", {"Host": "rebound.example"}, 421),
    ("GET", USERS, {"Host": "a b"}, 400),
    ("POST", USERS, {"Origin": "https://evil.example"}, 403),
    ("GET", USERS, {"Accept": "text/html"}, 406),
    ("GET", f"{USERS}?x=1", {}, 400),
    ("GET", f"{USERS}/7", {}, 404),
]


@pytest.mark.parametrize(("method", "url", "headers", "status"), REFUSALS)
def test_every_refusal_is_counted_once_and_by_address(
    service: Service, method: str, url: str, headers: dict[str, str], status: int
) -> None:
    client = service(ROSTER_RATE_LIMIT="3/hour")

    def ask(address: str) -> int:
        came_from = {"REMOTE_ADDR": address}
        response = client.open(url, method=method, headers=headers, environ_base=came_from)
        return response.status_code

    assert [ask("192.0.2.1") for _ in range(5)] == [status] * 3 + [429] * 2
    assert statuses(client, 1) == [429]
    assert ask("192.0.2.2") == status
    assert client.get("/healthz", environ_base={"REMOTE_ADDR": "192.0.2.1"}).status_code == 200


def test_a_database_that_fails_does_not_count_against_the_prober(
    service: Service, sqlite_url: str
) -> None:
    client = service(ROSTER_RATE_LIMIT="2/hour", ROSTER_DATABASE_URL=sqlite_url)
    assert [client.get("/readyz").status_code for _ in range(5)] == [503] * 5


@pytest.fixture
def hurried() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_those_who_ask_at_once_are_counted_one_by_one(hurried: None) -> None:
    check = rate_limiter(rate("8/day"))
    together = Barrier(16, timeout=10)

    def ask(_: int) -> int:
        passed = 0
        for asker in range(2000):
            together.wait()
            with suppress(TooManyRequests):
                check({"REMOTE_ADDR": f"asker {asker}"}, None)
                passed += 1
        return passed

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(ask, range(16))) == 2000 * 8


def test_who_has_not_asked_for_longest_is_forgotten_for_another() -> None:
    check = rate_limiter(rate("1/hour"), max_clients=2)

    def passes(asker: str) -> bool:
        with suppress(TooManyRequests):
            check({"REMOTE_ADDR": asker}, None)
            return True
        return False

    assert [passes(asker) for asker in "ababcba"] == [True, True, False, False, True, False, True]
