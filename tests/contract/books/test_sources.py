"""Resources with unusual names and attributes, over HTTP and on every store."""

from collections.abc import Callable
from typing import Any

import pytest
from contract.books.sources import TEXTS

Send = Callable[..., Any]
Create = Callable[..., Any]

ISBN = "123e4567-e89b-12d3-a456-426614174000"


@pytest.fixture
def create(send: Send) -> Create:
    """Creates a resource with attributes and relationships, and returns its id."""

    def create(type_: str, relationships: Any = None, **attributes: Any) -> str:
        linkage = {name: {"data": data} for name, data in (relationships or {}).items()}
        data = {"type": type_, "attributes": attributes, "relationships": linkage}
        response = send("POST", f"/{type_}", {"data": data})
        assert response.status_code == 201, response.text
        return str(response.json["data"]["id"])

    return create


def test_the_word_for_a_resource_may_have_a_space(create: Create, send: Send) -> None:
    source = create("sources", isbn=ISBN)
    assert send("GET", f"/sources/{source}/notes").json["data"] == []
    missing = send("GET", "/sources/999")
    assert missing.json["errors"][0]["detail"] == "There is no news source 999."


def test_an_attribute_may_have_any_name(create: Create, send: Send) -> None:
    other, source = create("sources", isbn=ISBN), create("sources", isbn=ISBN[:-1] + "1")
    expected: dict[str, Any] = {"isbn": ISBN[:-1] + "1", "medium": "e-book"}
    for name in TEXTS:
        expected[name] = f"new {name}"
        data = {"type": "sources", "id": source, "attributes": {name: expected[name]}}
        assert send("PATCH", f"/sources/{source}", {"data": data}).status_code == 200
        stored = send("GET", f"/sources/{source}").json["data"]["attributes"]
        assert stored == stored | expected, name
        for order, first in ((name, other), (f"-{name}", source)):
            page = send("GET", f"/sources?sort={order}&page[size]=1&page[total]=true").json
            assert [each["id"] for each in page["data"]] == [first]
            assert page["meta"]["page"]["total"] == 2
    assert send("DELETE", f"/sources/{source}").status_code == 204
