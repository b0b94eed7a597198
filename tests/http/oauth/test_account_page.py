"""GET /account is the page that emailed links open."""

import re
from base64 import b64encode
from hashlib import sha256

import pytest
from api_client import ApiClient


def test_the_page_runs_only_its_own_script(client: ApiClient) -> None:
    response = client.get("/account")
    assert response.status_code == 200
    assert response.mimetype == "text/html"
    (script,) = re.findall(r"<script>(.*?)</script>", response.text, re.DOTALL)
    digest = b64encode(sha256(script.encode()).digest()).decode()
    policy = dict(
        each.strip().split(" ", 1)
        for each in response.headers["Content-Security-Policy"].split(";")
    )
    assert policy["script-src"] == f"'sha256-{digest}'"
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert response.headers["Referrer-Policy"] == "no-referrer"


def test_the_page_has_no_assets_and_no_inline_handlers(client: ApiClient) -> None:
    text = client.get("/account").text
    assert not re.search(r"https?://|src=|<link|\son\w+=", text)


def test_every_field_has_a_label(client: ApiClient) -> None:
    text = client.get("/account").text
    assert 'autocomplete="new-password"' in text
    for field in ("password", "email"):
        assert f'<label for="{field}">' in text
        assert f'<input id="{field}"' in text


@pytest.mark.parametrize("query", ["", "?utm_source=mail"])
def test_the_page_is_the_same_for_head_and_any_query(client: ApiClient, query: str) -> None:
    response = client.head(f"/account{query}")
    assert (response.status_code, response.data) == (200, b"")
    assert client.get(f"/account{query}").status_code == 200
