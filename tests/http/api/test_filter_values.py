"""Filters by impossible values, empty parameters, and quotations in errors."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from api.constants import USERS
from api_client import ApiClient

Create = Callable[..., dict[str, Any]]

EQUALITY = ("", "[eq]", "[ne]", "[in]", "[]")


def error_of(client: ApiClient, query: str) -> dict[str, Any]:
    response = client.get(f"{USERS}?{query}")
    assert response.status_code == 400, response.text
    (error,) = response.json["errors"]
    return error


@pytest.mark.parametrize("form", EQUALITY)
@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("email", "a b@example.org"),
        ("email", "ann"),
        ("email", "ann@example"),
        ("email", "@example.org"),
        ("email", f"{'a' * 250}@example.org"),
        ("email", ""),
        ("name", ""),
        ("name", "\u3000"),
        ("name", "\u3164"),
        ("name", "a\nb"),
        ("name", "a" * 251),
        ("role", "Admin"),
        ("role", ""),
        ("is_active", "yes"),
        ("id", "abc"),
        ("creation_time", "now"),
    ],
)
def test_equality_with_an_impossible_value_is_400(
    client: ApiClient, create: Create, attribute: str, value: str, form: str
) -> None:
    create()
    parameter = f"filter[{attribute}]{form}"
    error = error_of(client, urlencode({parameter: value}))
    assert (error["code"], error["source"]) == ("invalid_parameter", {"parameter": parameter})
    assert f"is not a valid {attribute}. It must " in error["detail"]
    assert ("An empty value" in error["detail"]) is (value == "")
    assert ("%2B" in error["detail"]) is (" " in value)


@pytest.mark.parametrize("form", EQUALITY)
def test_a_plus_that_became_a_space_is_explained(
    client: ApiClient, create: Create, form: str
) -> None:
    create(email="a+b@example.org")
    detail = error_of(client, f"filter[email]{form}=a+b@example.org")["detail"]
    assert detail.startswith("'a b@example.org' is not a valid email.")
    assert detail.endswith("A + in a query means a space; write %2B.")
    response = client.get(f"{USERS}?filter[email]{form}=a%2Bb@example.org")
    assert len(response.json["data"]) == (form != "[ne]")


def test_a_plus_of_an_offset_is_explained(client: ApiClient) -> None:
    for op in ("", "[gt]"):
        detail = error_of(client, f"filter[creation_time]{op}=2026-11-22T09:30:00+02:00")["detail"]
        assert "write %2B" in detail


@pytest.mark.parametrize("op", ["lt", "le", "gt", "ge", "contains", "starts_with"])
@pytest.mark.parametrize("value", ["a b", "", " ", "ANN@", "\u3164", "x" * 1000])
def test_other_comparisons_accept_any_text(client: ApiClient, op: str, value: str) -> None:
    for attribute in ("email", "name", "role"):
        query = urlencode({f"filter[{attribute}][{op}]": value})
        assert client.get(f"{USERS}?{query}").status_code == 200


@pytest.mark.parametrize(
    "same",
    ["ann@münchen.example", "ANN@xn--mnchen-3ya.example", "ann\ufe0f@MÜNCHEN。example"],
)
def test_an_email_is_found_in_every_form_of_its_mailbox(
    client: ApiClient, create: Create, same: str
) -> None:
    create(email="Ann@München.example")
    create(email="bob@example.org")
    for form in ("", "[eq]", "[in]", "[]"):
        found = client.get(f"{USERS}?{urlencode({f'filter[email]{form}': same})}").json["data"]
        assert [user["id"] for user in found] == ["1"]
    others = client.get(f"{USERS}?{urlencode({'filter[email][ne]': same})}").json["data"]
    assert [user["id"] for user in others] == ["2"]
    document = {"data": {"type": "users", "attributes": {"email": same, "name": "Other"}}}
    assert client.post(USERS, json=document).problems == [
        ("409", "email_taken", "/data/attributes/email")
    ]


@pytest.mark.parametrize("query", ["sort=", "include=", "fields[users]="])
def test_an_empty_list_is_accepted(client: ApiClient, query: str) -> None:
    assert client.get(f"{USERS}?{query}").status_code == 200


@pytest.mark.parametrize("parameter", ["page[size]", "page[number]", "page[after]", "page[before]"])
def test_the_error_for_an_empty_page_parameter_calls_it_empty(
    client: ApiClient, parameter: str
) -> None:
    error = error_of(client, f"{parameter}=")
    assert error["source"] == {"parameter": parameter}
    assert error["detail"].startswith(f"{parameter} is empty.")


def test_an_empty_filter_is_checked_like_any_other(client: ApiClient) -> None:
    assert error_of(client, "filter[x]=")["code"] == "unknown_attribute"
    assert error_of(client, "filter[]=")["code"] == "unknown_attribute"
    assert error_of(client, "filter[name]=")["code"] == "invalid_parameter"
    assert client.get(f"{USERS}?filter[name][contains]=").status_code == 200


def test_the_error_for_an_unknown_attribute_lists_the_known_ones(client: ApiClient) -> None:
    known = "Known: email, name, is_active, role, creation_time, update_time, id"
    unknown = "Unknown attribute 'rolle'. Did you mean 'role'?"
    assert error_of(client, "filter[rolle]=admin")["detail"] == f"{unknown} {known}, groups, q."
    for query in ("sort=rolle", "sort=-rolle"):
        assert error_of(client, query)["detail"] == f"{unknown} {known}."
    detail = error_of(client, "filter[is_active][gt]=true")["detail"]
    assert detail == "is_active cannot be filtered by 'gt'. Known: eq, ne, in."


@pytest.mark.parametrize(
    "query",
    [
        f"{'x' * 50_000}=1",
        f"filter[{'x' * 50_000}]=1",
        f"filter[name][{'x' * 50_000}]=1",
        f"sort={'x' * 50_000}",
        f"fields[users]={'x' * 50_000}",
        f"include={'x' * 50_000}",
        f"filter[role]={'X' * 900}",
        f"{'x' * 50_000}=1&{'x' * 50_000}=1",
        f"{'x' * 50_000}=%00",
        f"fields[users]={','.join(f'x{number}' for number in range(9_000))}",
    ],
)
def test_an_error_quotes_a_part_of_a_long_value(client: ApiClient, query: str) -> None:
    response = client.get(f"{USERS}?{query}")
    assert response.status_code == 400
    assert len(response.data) < 2500
    assert "…" in response.text or "more" in response.text


def test_the_source_of_an_error_has_the_whole_name_of_a_parameter(
    client: ApiClient,
) -> None:
    name = "x" * 250
    assert error_of(client, f"{name}=1")["source"] == {"parameter": name}


def test_a_filter_by_an_unknown_action_is_400(client: ApiClient, create: Create) -> None:
    create()
    url = f"{USERS}/1/history?filter[action]="
    assert len(client.get(f"{url}created,changed").json["data"]) == 1
    rejected = client.get(url + quote("Created"))
    assert rejected.status_code == 400
    assert "created, changed, related, deleted, erased" in rejected.json["errors"][0]["detail"]
