"""The nginx configuration of docs/deploy/, in front of the real service."""

import json
import re
import socket
import ssl
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from typing import Any

import pytest
from deploy.nginx import NAME, NGINX, Nginx
from faults.accounts import DAMAGE, Outcome
from faults.load import Load
from faults.service import Service
from roster_process import JSONAPI, USERS, free_port

MIB = 1024**2
SETTINGS = {
    "ROSTER_TRUSTED_PROXIES": "1",
    "ROSTER_PUBLIC_URL": f"https://{NAME}",
}


@dataclass
class Site:
    """nginx, and the ports of two services behind it, of which one can replace the other."""

    nginx: Nginx
    ports: tuple[int, int]
    start: Callable[..., Service]
    """Starts a service on a port, with the database file of the site."""


@contextmanager
def running(directory: Path, *, rate: str | None = None) -> Iterator[Site]:
    ports = free_port(), free_port()
    with ExitStack() as stack:

        def start(port: int, **settings: Any) -> Service:
            url = f"sqlite:///{directory}/roster.db"
            options = {**SETTINGS, **settings}
            service = Service(directory, url, workers=1, port=port, **options)
            service.start()
            stack.callback(service.kill)
            return service

        nginx = Nginx(directory, *ports, rate=rate)
        nginx.start()
        stack.callback(nginx.stop)
        yield Site(nginx, ports, start)


@pytest.fixture(autouse=True)
def nginx_exists(lacking: Callable[[str], None]) -> None:
    if not NGINX.exists():
        lacking("nginx (Debian's nginx-light)")


@pytest.fixture
def site(nginx_exists: None, tmp_path: Path) -> Iterator[Site]:
    with running(tmp_path, rate="10000r/s") as own:  # all load comes from one address
        yield own


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Service] | None]:
    if not NGINX.exists():
        yield None
        return
    with running(tmp_path_factory.mktemp("site")) as site:
        yield site, site.start(site.ports[0])


@pytest.fixture
def nginx(shared: tuple[Site, Service]) -> Nginx:
    """An nginx that several tests share, with a service behind it."""
    return shared[0].nginx


@pytest.fixture
def service(shared: tuple[Site, Service]) -> Service:
    """The service behind the shared nginx."""
    return shared[1]


