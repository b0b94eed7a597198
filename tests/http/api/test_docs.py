"""/docs: the interactive documentation."""

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from api.conftest import CheckedClient
from api_client import ApiClient
from flask import Flask


class Assets(HTMLParser):
    """The files and links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.urls += [value for name, value in attrs if name in ("src", "href") and value]


def test_the_page_only_needs_files_of_the_service(client: ApiClient) -> None:
    page = client.get("/docs")
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assets = Assets()
    assets.feed(page.text)
    assert len(assets.urls) >= 5
    for url in assets.urls:
        assert not re.match(r"/|[a-z]+:", url), "a proxy may put the page under any path"
        assert client.get(f"/{url}").status_code == 200


def test_the_page_may_only_fetch_and_run_files_of_the_service(client: ApiClient) -> None:
    for url in ("/docs", "/docs/swagger-ui-bundle.js"):
        policy = client.get(url).headers["Content-Security-Policy"]
        assert "default-src 'none'; script-src 'self';" in policy
        assert "http" not in policy


@pytest.mark.parametrize("name", ["nothing.js", "LICENSE", "..%2f__init__.py", "index.css"])
def test_other_files_of_the_package_are_not_served(client: ApiClient, name: str) -> None:
    response = client.get(f"/docs/{name}")
    assert (response.status_code, response.mimetype) == (404, "application/vnd.api+json")


@pytest.mark.parametrize(
    "date",
    [
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2000 99999999999999999999:00:00 GMT",
        "Mon, 01 Jan 2000 00:00:00 +99999999999999999999",
    ],
)
def test_a_date_out_of_range_is_ignored(client: ApiClient, date: str) -> None:
    url = "/docs/swagger-ui.css"
    assert client.get(url, headers={"If-Modified-Since": date}).status_code == 200
    part = {"If-Range": date, "Range": "bytes=0-1"}
    assert client.get(url, headers=part).status_code == 200
    etag = client.get(url).headers["ETag"]
    assert client.get(url, headers={"If-None-Match": etag}).status_code == 304


def test_the_page_does_not_store_the_token(client: ApiClient) -> None:
    start = client.get("/docs/start.js").text
    assert "persistAuthorization: false" in start
    assert "localStorage" not in start


def test_the_description_links_to_the_guides(build: Callable[..., Flask]) -> None:
    """Swagger UI shows the link below the title."""
    guides = "https://docs.example.org/roster"
    client = CheckedClient(build({"ROSTER_GUIDES_URL": guides}))
    expected = {"description": "Guides", "url": guides}
    assert client.get("/openapi.json").json["externalDocs"] == expected
    assert "externalDocs" not in CheckedClient(build()).get("/openapi.json").json
