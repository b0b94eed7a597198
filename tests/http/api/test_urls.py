"""The URLs of the service, their spellings and their methods."""

from collections.abc import Callable
from typing import Any

import pytest
from api.conftest import CheckedClient
from api.tokens import secret_token
from api_client import ApiClient
from flask import Flask

Create = Callable[..., dict[str, Any]]

TWINS = ("", "/", ".json", ".json/")
NO_USERS = (
    "007",
    "0",
    "00",
    "-1",
    "+1",
    "%2B1",
    "1.0",
    "1e0",
    "0x1",
    "%D9%A3",  # ٣, an Arabic three
    "%EF%BC%91",  # １, a fullwidth one
    "1%20",
    "%201",
    "1%0A",
    "1%00",
    "1;a=b",
    "1,1",
    "me",
    "9223372036854775808",
    "18446744073709551616",
    "9" * 5000,
    "%FF",
    "%ED%A0%80",
    "None",
    "null",
)
UNKNOWN_URLS = (
    "/api/v1/x",
    "/api/v1/users/1/x",
    "/api/v1/users/1/relationships/teams",
    "/api/v1/users//1",
    "/api/v1//users",
    "/api/v1/users//",
    "/api/v1/users/1//",
    "/api/v1/users/.json",
    "/api/v1/users.json.json",
    "/api/v1/users.JSON",
    "/api/v1/users.xml",
    "/api/v1/USERS",
    "/api/v1/.json",
    "/api/v1beta",
    "/api/v1beta/users",
    "/api/v1.jsonx",
    "/api/v2/users",
    "/api",
    "/users",
    "/healthz/",
    "/healthz.json",
    "/%FF%FE",
    "/api/v1/%00",
    "/static/x",
)


@pytest.mark.parametrize("twin", TWINS)
def test_every_spelling_of_the_collection_has_canonical_links(
    client: ApiClient, create: Create, twin: str
) -> None:
    create()
    document = client.get(f"/api/v1/users{twin}?page[size]=5").json
    assert document["links"]["self"] == "/api/v1/users?page[size]=5"
    assert document["links"]["first"] == "/api/v1/users?page%5Bsize%5D=5"
    assert document["data"][0]["links"]["self"] == "/api/v1/users/1"


@pytest.mark.parametrize("twin", TWINS)
def test_every_spelling_of_a_user_supports_every_method(
    client: ApiClient, create: Create, twin: str
) -> None:
    create()
    url = f"/api/v1/users/1{twin}"
    shown = client.get(url)
    assert shown.json["links"]["self"] == "/api/v1/users/1"
    assert client.get("/api/v1/users/1").headers["ETag"] == shown.headers["ETag"]
    assert client.head(url).status_code == 200
    assert client.options(url).status_code == 204
    change = {"data": {"type": "users", "id": "1", "attributes": {"name": "Zoë"}}}
    changed = client.patch(url, json=change)
    assert changed.status_code == 200
    assert changed.json["links"]["self"] == "/api/v1/users/1"
    assert client.put(url).status_code == 405
    assert client.delete(url).status_code == 204


@pytest.mark.parametrize("twin", TWINS)
def test_every_spelling_of_the_collection_accepts_users(client: ApiClient, twin: str) -> None:
    attributes = {"email": "ann@example.org", "name": "Ann"}
    created = client.post(
        f"/api/v1/users{twin}", json={"data": {"type": "users", "attributes": attributes}}
    )
    assert created.status_code == 201
    assert created.headers["Location"] == "/api/v1/users/1"
    assert created.json["links"]["self"] == "/api/v1/users/1"


@pytest.mark.parametrize("twin", TWINS)
def test_every_spelling_of_the_root_lists_the_collections(client: ApiClient, twin: str) -> None:
    response = client.get(f"/api/v1{twin}")
    assert response.json["meta"]["collections"] == {
        "users": "/api/v1/users",
        "groups": "/api/v1/groups",
    }
    assert response.json["links"]["self"] == "/api/v1"


@pytest.mark.parametrize("user_id", NO_USERS)
@pytest.mark.parametrize("twin", ["", ".json"])
@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS"])
def test_an_invalid_id_is_404(
    client: ApiClient, create: Create, user_id: str, twin: str, method: str
) -> None:
    create()
    response = client.open(f"/api/v1/users/{user_id}{twin}", method=method)
    assert response.status_code == 404
    assert client.get("/api/v1/users/1").status_code == 200


def test_the_largest_id_is_a_valid_url_without_a_user(client: ApiClient) -> None:
    url = "/api/v1/users/9223372036854775807"
    assert client.options(url).status_code == 204
    assert client.get(url).json["errors"][0]["code"] == "user_not_found"


