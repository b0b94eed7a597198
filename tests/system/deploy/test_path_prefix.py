"""Roster under a path prefix, behind the nginx of docs/path-prefix.md."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from fnmatch import fnmatchcase
from http.client import HTTPConnection, HTTPMessage
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

import pytest
import yaml
from deploy.nginx import NAME, NGINX, Nginx
from faults.service import Service
from roster_process import JSONAPI, free_port

PAGE = (Path(__file__).parents[3] / "docs" / "path-prefix.md").read_text()
BASE = f"https://{NAME}/roster"
USERS = "/roster/api/v1/users"
ANN = {"data": {"type": "users", "attributes": {"email": "ann@example.org", "name": "Ann"}}}


def shared_host(directory: Path, **more: Any) -> Iterator[Nginx | None]:
    """nginx in front of a service with the prefix. None if nginx is not installed."""
    if not NGINX.exists():
        yield None
        return
    (locations,) = re.findall(r"```nginx\n(.*?)```", PAGE, re.DOTALL)
    settings: Any = {"ROSTER_TRUSTED_PROXIES": "1", "ROSTER_PUBLIC_URL": BASE, **more}
    service = Service(directory, f"sqlite:///{directory}/roster.db", workers=1, **settings)
    service.start()
    nginx = Nginx(directory, service.port, free_port(), locations=locations)
    nginx.start()
    yield nginx
    nginx.stop()
    service.kill()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx | None]:
    yield from shared_host(tmp_path_factory.mktemp("prefix"))


@pytest.fixture
def with_accounts(tmp_path: Path) -> Iterator[Nginx | None]:
    settings = {"ROSTER_ACCOUNTS": "on", "ROSTER_MAIL_FOLDER": f"{tmp_path}/mail"}
    yield from shared_host(tmp_path, **settings)


@pytest.fixture
def nginx(shared: Nginx | None, lacking: Callable[[str], None]) -> Nginx:
    if shared is None:
        lacking("nginx (Debian's nginx-light)")
    assert shared
    return shared


def request(
    nginx: Nginx, method: str, path: str, document: object = None, accept: str = "*/*"
) -> tuple[int, HTTPMessage, str]:
    body = json.dumps(document).encode() if document else None
    headers = {"Accept": accept} | ({"Content-Type": JSONAPI} if document else {})
    with closing(nginx.connect()) as client:
        assert isinstance(client, HTTPConnection)
        client.request(method, path, body, headers)
        response = client.getresponse()
        return response.status, response.headers, response.read().decode(errors="replace")


def test_users_are_created_and_read_by_the_urls_that_are_returned(nginx: Nginx) -> None:
    status, headers, _ = request(nginx, "POST", USERS, ANN)
    assert status == 201
    assert headers["Location"].startswith(f"{BASE}/api/v1/users/")
    path = urlsplit(headers["Location"]).path
    status, _, text = request(nginx, "GET", path)
    assert (status, json.loads(text)["data"]["links"]["self"]) == (200, headers["Location"])
    status, _, text = request(nginx, "GET", f"{USERS}?page[size]=1&filter[name]=Ann%20O%27Hara%2FB")
    assert status == 200
    links = json.loads(text)["links"]
    assert links["self"].startswith(f"{BASE}/api/v1/users?")
    assert links["describedby"] == f"{BASE}/openapi.json"


def test_openapi_names_the_prefix(nginx: Nginx) -> None:
    status, _, text = request(nginx, "GET", "/roster/openapi.json")
    document = json.loads(text)
    assert status == 200
    (server,) = document["servers"]
    url = urljoin(f"{BASE}/openapi.json", server["url"]).rstrip("/")
    paths = [f"{url}{path}" for path in document["paths"]]
    assert f"{BASE}/api/v1/users" in paths


def test_every_link_of_the_pages_is_under_the_prefix_and_works(nginx: Nginx) -> None:
    found: set[str] = set()
    for page in ("/roster/", "/roster/docs"):
        status, headers, text = request(nginx, "GET", page, accept="text/html,*/*;q=0.1")
        assert (status, headers.get_content_type()) == (200, "text/html"), page
        found |= {
            urldefrag(urljoin(f"https://{NAME}{page}", link)).url
            for link in re.findall(r'(?:href|src)="([^"]+)"', text)
            if not link.startswith("data:")
        }
    own = {url for url in found if url.startswith(f"https://{NAME}")}
    assert len(own) > 5
    assert {url for url in own if not url.startswith(f"{BASE}/")} == set()
    for url in own - {f"{BASE}/metrics"}:
        assert request(nginx, "GET", urlsplit(url).path)[0] == 200, url


def test_errors_link_to_pages_under_the_prefix(nginx: Nginx) -> None:
    status, _, text = request(nginx, "GET", f"{USERS}/999")
    (error,) = json.loads(text)["errors"]
    assert status == 404
    about = urlsplit(error["links"]["about"])
    assert about.path.startswith("/roster/docs/errors")
    assert request(nginx, "GET", about.path)[0] == 200


def test_the_prefix_alone_redirects_to_the_first_page(nginx: Nginx) -> None:
    status, headers, _ = request(nginx, "GET", "/roster?a=b")
    assert status == 308
    assert urlsplit(headers["Location"]).path == "/roster/"


def test_clients_find_the_metadata_by_the_issuer(
    with_accounts: Nginx | None, lacking: Callable[[str], None]
) -> None:
    """RFC 8414, section 3.1: the well-known path is between the host and the path of the issuer."""
    if with_accounts is None:
        lacking("nginx (Debian's nginx-light)")
    assert with_accounts
    host, path = f"https://{NAME}", urlsplit(BASE).path
    url = f"{host}/.well-known/oauth-authorization-server{path}"
    status, _, text = request(with_accounts, "GET", urlsplit(url).path)
    metadata = json.loads(text)
    assert (status, metadata["issuer"]) == (200, BASE)
    assert request(with_accounts, "GET", urlsplit(metadata["jwks_uri"]).path)[0] == 200


@pytest.mark.parametrize(
    "path", ["/", "/api/v1/users", "/rosters", "/roster/metrics", "/roster/%6Detrics"]
)
def test_nothing_else_reaches_roster_from_outside(nginx: Nginx, path: str) -> None:
    status, _, text = request(nginx, "GET", path)
    assert status == 404
    assert "http_server" not in text


def with_underscores(header: str) -> set[str]:
    """The other names that WSGI does not distinguish from the header, in lower case."""
    words = header.lower().split("-")
    marks = product("-_", repeat=len(words) - 1)
    return {"".join(map("".join, zip(words, (*each, ""), strict=True))) for each in marks} - {
        header.lower()
    }


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Request-ID"])
def test_the_examples_drop_every_spelling_of_a_trusted_header(header: str) -> None:
    """Otherwise a client chooses its address, or the id of its request in the log."""
    (caddy,) = re.findall(r"```caddy\n(.*?)```", PAGE, re.DOTALL)
    patterns = [each.lower() for each in re.findall(r"request_header -(\S+)", caddy)]
    others = with_underscores(header)
    assert {each for each in others if not any(fnmatchcase(each, p) for p in patterns)} == set()
    (traefik,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    middlewares = yaml.safe_load(traefik)["http"]["middlewares"]
    changed = middlewares["roster-headers"]["headers"]["customRequestHeaders"]
    dropped = {name.lower() for name, value in changed.items() if value == ""}
    assert others - dropped == set()
