"""The limit on the rate of requests from each client."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier

import jwt
import pytest
from api_client import ApiClient
from waiting import until

from adapters.web.rate_limit import TooManyRequests, rate, rate_limiter

Service = Callable[..., ApiClient]

SECRET = "hush" * 8
USERS = "/api/v1/users"


def token(subject: str | None) -> dict[str, str]:
    claims = {"exp": 2**40, "scope": "users:read", **({"sub": subject} if subject else {})}
    return {"Authorization": f"Bearer {jwt.encode(claims, SECRET)}"}


def statuses(
    client: ApiClient, count: int, address: str = "192.0.2.1", **headers: str
) -> list[int]:
    """Sends `count` requests from an address, and returns the statuses of the responses."""
    sender = {"REMOTE_ADDR": address}
    responses = (client.get(USERS, headers=headers, environ_base=sender) for _ in range(count))
    return [response.status_code for response in responses]


def test_there_is_no_limit_by_default(service: Service) -> None:
    assert set(statuses(service(), 200)) == {200}


def test_rejects_requests_over_the_limit_with_the_time_to_wait(service: Service) -> None:
    client = service(ROSTER_RATE_LIMIT="3/minute")
    assert statuses(client, 5) == [200, 200, 200, 429, 429]
    response = client.get(USERS, environ_base={"REMOTE_ADDR": "192.0.2.1"})
    assert response.get_json()["errors"][0]["code"] == "too_many_requests"
    assert response.headers["Content-Type"] == "application/vnd.api+json"
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    assert statuses(client, 1, "192.0.2.2") == [200]


def test_a_client_may_send_requests_again_after_the_period(service: Service) -> None:
    client = service(ROSTER_RATE_LIMIT="1/second")
    assert statuses(client, 2) == [200, 429]
    until(lambda: statuses(client, 1) == [200])


def test_probes_metrics_and_the_description_are_not_counted(service: Service) -> None:
    client = service(ROSTER_RATE_LIMIT="1/minute")
    for url in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"):
        assert [client.get(url).status_code for _ in range(3)] == [200] * 3
    assert [client.options(USERS).status_code for _ in range(3)] == [204] * 3


def test_counts_the_requests_of_a_principal_from_all_addresses(service: Service) -> None:
    client = service(ROSTER_RATE_LIMIT="2/minute", ROSTER_JWT_SECRET=SECRET)
    assert statuses(client, 2, "192.0.2.1", **token("ann")) == [200, 200]
    assert statuses(client, 1, "192.0.2.2", **token("ann")) == [429]
    assert statuses(client, 2, "192.0.2.1", **token("bob")) == [200, 200]
    assert statuses(client, 3, "192.0.2.1", **token(None)) == [200, 200, 429]


def test_counts_unauthenticated_requests_by_address(service: Service) -> None:
    client = service(ROSTER_RATE_LIMIT="2/minute", ROSTER_JWT_SECRET=SECRET)
    assert statuses(client, 3, Authorization="Bearer nonsense") == [401, 401, 429]
    assert statuses(client, 1) == [429]
    assert statuses(client, 1, "192.0.2.2") == [401]
    assert statuses(client, 1, **token("ann")) == [200]


@pytest.mark.parametrize(
    ("method", "url"),
    [("GET", USERS), ("GET", "/api/v1/me"), ("POST", "/oauth/introspect")],
)
def test_every_adapter_counts_requests_that_fail_authentication(
    service: Service, method: str, url: str
) -> None:
    client = service(ROSTER_RATE_LIMIT="2/minute", ROSTER_ACCOUNTS="on")
    invalid = {"Authorization": "Bearer nonsense"}
    sent = [client.open(url, method=method, headers=invalid).status_code for _ in range(3)]
    assert sent == [401, 401, 429]


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        ("2001:db8::1", "2001:db8::2:0:0:1", True),
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("", "", True),
    ],
)
def test_the_addresses_of_one_ipv6_network_share_a_limit(
    service: Service, first: str, second: str, shared: bool
) -> None:
    client = service(ROSTER_RATE_LIMIT="1/minute")
    assert statuses(client, 1, first) == [200]
    assert statuses(client, 1, second) == [429 if shared else 200]


def test_ignores_forwarded_addresses_by_default(service: Service) -> None:
    client = service(ROSTER_RATE_LIMIT="1/minute")
    assert statuses(client, 1, **{"X-Forwarded-For": "198.51.100.1"}) == [200]
    assert statuses(client, 1, **{"X-Forwarded-For": "198.51.100.2"}) == [429]


def test_uses_the_address_that_trusted_proxies_report(service: Service) -> None:
    client = service(ROSTER_RATE_LIMIT="1/minute", ROSTER_TRUSTED_PROXIES="2")
    assert statuses(client, 1, **{"X-Forwarded-For": "1.1.1.1, 198.51.100.1, 10.0.0.1"}) == [200]
    assert statuses(client, 1, **{"X-Forwarded-For": "2.2.2.2, 198.51.100.1, 10.0.0.1"}) == [429]
    assert statuses(client, 1, **{"X-Forwarded-For": "1.1.1.1, 198.51.100.2, 10.0.0.1"}) == [200]
    forwarded = {"X-Forwarded-Host": "evil.example.org", "X-Forwarded-For": "1.1.1.1, 10.0.0.1"}
    response = client.get("/api/v1", headers=forwarded)
    assert response.get_json()["links"]["self"] == "/api/v1"


FORMS = [
    ("203.0.113.7:{}", "203.0.113.7"),
    ('"203.0.113.7:{}"', "::ffff:203.0.113.7"),
    ("[2001:db8::1]:{}", "2001:db8::1"),
    ("[2001:db8::1%eth{}]", "2001:db8:0:0:0:0:0:2"),
]


@pytest.mark.parametrize(("pattern", "same"), FORMS)
def test_ignores_the_port_and_the_form_of_a_forwarded_address(
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
def test_an_invalid_address_counts_as_that_of_the_proxy(service: Service, forwarded: str) -> None:
    client = service(ROSTER_RATE_LIMIT="2/minute", ROSTER_TRUSTED_PROXIES="1")
    assert statuses(client, 1, "192.0.2.1", **{"X-Forwarded-For": forwarded}) == [200]
    assert statuses(client, 1, "192.0.2.1", **{"X-Forwarded-For": f"{forwarded}?"}) == [200]
    assert statuses(client, 1, "192.0.2.1") == [429]
    assert statuses(client, 1, "192.0.2.2", **{"X-Forwarded-For": forwarded}) == [200]


def test_ignores_forwarded_addresses_if_there_are_fewer_than_proxies(service: Service) -> None:
    client = service(ROSTER_RATE_LIMIT="1/minute", ROSTER_TRUSTED_PROXIES="2")
    assert statuses(client, 1, **{"X-Forwarded-For": "198.51.100.1"}) == [200]
    assert statuses(client, 1, **{"X-Forwarded-For": "198.51.100.2"}) == [429]


ERRORS = [
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


@pytest.mark.parametrize(("method", "url", "headers", "status"), ERRORS)
def test_counts_every_error_response_once_by_address(
    service: Service, method: str, url: str, headers: dict[str, str], status: int
) -> None:
    client = service(ROSTER_RATE_LIMIT="3/hour")

    def send(address: str) -> int:
        sender = {"REMOTE_ADDR": address}
        response = client.open(url, method=method, headers=headers, environ_base=sender)
        return response.status_code

    assert [send("192.0.2.1") for _ in range(5)] == [status] * 3 + [429] * 2
    assert statuses(client, 1) == [429]
    assert send("192.0.2.2") == status
    assert client.get("/healthz", environ_base={"REMOTE_ADDR": "192.0.2.1"}).status_code == 200


def test_readiness_probes_are_not_counted_if_the_database_fails(
    service: Service, sqlite_url: str
) -> None:
    client = service(ROSTER_RATE_LIMIT="2/hour", ROSTER_DATABASE_URL=sqlite_url)
    assert [client.get("/readyz").status_code for _ in range(5)] == [503] * 5


@pytest.fixture
def fast_switching() -> Iterator[None]:
    """Makes the interpreter switch between threads as often as possible."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_counts_concurrent_requests_exactly(fast_switching: None) -> None:
    check = rate_limiter(rate("8/day"))
    barrier = Barrier(16, timeout=10)

    def send_requests(_: int) -> int:
        accepted = 0
        for client in range(2000):
            barrier.wait()
            with suppress(TooManyRequests):
                check({"REMOTE_ADDR": f"client {client}"}, None)
                accepted += 1
        return accepted

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(send_requests, range(16))) == 2000 * 8


def test_drops_the_count_of_the_least_recent_client_at_the_maximum() -> None:
    check = rate_limiter(rate("1/hour"), max_clients=2)

    def is_accepted(client: str) -> bool:
        with suppress(TooManyRequests):
            check({"REMOTE_ADDR": client}, None)
            return True
        return False

    assert [is_accepted(client) for client in "ababcba"] == [
        True,
        True,
        False,
        False,
        True,
        False,
        True,
    ]
