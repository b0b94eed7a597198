"""Accept and Content-Type of requests, and the media types of responses."""

from collections.abc import Callable
from typing import Any

import pytest
from api.constants import JSONAPI, PROFILE
from api_client import ApiClient

Create = Callable[..., dict[str, Any]]

NEW = b'{"data":{"type":"users","attributes":{"email":"ann@example.org","name":"Ann"}}}'

ACCEPTED = (
    None,
    "",
    ",",
    "*/*",
    "*/*;q=0.1",
    "application/*",
    JSONAPI,
    "application/json",
    "APPLICATION/VND.API+JSON",
    "Application/Json",
    "application/json;charset=utf-8",
    "text/html, application/json;q=0.1",
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    f"text/html, {JSONAPI}",
    f"{JSONAPI};q=0.001",
    f"{JSONAPI};Q=0.5",
    f"{JSONAPI} ; q=1",
    f'{JSONAPI};profile="x:y"',
    f"{JSONAPI};profile=x",
    f"{JSONAPI};PROFILE=x",
    f'{JSONAPI};ext=""',
    f'{JSONAPI};ext="https://x.org/e", {JSONAPI}',
    f'{JSONAPI}, {JSONAPI};ext="https://x.org/e"',
    f"{JSONAPI};charset=utf-8, {JSONAPI}",
    f'{JSONAPI};charset=utf-8, {JSONAPI};profile="x:y"',
    f'{JSONAPI};profile="a, b;c=d"',
    f'{JSONAPI};profile="a\\";charset=x"',
    f"{JSONAPI};",
    f"{JSONAPI}; ;profile=x",
    f"{JSONAPI};q=0, application/json",
    f"{JSONAPI};q=0, */*",
    "application/*;q=0, application/json",
    "*/*;q=0, application/json",
    f"application/json;q=0, {JSONAPI}",
)
REFUSED = (
    f"{JSONAPI};charset=utf-8",
    f"{JSONAPI};charset=utf-8, */*",
    f"{JSONAPI};charset=utf-8, application/json",
    f"{JSONAPI};Charset=utf-8;q=0.9, */*;q=0.1",
    "APPLICATION/vnd.API+json;version=1, */*",
    f"{JSONAPI};charset, */*",
    f"{JSONAPI};charset=, */*",
    f"{JSONAPI} ; charset = utf-8, */*",
    f"{JSONAPI};profile=x:y;charset=utf-8, */*",
    f'{JSONAPI};profile="a;b";charset=utf-8, */*',
    f'{JSONAPI};ext="https://x.org/e"',
    f"{JSONAPI};ext=https://x.org/e",
    f'{JSONAPI};ext="https://x.org/e", */*',
    f"{JSONAPI};EXT=x",
    f'{JSONAPI};ext="https://jsonapi.org/ext/atomic"',
    f'{JSONAPI};ext="x:a", {JSONAPI};ext="x:b", application/json',
    f'{JSONAPI};ext="x:a", {JSONAPI};charset=utf-8',
    f'{JSONAPI};profile="x:y";charset=utf-8',
    f'{JSONAPI};profile="a";version="1, 2", */*',
    "text/html",
    "text/*",
    "text/html, image/png",
    f"{JSONAPI};q=0",
    f"{JSONAPI};q=0.000",
    "application/json;q=0",
    "*/*;q=0",
    f"{JSONAPI};q=0, application/json;q=0, */*",
    f"{JSONAPI};q=0, {JSONAPI};charset=utf-8",
    "application/*;q=0, */*",
    f"{JSONAPI}x",
    "application/vnd.api",
    "nonsense",
    ";",
)


def _accepting(accept: str | None) -> dict[str, str]:
    return {} if accept is None else {"Accept": accept}


@pytest.mark.parametrize("accept", ACCEPTED)
def test_an_acceptable_media_type_is_returned(client: ApiClient, accept: str | None) -> None:
    response = client.get("/api/v1/users", headers=_accepting(accept))
    assert response.status_code == 200
    assert response.headers["Content-Type"] == JSONAPI


@pytest.mark.parametrize("accept", REFUSED)
@pytest.mark.parametrize("url", ["/api/v1", "/api/v1/users", "/api/v1/users/1"])
def test_an_accept_without_an_available_type_is_406(
    client: ApiClient, url: str, accept: str
) -> None:
    response = client.get(url, headers={"Accept": accept})
    assert response.status_code == 406
    assert response.json["errors"][0]["source"] == {"header": "Accept"}
    assert response.headers["Content-Type"] == JSONAPI