@pytest.mark.parametrize("user_id", ["007", "0", "-1", "9" * 5000])
def test_an_invalid_id_is_reported_before_an_unsupported_method(
    client: ApiClient, user_id: str
) -> None:
    assert client.put(f"/api/v1/users/{user_id}").status_code == 404


@pytest.mark.parametrize("user_id", NO_USERS)
def test_a_change_of_an_invalid_id_is_404(client: ApiClient, user_id: str) -> None:
    document = {"data": {"type": "users", "id": user_id, "attributes": {}}}
    assert client.patch(f"/api/v1/users/{user_id}", json=document).status_code == 404


@pytest.mark.parametrize("url", UNKNOWN_URLS)
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE", "OPTIONS", "PUT", "FOO"])
def test_an_unknown_url_is_a_json_api_404_for_every_method(
    client: ApiClient, create: Create, url: str, method: str
) -> None:
    create()
    response = client.open(url, method=method, headers={"Accept": "text/html"})
    assert response.status_code == 404
    assert response.json["errors"][0]["code"] == "not_found"


def test_an_unknown_url_is_reported_before_other_errors(client: ApiClient) -> None:
    response = client.post(
        "/api/v1/nowhere?x=1", data="{", headers={"Accept": "text/html", "Content-Type": "a/b"}
    )
    assert response.status_code == 404


ALLOWED = {
    "/api/v1": "GET, HEAD, OPTIONS",
    "/api/v1/users": "GET, HEAD, OPTIONS, POST",
    "/api/v1/users/1": "DELETE, GET, HEAD, OPTIONS, PATCH",
    "/api/v1/users/999": "DELETE, GET, HEAD, OPTIONS, PATCH",
    "/healthz": "GET, HEAD, OPTIONS",
    "/readyz": "GET, HEAD, OPTIONS",
    "/openapi.json": "GET, HEAD, OPTIONS",
}


def _methods(allow: str) -> str:
    return ", ".join(sorted(method.strip() for method in allow.split(",")))


@pytest.mark.parametrize(("url", "allowed"), ALLOWED.items())
def test_options_gets_204_with_allow(client: ApiClient, url: str, allowed: str) -> None:
    response = client.options(url, headers={"Accept": "text/html"})
    assert response.status_code == 204
    assert _methods(response.headers["Allow"]) == allowed
    assert "Content-Type" not in response.headers


@pytest.mark.parametrize(("url", "allowed"), ALLOWED.items())
@pytest.mark.parametrize("method", ["PUT", "TRACE", "CONNECT", "FOO", "PROPFIND"])
def test_an_unsupported_method_is_405_before_other_errors(
    client: ApiClient, url: str, allowed: str, method: str
) -> None:
    response = client.open(f"{url}?x=1", method=method, headers={"Accept": "text/html"})
    assert response.status_code == 405
    assert _methods(response.headers["Allow"]) == allowed
    assert response.json["errors"][0]["code"] == "method_not_allowed"


def test_a_method_of_another_url_is_405(client: ApiClient) -> None:
    for method, url in [
        ("POST", "/api/v1"),
        ("PATCH", "/api/v1/users"),
        ("DELETE", "/api/v1/users"),
        ("POST", "/api/v1/users/1"),
        ("POST", "/healthz"),
    ]:
        assert client.open(url, method=method).status_code == 405


@pytest.mark.parametrize(
    "url", ["/api/v1", "/api/v1/users", "/api/v1/users/1", "/api/v1/users/9", "/api/v1/x"]
)
def test_head_has_the_status_and_headers_of_get(
    client: ApiClient, create: Create, url: str
) -> None:
    create()
    got, head = client.get(url), client.head(url)
    assert head.status_code == got.status_code
    apart = {"X-Request-ID"}
    assert {k: v for k, v in head.headers if k not in apart} == {
        k: v for k, v in got.headers if k not in apart
    }
    assert int(head.headers["Content-Length"]) == len(got.data)


def test_the_probes_return_json(client: ApiClient) -> None:
    for url, status in (("/healthz", "ok"), ("/readyz", "ready")):
        response = client.get(url, headers={"Accept": "text/plain"})
        assert response.json == {"status": status}
        assert response.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "host",
    ["", "a" * 300, "..", "a b", "[::1", "[::1]x", "a/b", "a@b", "a:b", "é", "a.example,b.example"],
)
def test_an_invalid_host_gets_a_json_api_error(client: ApiClient, host: str) -> None:
    response = client.get("/api/v1/users", headers={"Host": host})
    assert response.status_code == 400
    error = response.json["errors"][0]
    assert (error["code"], error["source"]) == ("bad_request", {"header": "Host"})


