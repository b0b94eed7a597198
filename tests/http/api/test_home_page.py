"""The home page, and suggestions for wrong URLs."""

from typing import Any

import pytest
from api.conftest import CheckedClient
from api_client import ApiClient

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def test_the_home_page_links_existing_pages(client: ApiClient) -> None:
    response = client.get("/")
    assert response.headers["Content-Type"] == "application/json"
    links = response.json["links"]
    assert links["api"] == "/api/v1"
    assert links["docs"] == "/docs"
    for link in links.values():
        assert client.get(link).status_code == 200


def test_a_browser_gets_a_page_with_the_same_links(client: ApiClient) -> None:
    links = client.get("/").json["links"]
    response = client.get("/", headers={"Accept": BROWSER})
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    for link in links.values():
        assert f'<a href="{link}">' in response.text


def test_the_links_of_the_home_page_are_absolute_with_a_public_url(build: Any) -> None:
    client = CheckedClient(build({"ROSTER_PUBLIC_URL": "https://example.org/people"}))
    assert client.get("/").json["links"]["api"] == "https://example.org/people/api/v1"


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("/users", "/api/v1/users"),
        ("/users/7", "/api/v1/users/7"),
        ("/operations", "/api/v1/operations"),
        ("/api/users", "/api/v1/users"),
        ("/api/v1/user", "/api/v1/users"),
        ("/api/v1/operation", "/api/v1/operations"),
        ("/doc", "/docs"),
        ("/openapi", "/openapi.json"),
        ("/health", "/healthz"),
    ],
)
def test_the_error_for_a_wrong_url_suggests_the_right_one(
    client: ApiClient, wrong: str, right: str
) -> None:
    (error,) = client.get(wrong).json["errors"]
    assert error["code"] == "not_found"
    assert error["meta"] == {"suggestion": right}
    assert right in error["detail"]


def test_a_suggested_url_begins_with_the_public_url(build: Any) -> None:
    client = ApiClient(build({"ROSTER_PUBLIC_URL": "https://example.org/directory"}))
    (error,) = client.get("/users", headers={"Host": "example.org"}).json["errors"]
    assert error["meta"] == {"suggestion": "https://example.org/directory/api/v1/users"}
    assert "Did you mean https://example.org/directory/api/v1/users?" in error["detail"]


def test_the_requested_url_is_not_suggested(build: Any) -> None:
    (error,) = ApiClient(build({"ROSTER_METRICS": "off"})).get("/metrics").json["errors"]
    assert "meta" not in error
    assert "Did you mean" not in error["detail"]


@pytest.mark.parametrize("wrong", ["/x", "/nothing/like/it", "/" + "a" * 9999])
def test_nothing_is_suggested_without_a_similar_url(client: ApiClient, wrong: str) -> None:
    (error,) = client.get(wrong).json["errors"]
    assert error["detail"] == "There is nothing at this URL."
    assert "meta" not in error


@pytest.mark.parametrize(
    ("length", "content_type"), [(2048, "text/html; charset=utf-8"), (2049, "application/json")]
)
def test_an_accept_header_longer_than_any_browsers_is_not_parsed(
    client: ApiClient, length: int, content_type: str
) -> None:
    """Parsing a very long one would take a tenth of a second without authentication."""
    accept = f"{BROWSER},{'a/b,' * 1000}"[:length]
    assert client.get("/", headers={"Accept": accept}).headers["Content-Type"] == content_type


@pytest.mark.parametrize(("length", "is_suggested"), [(100, True), (101, False)])
def test_suggests_nothing_for_a_long_url(
    client: ApiClient, length: int, *, is_suggested: bool
) -> None:
    """A comparison takes time in proportion to the square of the length."""
    before, after = "/api/v1/users/", "/group"
    wrong = f"{before}{'1' * (length - len(before + after))}{after}"
    (error,) = client.get(wrong).json["errors"]
    assert ("meta" in error) == is_suggested