def request(
    connection: HTTPConnection,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> tuple[int, HTTPMessage, Any]:
    """The status, the headers and the document of the response."""
    kind = {} if body is None else {"Content-Type": JSONAPI}
    connection.request(method, path, body, {**kind, **(headers or {})})
    response = connection.getresponse()
    text = response.read()
    return response.status, response.headers, json.loads(text) if text else None


def user(name: str, **more: str) -> bytes:
    attributes = {"email": f"{name}@example.org", "name": name}
    return json.dumps({"data": {"type": "users", "attributes": attributes, **more}}).encode()


def test_users_are_created_changed_and_read_through_nginx(nginx: Nginx, service: Service) -> None:
    with closing(nginx.connect()) as client:
        status, headers, _ = request(client, "POST", USERS, body=user("ann"))
        assert (status, headers["Location"]) == (201, f"https://{NAME}{USERS}/1")
        path = f"{USERS}/1"
        status, headers, _ = request(client, "GET", path, {"Accept-Encoding": "gzip"})
        assert status == 200
        assert headers["ETag"].startswith('"')  # a weak one would never match
        match = {"If-Match": headers["ETag"]}
        changed = json.dumps(
            {"data": {"type": "users", "id": "1", "attributes": {"name": "Ann"}}}
        ).encode()
        assert request(client, "PATCH", path, match, changed)[0] == 200
        assert request(client, "PATCH", path, match, changed)[0] == 412
        status, headers, page = request(client, "GET", f"{USERS}?filter[email]=ann@example.org")
        assert [each["attributes"]["name"] for each in page["data"]] == ["Ann"]
        assert headers["Strict-Transport-Security"] == "max-age=31536000"
        assert request(client, "DELETE", path)[0] == 204


def test_a_client_that_sends_slowly_does_not_reach_the_service(
    nginx: Nginx, service: Service
) -> None:
    body = user("slow")
    with closing(nginx.connect()) as slow:
        slow.putrequest("POST", USERS)
        slow.putheader("Content-Type", JSONAPI)
        slow.putheader("Content-Length", str(len(body)))
        slow.endheaders(body[:10])
        with closing(nginx.connect()) as other:
            assert request(other, "GET", USERS)[0] == 200
        with closing(HTTPConnection("127.0.0.1", service.port)) as direct:
            direct.request("GET", "/metrics")
            active = "http_server_active_requests 1.0"  # the request for the metrics
            assert active in direct.getresponse().read().decode()
        slow.send(body[10:])
        assert slow.getresponse().status == 201


@pytest.mark.parametrize(("size", "by_the_service"), [(2 * MIB, True), (10 * MIB, False)])
def test_a_large_body_is_413_in_json_api_from_the_service_or_from_nginx(
    nginx: Nginx, service: Service, size: int, by_the_service: bool
) -> None:
    with closing(nginx.connect()) as client:
        status, headers, document = request(client, "POST", USERS, body=bytes(size))
    assert (status, headers["Content-Type"]) == (413, JSONAPI)
    assert [error["code"] for error in document["errors"]] == ["body_too_large"]
    assert ("X-Request-ID" in headers) == by_the_service


def test_clients_are_distinguished_by_their_addresses_and_not_by_headers(site: Site) -> None:
    site.start(site.ports[0], ROSTER_RATE_LIMIT="3/hour")
    names = ("X-Forwarded-For", "X_Forwarded_For", "Forwarded", "X-Real-IP")
    with closing(site.nginx.connect(source="127.0.0.2")) as one:
        responses = [request(one, "GET", USERS, {name: "192.0.2.1"}) for name in names]
        assert [status for status, _, _ in responses] == [200, 200, 200, 429]
        assert responses[-1][1]["Retry-After"]
    with closing(site.nginx.connect(source="127.0.0.3")) as other:
        assert request(other, "GET", USERS)[0] == 200


def test_nginx_replaces_the_request_id_of_the_client(nginx: Nginx, service: Service) -> None:
    with closing(nginx.connect()) as client:
        _, headers, _ = request(client, "GET", USERS, {"X-Request-ID": "Bob.Secretive"})
    assert re.fullmatch("[0-9a-f]{32}", headers["X-Request-ID"])


def test_other_hosts_are_rejected(nginx: Nginx, service: Service) -> None:
    with pytest.raises(ssl.SSLError):
        nginx.connect(name="other.example.org")
    for host in ("other.example.org", "127.0.0.1"):
        with closing(nginx.connect()) as client:
            client.request("GET", USERS, headers={"Host": host})
            assert client.getresponse().status == 421


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_of_tls_are_rejected(nginx: Nginx, version: ssl.TLSVersion) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    connection = socket.create_connection(("127.0.0.1", nginx.port), timeout=30)
    with closing(connection), pytest.raises((ssl.SSLError, ConnectionResetError)):
        context.wrap_socket(connection, server_hostname=NAME)


def test_the_limit_of_requests_applies_to_each_address(nginx: Nginx, service: Service) -> None:
    def get(source: str, times: int) -> list[tuple[int, HTTPMessage, Any]]:
        with closing(nginx.connect(source=source)) as client:
            return [request(client, "GET", "/healthz") for _ in range(times)]

    with ThreadPoolExecutor(4) as threads:  # as fast as possible, because the limit is a rate
        responses = [
            response for part in threads.map(get, ["127.0.0.4"] * 4, [500] * 4) for response in part
        ]
    refused = [response for response in responses if response[0] == 429]
    assert refused
    _, headers, document = refused[0]
    assert headers["Content-Type"] == JSONAPI
    assert headers["Retry-After"]
    assert document["errors"][0]["code"] == "too_many_requests"
    assert [status for status, _, _ in get("127.0.0.5", 20)] == [200] * 20


def test_metrics_are_not_accessible_from_outside(nginx: Nginx, service: Service) -> None:
    spellings = ("", "/", "?a=b", "/../metrics", "/x/../../metrics")
    paths = [f"/metrics{each}" for each in spellings]
    for path in (*paths, "/%6Detrics", "//metrics"):
        with closing(nginx.connect()) as client:
            status, headers, document = request(client, "GET", path)
        assert (path, status, headers["Content-Type"]) == (path, 404, JSONAPI)
        assert document["errors"][0]["code"] == "not_found"
    with closing(HTTPConnection("127.0.0.1", service.port)) as inside:
        inside.request("GET", "/metrics")
        assert inside.getresponse().status == 200


class Behind:
    """A service behind nginx, for the clients of a load."""

    def __init__(self, nginx: Nginx, service: Service) -> None:
        self.port = nginx.plain_port
        self.headers = service.headers
        self.users, self.events = service.users, service.events


@pytest.mark.long
def test_a_service_replaces_another_without_a_failed_request(site: Site) -> None:
    first = site.start(site.ports[0])
    with Load(Behind(site.nginx, first)) as load:
        for _ in range(2):
            second = site.start(site.ports[1])
            load.until_acknowledged(50)
            first.terminate()
            assert first.ended() == 0
            load.until_acknowledged(50)
            first.start()
            load.until_acknowledged(50)
            second.terminate()
            assert second.ended() == 0
        load.recovered()
    assert {each.outcome for each in load.replies()} == {Outcome.DONE}
    assert load.account().lost == 0


def test_clients_learn_the_outcome_of_their_requests_while_the_service_is_down(site: Site) -> None:
    service = site.start(site.ports[0])
    with Load(Behind(site.nginx, service)) as load:
        for _ in range(3):
            load.until_acknowledged(50)
            service.kill()
            load.until_refused(2)
            service.start()
        load.recovered()
    found = load.account()
    assert load.wrong_replies() == []  # no HTML page of nginx
    assert found.refused > 0
    assert {name: getattr(found, name) for name in DAMAGE} == dict.fromkeys(DAMAGE, 0)
    assert found.failed_after_the_fault == 0