@pytest.mark.parametrize(
    ("accept", "reason"),
    [
        (f'{JSONAPI};ext="https://x.org/e"', "does not support an extension"),
        (f'{JSONAPI};ext="x:a", {JSONAPI};charset=utf-8', "does not support an extension"),
        (f"{JSONAPI};charset=utf-8", "only the parameters ext and profile"),
        (f'{JSONAPI};ext="x:a";charset=utf-8', "only the parameters ext and profile"),
        ("text/html", "must allow"),
    ],
)
def test_a_406_states_what_is_wrong_with_the_accept(
    client: ApiClient, accept: str, reason: str
) -> None:
    response = client.get("/api/v1/users", headers={"Accept": accept})
    assert reason in response.json["errors"][0]["detail"]


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_a_request_with_406_changes_nothing(client: ApiClient, create: Create, method: str) -> None:
    before = create()
    url = "/api/v1/users" if method == "POST" else "/api/v1/users/1"
    headers = {"Accept": "text/html", "Content-Type": "text/plain"}
    response = client.open(f"{url}?x=1", method=method, data=NEW, headers=headers)
    assert response.status_code == 406
    assert client.get("/api/v1/users").json["data"][0]["attributes"] == before["attributes"]


TAKEN = (
    JSONAPI,
    "application/json",
    "application/json;charset=utf-8",
    'application/json; charset="UTF-8"',
    "application/json; indent=2",
    "Application/Vnd.Api+Json",
    f'{JSONAPI};profile="https://x.org/p"',
    f"{JSONAPI}; Profile=x",
    f'{JSONAPI};ext=""',
)
UNSUPPORTED = (
    None,
    "",
    "text/plain",
    "text/json",
    "application/xml",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    f"{JSONAPI};charset=utf-8",
    f'{JSONAPI};profile="x:y";charset=utf-8',
    f"{JSONAPI};version=1",
    f"{JSONAPI};charset",
    f"{JSONAPI};charset=",
    f"{JSONAPI} ; charset = utf-8",
    f'{JSONAPI};charset="utf-8',
    f'{JSONAPI};profile="a;b";charset=utf-8',
    f"{JSONAPI};ext=https://x.org/e",
    f"{JSONAPI};q=1",
    f'{JSONAPI};ext="https://x.org/e"',
    f'{JSONAPI};ext="https://jsonapi.org/ext/atomic"',
    f"{JSONAPI}, application/json",
    "application/json;charset=latin-1",
    "application/*",
    "*/*",
    "application",
    "nonsense",
)


@pytest.mark.parametrize("content_type", TAKEN)
def test_a_body_may_be_json_api_or_json(client: ApiClient, content_type: str) -> None:
    response = client.post("/api/v1/users", data=NEW, headers={"Content-Type": content_type})
    assert response.status_code == 201


