"""The length of every text is checked before the text is normalized.

The time to sort combining marks grows with the square of their number.
"""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from api.constants import ATOMIC, JSONAPI, OPERATIONS, USERS
from api_client import ApiClient
from processor_time import processor_time_below

MARKS = "a" + "\u0300" * 12_000 + "\u0316" * 12_000
SECONDS = 0.4
"""Normalizing the marks once takes three times as long."""

Create = Callable[..., dict[str, Any]]


def as_text(document: Any) -> bytes:
    """The document without escapes, because the service limits their number."""
    return json.dumps(document, ensure_ascii=False).encode()


def several(operation: Any) -> Any:
    return {"atomic:operations": [operation]}


@pytest.mark.parametrize("text", [MARKS, f"{MARKS}@example.org", f"ann@{MARKS}.org"])
@pytest.mark.parametrize("attribute", ["email", "name", "role"])
def test_the_length_of_an_attribute_is_checked_first(
    client: ApiClient, create: Create, attribute: str, text: str
) -> None:
    create()
    attributes = {"email": "new@example.org", "name": "New", attribute: text}
    new = {"data": {"type": "users", "attributes": attributes}}
    change = {"data": {"type": "users", "id": "1", "attributes": {attribute: text}}}
    add = {"op": "add", "data": new["data"]}
    update = {"op": "update", "data": change["data"]}
    with processor_time_below(SECONDS):
        for response in (
            client.post(USERS, data=as_text(new), content_type=JSONAPI),
            client.patch(f"{USERS}/1", data=as_text(change), content_type=JSONAPI),
            client.post(OPERATIONS, data=as_text(several(add)), content_type=ATOMIC),
            client.post(OPERATIONS, data=as_text(several(update)), content_type=ATOMIC),
        ):
            assert response.status_code == 422
            assert [error["code"] for error in response.json["errors"]] == ["too_long"]


LONG = (MARKS, f"{MARKS}@example.org", f"ann@example.org,{MARKS}", "9" * 24_000)
OPS = ("eq", "ne", "in", "lt", "le", "gt", "ge", "contains", "starts_with", "")
FILTERS = [
    f"filter[{attribute}]{op}"
    for attribute in ("email", "name", "role", "id", "creation_time", "is_active")
    for op in ("", *(f"[{op}]" for op in OPS))
]


def check_filter(client: ApiClient, parameter: str, value: str) -> None:
    with processor_time_below(SECONDS):
        response = client.get(f"{USERS}?{quote(parameter)}={quote(value)}")
    assert response.status_code == 400
    (error,) = response.json["errors"]
    assert error["code"] == "invalid_parameter"
    assert error["source"] == {"parameter": parameter}
    assert len(response.data) < 1500


@pytest.mark.parametrize("parameter", FILTERS)
def test_the_length_of_a_filter_value_is_checked_first(client: ApiClient, parameter: str) -> None:
    """Each filter gets one of the values, and each attribute and each operator gets all of them."""
    check_filter(client, parameter, LONG[FILTERS.index(parameter) % len(LONG)])


@pytest.mark.long
@pytest.mark.parametrize("value", LONG)
@pytest.mark.parametrize("parameter", FILTERS)
def test_the_length_of_every_value_of_a_filter_is_checked_first(
    client: ApiClient, parameter: str, value: str
) -> None:
    check_filter(client, parameter, value)


def test_a_filter_value_has_at_most_1000_characters(client: ApiClient) -> None:
    for op in ("lt", "ge", "contains", "starts_with"):
        query = f"{USERS}?filter[name][{op}]="
        assert client.get(query + quote("ä" * 1000)).status_code == 200
        rejected = client.get(query + quote("ä" * 1001))
        assert rejected.status_code == 400
        assert "1000 characters" in rejected.json["errors"][0]["detail"]


@pytest.mark.parametrize("parameter", ["filter[action]", "filter[action][contains]"])
def test_the_length_of_a_filter_of_a_history_is_checked_first(
    client: ApiClient, create: Create, parameter: str
) -> None:
    create()
    with processor_time_below(SECONDS):
        response = client.get(f"{USERS}/1/history?{quote(parameter)}={quote(MARKS)}")
    assert response.status_code == 400


@pytest.mark.parametrize("parameter", ["sort", "fields[users]", "include", "page[size]", MARKS])
def test_other_parameters_are_checked_quickly(client: ApiClient, parameter: str) -> None:
    with processor_time_below(SECONDS):
        response = client.get(f"{USERS}?{quote(parameter)}={quote(MARKS)}")
    assert response.status_code == 400
    assert len(response.data) < 2500


def test_a_long_list_is_counted_before_it_is_split(client: ApiClient) -> None:
    response = client.get(f"{USERS}?filter[role]={',' * 24_000}")
    (error,) = response.json["errors"]
    assert "500 values" in error["detail"]
