"""/docs: the description for people."""

import re
from html.parser import HTMLParser

import pytest
from flask.testing import FlaskClient


class Assets(HTMLParser):
    """What a page fetches and links to."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.urls += [value for name, value in attrs if name in ("src", "href") and value]


def test_all_that_the_page_needs_comes_from_here(client: FlaskClient) -> None:
    page = client.get("/docs")
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assets = Assets()
    assets.feed(page.text)
    assert len(assets.urls) >= 5
    for url in assets.urls:
        assert not re.match(r"/|[a-z]+:", url), "a proxy may put the page under any path"
        assert client.get(f"/{url}").status_code == 200


def test_the_page_may_fetch_and_run_nothing_else(client: FlaskClient) -> None:
    for url in ("/docs", "/docs/swagger-ui-bundle.js"):
        policy = client.get(url).headers["Content-Security-Policy"]
        assert "default-src 'none'; script-src 'self';" in policy
        assert "http" not in policy


@pytest.mark.parametrize("name", ["nothing.js", "LICENSE", "..%2f__init__.py", "index.css"])
def test_nothing_else_lies_beside_it(client: FlaskClient, name: str) -> None:
    answer = client.get(f"/docs/{name}")
    assert (answer.status_code, answer.mimetype) == (404, "application/vnd.api+json")


def test_the_page_does_not_store_the_token(client: FlaskClient) -> None:
    start = client.get("/docs/start.js").text
    assert "persistAuthorization: false" in start
    assert "localStorage" not in start