@pytest.mark.parametrize("host", ["x.org:99999", "[::1]:80", "127.0.0.1", "under_score"])
def test_links_do_not_depend_on_the_host(
    build: Callable[..., Flask], secured: dict[str, str], host: str
) -> None:
    """A service with access control accepts every host."""
    headers = {"Host": host, "Authorization": f"Bearer {secret_token('users:read')}"}
    response = CheckedClient(build(secured)).get("/api/v1/users", headers=headers)
    assert response.json["links"]["self"] == "/api/v1/users"


def test_a_host_has_at_most_300_characters(
    build: Callable[..., Flask], secured: dict[str, str]
) -> None:
    client = CheckedClient(build(secured))
    authorization = f"Bearer {secret_token('users:read')}"
    statuses = []
    for host in ("example." * 37 + "org:", "example." * 37 + "org:8"):
        headers = {"Host": host, "Authorization": authorization}
        statuses.append(client.get("/api/v1/users", headers=headers).status_code)
    assert statuses == [200, 400]


@pytest.fixture
def public(build: Callable[..., Flask]) -> ApiClient:
    return CheckedClient(build({"ROSTER_PUBLIC_URL": "https://people.example.org/dir/"}))


def test_every_url_begins_with_the_public_url(public: ApiClient, create: Create) -> None:
    for _ in range(3):
        create()
    attributes = {"email": "ann@example.org", "name": "Ann"}
    created = public.post(
        "/api/v1/users", json={"data": {"type": "users", "attributes": attributes}}
    )
    assert created.headers["Location"] == "https://people.example.org/dir/api/v1/users/4"
    assert created.json["data"]["links"]["self"] == created.headers["Location"]
    second = public.get(public.get("/api/v1/users?page[size]=1").json["links"]["next"][31:])
    numbered = public.get("/api/v1/users?page[size]=1&page[number]=2")
    root = public.get("/api/v1")
    for response in (created, second, numbered, root):
        for url in _urls(response.json):
            assert url.startswith("https://people.example.org/dir/"), url
    assert root.json["meta"]["collections"]["users"].endswith("/dir/api/v1/users")
    assert root.json["links"]["describedby"] == "https://people.example.org/dir/openapi.json"
    described = public.get("/openapi.json").json
    assert described["servers"] == [{"url": "https://people.example.org/dir"}]


def _urls(value: Any) -> list[str]:
    """Every URL in the document."""
    if isinstance(value, dict):
        return [url for inner in value.values() for url in _urls(inner)]
    if isinstance(value, list):
        return [url for inner in value for url in _urls(inner)]
    return [value] if isinstance(value, str) and ("/api/v1" in value or "openapi" in value) else []


@pytest.mark.parametrize("number", [2**63, 10**19 - 1, 10**30, 0])
@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS", "DELETE"])
def test_an_id_that_is_too_large_is_404_for_every_method(
    client: ApiClient, method: str, number: int
) -> None:
    assert client.open(f"/api/v1/users/{number}", method=method).status_code == 404


@pytest.mark.parametrize("number", [1, 9, 10, 2**63 - 1, 9223372036854775799, 10**18])
def test_a_possible_id_is_405_for_an_unsupported_method(client: ApiClient, number: int) -> None:
    assert client.put(f"/api/v1/users/{number}").status_code == 405


@pytest.mark.parametrize("path", ["//api/v1/users", "///api/v1", "//healthz", "//api/v1/users/1"])
def test_a_path_that_begins_with_two_slashes_is_404(client: ApiClient, path: str) -> None:
    for method in ("GET", "POST", "PATCH", "DELETE", "OPTIONS", "PUT", "FOO"):
        overrides = {"PATH_INFO": path}
        response = client.open("/", method=method, environ_overrides=overrides)
        assert response.status_code == 404


@pytest.mark.parametrize("method", ["get", "Delete", "options"])
def test_methods_are_case_sensitive(client: ApiClient, method: str) -> None:
    overrides = {"REQUEST_METHOD": method}
    response = client.get("/api/v1/users/1", environ_overrides=overrides)
    assert response.status_code == 405
    assert response.headers["Allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH"


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST"])
def test_an_empty_path_is_404(client: ApiClient, method: str) -> None:
    """A request target such as example.org:80 has no path. Werkzeug would redirect to the Host."""
    overrides = {"PATH_INFO": ""}
    response = client.open("/", method=method, environ_overrides=overrides)
    assert response.status_code == 404
    assert response.json["errors"][0]["code"] == "not_found"
    assert "Location" not in response.headers
