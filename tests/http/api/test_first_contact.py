"""What a newcomer meets: the front page, and a hint at a wrong URL."""

from typing import Any

import pytest
from flask.testing import FlaskClient

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def test_the_front_page_names_places_that_are_there(client: FlaskClient) -> None:
    response = client.get("/")
    assert response.headers["Content-Type"] == "application/json"
    places = response.json["links"]
    assert places["api"] == "/api/v1"
    assert places["docs"] == "/docs"
    for place in places.values():
        assert client.get(place).status_code == 200


def test_a_browser_gets_a_page_with_the_same_places(client: FlaskClient) -> None:
    places = client.get("/").json["links"]
    response = client.get("/", headers={"Accept": BROWSER})
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    for place in places.values():
        assert f'<a href="{place}">' in response.text


def test_below_a_public_url_the_places_are_absolute(build: Any) -> None:
    client = build({"ROSTER_PUBLIC_URL": "https://example.org/people"}).test_client()
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
def test_a_wrong_url_is_answered_with_the_right_one(
    client: FlaskClient, wrong: str, right: str
) -> None:
    (error,) = client.get(wrong).json["errors"]
    assert error["code"] == "not_found"
    assert error["meta"] == {"suggestion": right}
    assert right in error["detail"]


@pytest.mark.parametrize("wrong", ["/x", "/nothing/like/it", "/" + "a" * 9999])
def test_where_nothing_is_alike_nothing_is_suggested(client: FlaskClient, wrong: str) -> None:
    (error,) = client.get(wrong).json["errors"]
    assert error["detail"] == "There is nothing here."
    assert "meta" not in error


def test_an_accept_that_no_browser_sends_is_not_read(client: FlaskClient) -> None:
    """It would take a tenth of a second, of anyone who asks."""
    response = client.get("/", headers={"Accept": f"{BROWSER},{'a/b,' * 1000}"})
    assert response.headers["Content-Type"] == "application/json"
