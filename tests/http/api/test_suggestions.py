"""Errors about unknown names suggest a similar name or list the known names."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from api.constants import GROUPS, USERS
from api_client import ApiClient

Create = Callable[..., dict[str, Any]]

PARAMETERS = (
    "page[size], page[after], page[before], page[number], page[total], sort, filter[q], "
    "fields[users], fields[groups], include, filter[ATTRIBUTE], filter[ATTRIBUTE][OPERATOR]"
)


def errors_of(client: ApiClient, query: str, url: str = USERS) -> list[dict[str, Any]]:
    response = client.get(f"{url}?{query}")
    assert response.status_code == 400, response.text
    return response.json["errors"]


@pytest.mark.parametrize(
    ("sent", "suggestion"),
    [
        ("page", "page[number]"),
        ("Page", "page[number]"),
        ("page_number", "page[number]"),
        ("page[num]", "page[number]"),
        ("page[offset]", "page[number]"),
        ("offset", "page[number]"),
        ("limit", "page[size]"),
        ("page[limit]", "page[size]"),
        ("page[Size]", "page[size]"),
        ("per_page", "page[size]"),
        ("perPage", "page[size]"),
        ("pageSize", "page[size]"),
        ("page[siez]", "page[size]"),
        ("cursor", "page[after]"),
        ("page[cursor]", "page[after]"),
        ("starting_after", "page[after]"),
        ("ending_before", "page[before]"),
        ("total", "page[total]"),
        ("include_total", "page[total]"),
        ("q", "filter[q]"),
        ("search", "filter[q]"),
        ("filter", "filter[q]"),
        ("order", "sort"),
        ("order_by", "sort"),
        ("sortBy", "sort"),
        ("sort[]", "sort"),
        ("Sort", "sort"),
        ("fields", "fields[users]"),
        ("fields[user]", "fields[users]"),
        ("select", "fields[users]"),
        ("expand", "include"),
        ("includes", "include"),
        ("email", "filter[email]"),
        ("isActive", "filter[is_active]"),
        ("created_at", "filter[creation_time]"),
        ("modified", "filter[update_time]"),
        ("pk", "filter[id]"),
        ("name__contains", "filter[name][contains]"),
        ("name[like]", "filter[name][contains]"),
        ("filter.role", "filter[role]"),
        ("filter[name", "filter[name]"),
        ("filter[name][eq][]", "filter[name][eq]"),
    ],
)
def test_a_similar_parameter_is_suggested(client: ApiClient, sent: str, suggestion: str) -> None:
    (error,) = errors_of(client, f"{quote(sent)}=1")
    assert (error["code"], error["source"]) == ("unknown_parameter", {"parameter": sent})
    assert error["detail"] == (
        f"Unknown parameter '{sent}'. Did you mean '{suggestion}'? Known: {PARAMETERS}."
    )


@pytest.mark.parametrize("sent", ["x", "", "é", "access_token", "filter[a][b][c]", "p" * 50_000])
def test_the_known_parameters_are_listed_without_a_similar_one(
    client: ApiClient, sent: str
) -> None:
    (error,) = errors_of(client, f"{quote(sent)}=1")
    assert "Did you mean" not in error["detail"]
    assert error["detail"].endswith(f" Known: {PARAMETERS}.")


@pytest.mark.parametrize(
    ("sent", "suggestion"),
    [
        ("created_at", "creation_time"),
        ("createdAt", "creation_time"),
        ("updated_at", "update_time"),
        ("isActive", "is_active"),
        ("active", "is_active"),
        ("Email", "email"),
        ("mail", "email"),
        ("emailAddress", "email"),
        ("full_name", "name"),
        ("rolle", "role"),
        ("roles", "role"),
        ("ID", "id"),
        ("_id", "id"),
    ],
)
def test_a_similar_attribute_is_suggested(client: ApiClient, sent: str, suggestion: str) -> None:
    queries = [f"filter[{sent}]=1", f"filter[{sent}][eq]=1", f"sort={sent}", f"sort=-{sent}"]
    for query in [*queries, *([f"fields[users]={sent}"] if suggestion != "id" else [])]:
        (error,) = errors_of(client, query)
        assert error["code"] == "unknown_attribute"
        assert f"'{sent}'. Did you mean '{suggestion}'? Known: email, name, " in error["detail"]


@pytest.mark.parametrize(
    ("sent", "suggestion"),
    [
        ("owner.mail", "owner.email"),
        ("owner.modified", "owner.update_time"),
        ("owner.shoe", None),
        ("owner.x", None),
        ("members.title", None),
        ("members.createdAt", "members.creation_time"),
    ],
)
def test_a_related_attribute_is_suggested_if_its_own_name_is_similar(
    client: ApiClient, sent: str, suggestion: str | None
) -> None:
    (error,) = errors_of(client, f"filter[{sent}]=1", GROUPS)
    question = f" Did you mean '{suggestion}'?" if suggestion else ""
    relationship = sent.partition(".")[0]
    expected = f"Unknown attribute '{sent}'.{question} Known: {relationship}.email, "
    assert error["detail"].startswith(expected)


def test_at_most_ten_unknown_attributes_are_quoted(client: ApiClient) -> None:
    names = [f"x{number}" for number in range(11)]
    for sent, rest in ((names[:10], "."), (names, " and 1 more.")):
        (error,) = errors_of(client, f"fields[users]={','.join(sent)}")
        quoted = ", ".join(f"'{name}'" for name in names[:10])
        assert error["detail"].startswith(f"Unknown attributes {quoted}{rest} Known: ")


def test_each_unknown_attribute_has_a_suggestion(client: ApiClient) -> None:
    (error,) = errors_of(client, "sort=created_at,nick,-rolle,mail,updated_at")
    assert "Did you mean 'creation_time', 'role'? Known:" in error["detail"]


@pytest.mark.parametrize(
    ("sent", "suggestion"),
    [
        ("EQ", "eq"),
        ("equals", "eq"),
        ("neq", "ne"),
        ("!=", "ne"),
        ("gte", "ge"),
        (">=", "ge"),
        ("lte", "le"),
        ("less_than", "lt"),
        ("after", "gt"),
        ("any_of", "in"),
        ("like", "contains"),
        ("contain", "contains"),
        ("startswith", "starts_with"),
        ("prefix", "starts_with"),
    ],
)
def test_a_similar_operator_is_suggested(client: ApiClient, sent: str, suggestion: str) -> None:
    (error,) = errors_of(client, f"filter[name][{quote(sent)}]=a")
    assert error["detail"] == (
        f"name cannot be filtered by '{sent}'. Did you mean '{suggestion}'? "
        "Known: eq, ne, in, lt, le, gt, ge, contains, starts_with."
    )


def test_an_unsupported_operator_is_not_suggested(
    client: ApiClient,
) -> None:
    (error,) = errors_of(client, "filter[is_active][gte]=true")
    assert error["detail"] == "is_active cannot be filtered by 'gte'. Known: eq, ne, in."


def test_only_parameters_of_the_url_are_suggested(client: ApiClient, create: Create) -> None:
    create()
    (error,) = errors_of(client, "limit=1", f"{USERS}/1")
    known = "fields[users], fields[groups], include"
    assert error["detail"] == f"Unknown parameter 'limit'. Known: {known}."
    (error,) = errors_of(client, "field=name", f"{USERS}/1")
    assert "Did you mean 'fields[users]'?" in error["detail"]
    (error,) = errors_of(client, "page=1", "/api/v1")
    assert error["detail"] == "Unknown parameter 'page'. This URL has no parameters."
    (error,) = client.delete(f"{USERS}/1?erase=true").json["errors"]
    assert error["detail"] == (
        "Unknown parameter 'erase'. Did you mean 'erase_history'? Known: erase_history."
    )
    (error,) = errors_of(client, "q=ann", f"{USERS}/1/history")
    assert "Did you mean" not in error["detail"]
    (error,) = errors_of(client, "timestamp=1", f"{USERS}/1/history")
    assert "Did you mean 'filter[time]'?" in error["detail"]


def test_only_the_first_unknown_parameters_have_suggestions(client: ApiClient) -> None:
    query = "&".join(f"{'page' * 15}{number}=1" for number in range(900))
    errors = errors_of(client, query)
    assert len(errors) == 900
    assert sum("Known:" in error["detail"] for error in errors) == 3


def test_a_similar_attribute_is_suggested_for_a_body(
    client: ApiClient,
) -> None:
    sent = {"email": "ann@example.org", "name": "Ann", "isActive": True, "createdAt": "2026-11-22"}
    document = {"data": {"type": "users", "attributes": sent}}
    response = client.post(USERS, json=document)
    assert response.status_code == 422
    errors = {error["meta"]["attribute"]: error for error in response.json["errors"]}
    active, created = errors.pop("isActive"), errors.pop("createdAt")
    assert not errors
    assert (active["code"], active["source"]["pointer"]) == (
        "unknown_attribute",
        "/data/attributes/isActive",
    )
    assert active["detail"] == (
        "isActive is not a settable attribute. Did you mean 'is_active'? "
        "Known: email, name, is_active, role."
    )
    assert created["detail"] == (
        "createdAt is not a settable attribute. Known: email, name, is_active, role."
    )


def test_only_the_first_unknown_attributes_of_a_body_have_suggestions(client: ApiClient) -> None:
    sent = {f"name{number}": 1 for number in range(2000)}
    response = client.post(USERS, json={"data": {"type": "users", "attributes": sent}})
    details = [e["detail"] for e in response.json["errors"] if e["code"] == "unknown_attribute"]
    assert sum("Did you mean 'name'?" in detail for detail in details) == 3
    assert len(details) == 998
    assert all(detail.endswith(" is not a settable attribute.") for detail in details[3:])