@pytest.mark.parametrize("content_type", UNSUPPORTED)
@pytest.mark.parametrize(("method", "url"), [("POST", "/users"), ("PATCH", "/users/1")])
def test_a_body_with_another_type_or_without_one_is_415(
    client: ApiClient, method: str, url: str, content_type: str | None
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    response = client.open(f"/api/v1{url}?x=1", method=method, data=b"{", headers=headers)
    assert response.status_code == 415
    assert response.json["errors"][0]["source"] == {"header": "Content-Type"}


@pytest.mark.parametrize("length", [None, "", "0"])
def test_the_type_of_an_absent_body_does_not_matter(client: ApiClient, length: str | None) -> None:
    headers = {"Content-Type": "text/plain"}
    environ = {} if length is None else {"CONTENT_LENGTH": length}
    response = client.post("/api/v1/users", headers=headers, environ_overrides=environ)
    assert response.status_code == 400
    assert response.json["errors"][0]["code"] == "malformed_json"


def test_a_chunked_body_without_a_type_is_415(client: ApiClient) -> None:
    chunked = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    assert client.post("/api/v1/users", environ_overrides=chunked).status_code == 415


@pytest.mark.parametrize("content_type", ["text/plain", "nonsense", "application/json", JSONAPI])
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_a_content_type_without_a_body_is_ignored(
    client: ApiClient, create: Create, method: str, content_type: str
) -> None:
    create()
    response = client.open("/api/v1/users/1", method=method, headers={"Content-Type": content_type})
    assert response.status_code in (200, 204)


@pytest.mark.parametrize("forbidden", ["charset=utf-8", 'ext="https://x.org/e"'])
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_a_parameter_that_json_api_forbids_is_415_even_without_a_body(
    client: ApiClient, create: Create, method: str, forbidden: str
) -> None:
    create()
    headers = {"Content-Type": f"{JSONAPI};{forbidden}"}
    assert client.open("/api/v1/users/1", method=method, headers=headers).status_code == 415
    assert client.get("/api/v1/users/1").status_code == 200


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/json", JSONAPI])
@pytest.mark.parametrize("body", [b"", b"{", b"\xff\x00", NEW])
def test_delete_accepts_any_body(
    client: ApiClient, create: Create, content_type: str | None, body: bytes
) -> None:
    create()
    headers = {} if content_type is None else {"Content-Type": content_type}
    assert client.delete("/api/v1/users/1", data=body, headers=headers).status_code == 204


@pytest.mark.parametrize(
    "accept",
    [
        f'{JSONAPI};profile="{PROFILE}"',
        f"{JSONAPI};profile={PROFILE}",
        f'{JSONAPI}, {JSONAPI};profile="{PROFILE}"',
        f'{JSONAPI};profile="https://x.org/other", {JSONAPI};profile="{PROFILE}"',
        f"{JSONAPI}; Profile={PROFILE}; q=0.5",
        f'{JSONAPI};profile="https://x.org/other {PROFILE}"',
        f'{JSONAPI};charset=utf-8, {JSONAPI};profile="{PROFILE}"',
        f'{JSONAPI};profile="{PROFILE}", {JSONAPI};q=0.5, */*;q=0.1',
        f'{JSONAPI};q=0.5, {JSONAPI};profile="{PROFILE}";q=0.7',
    ],
)
def test_the_cursor_profile_is_applied_if_requested(
    client: ApiClient, create: Create, accept: str
) -> None:
    create()
    applied = f'{JSONAPI};profile="{PROFILE}"'
    plain = client.get("/api/v1/users?page[size]=1")
    response = client.get("/api/v1/users?page[size]=1", headers={"Accept": accept})
    assert response.headers["Content-Type"] == applied
    assert response.json["links"]["self"] == {
        "href": "/api/v1/users?page[size]=1",
        "type": applied,
    }
    assert response.json["data"] == plain.json["data"]
    assert response.headers["ETag"] != plain.headers["ETag"]


@pytest.mark.parametrize(
    "accept",
    [
        f'{JSONAPI};profile="https://x.org/other"',
        f'{JSONAPI};profile="{PROFILE}x"',
        f'{JSONAPI}, {JSONAPI};profile="{PROFILE}";q=0.5',
        f'application/json;profile="{PROFILE}"',
        f'{JSONAPI};profile="{PROFILE}";charset=utf-8, {JSONAPI}',
        f'{JSONAPI};profile="{PROFILE}";q=0, {JSONAPI}',
        f'{JSONAPI};profile="{PROFILE}";q=0, application/json',
    ],
)
def test_the_response_has_no_profile_if_it_is_not_acceptable(
    client: ApiClient, accept: str
) -> None:
    response = client.get("/api/v1/users", headers={"Accept": accept})
    assert response.headers["Content-Type"] == JSONAPI
    assert response.json["links"]["self"] == "/api/v1/users"


def test_a_numbered_page_does_not_apply_the_profile(client: ApiClient) -> None:
    # The profile requires that a page without a cursor begins with the first item.
    headers = {"Accept": f'{JSONAPI};profile="{PROFILE}"'}
    response = client.get("/api/v1/users?page[number]=2", headers=headers)
    assert response.headers["Content-Type"] == JSONAPI
    assert response.json["links"]["self"] == "/api/v1/users?page[number]=2"


def test_the_profile_applies_only_to_collections(client: ApiClient, create: Create) -> None:
    create()
    headers = {"Accept": f'{JSONAPI};profile="{PROFILE}"'}
    assert client.get("/api/v1/users/1", headers=headers).headers["Content-Type"] == JSONAPI
    error = client.get("/api/v1/users?page[size]=0", headers=headers)
    assert error.status_code == 400
    assert error.headers["Content-Type"] == JSONAPI


@pytest.mark.parametrize("encoding", ["gzip", "br", "gzip, identity", "x"])
def test_a_compressed_body_is_415(client: ApiClient, encoding: str) -> None:
    headers = {"Content-Encoding": encoding}
    response = client.post("/api/v1/users", json={"data": {"type": "users"}}, headers=headers)
    assert response.status_code == 415
    assert response.headers["Accept-Encoding"] == "identity"
    assert response.json["errors"][0]["source"] == {"header": "Content-Encoding"}


def test_a_body_with_the_identity_encoding_is_accepted(client: ApiClient) -> None:
    response = client.post("/api/v1/users", json={}, headers={"Content-Encoding": "Identity"})
    assert response.json["errors"][0]["code"] == "missing_member"
