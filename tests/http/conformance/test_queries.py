"""Queries: fields, includes, sorts and filters (#fetching-includes, #query-parameters)."""

from typing import Any
from urllib.parse import quote

import pytest
from conformance.client import Client, Json, ids, numbered, unused

# -- fields and related resources --------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", "%2C"])
def test_only_the_requested_fields_are_returned(client: Client, separator: str) -> None:
    group = client.group(2)
    created, names = group.members[0], list(client.resource.new)
    for requested in ([], names[:1], names[:2], names):
        fields = f"fields[{client.resource.type}]={separator.join(requested)}"
        for data in (
            client.get(f"{group.url()}&{fields}").json()["data"][0],
            client.get(f"{client.url(created)}?{fields}").json()["data"],
            client.send(
                "PATCH", f"{client.url(created)}?{fields}", client.change(created, {})
            ).json()["data"],
        ):
            assert data["attributes"] == {n: created["attributes"][n] for n in requested}
            assert (data["type"], data["id"]) == (created["type"], created["id"])


def test_fields_are_known_names_separated_by_commas(client: Client) -> None:
    url = f"{client.url(client.create())}?fields[{client.resource.type}]="
    for wrong in ("unknown", f"{client.resource.group},unknown", ",", f"{client.resource.group};x"):
        assert client.get(url + quote(wrong, safe=",")).status_code == 400
    assert client.get(f"{client.resource.collection}?fields[others]=x").status_code == 400


def test_an_empty_include_returns_an_empty_array(client: Client) -> None:
    group = client.group(1)
    for url in (f"{group.url()}&include=", f"{client.url(group.members[0])}?include="):
        response = client.get(url)
        assert response.status_code == 200
        assert response.json()["included"] == []


@pytest.mark.parametrize("path", ["unknown", "unknown.other", "unknown,other", ",", "."])
def test_an_unknown_relationship_path_is_400(client: Client, path: str) -> None:
    for url in (client.resource.collection, client.url(client.create())):
        rejected = client.get(f"{url}?include={path}")
        assert rejected.status_code == 400
        assert rejected.json()["errors"][0]["source"] == {"parameter": "include"}


def test_include_is_400_if_the_url_does_not_support_it(client: Client) -> None:
    url = client.url(client.create())
    assert client.send("DELETE", f"{url}?include=").status_code == 400
    assert client.get(url).status_code == 200


# -- sorting -----------------------------------------------------------------------------------


def varied(client: Client) -> "tuple[Any, list[Json]]":
    """A group whose resources differ in some attributes and are equal in others."""
    group = client.group(0)
    changes, unique = client.resource.changes, client.resource.unique
    equal = {
        n: v.replace("{n}", "") if isinstance(v, str) and n != unique else v
        for n, v in changes.items()
    }
    created = [
        client.create(**{client.resource.group: group.value}, **(numbered(equal) if i % 2 else {}))
        for i in range(6)
    ]
    return group, created


def by(name: str) -> Any:
    return lambda item: item["attributes"][name]


def test_a_sort_field_sorts_ascending_and_with_a_minus_descending(client: Client) -> None:
    group, created = varied(client)
    for name in client.resource.sortable:
        for sign, reverse in (("", False), ("-", True)):
            values = [by(name)(item) for item in group.document(sort=f"{sign}{name}")["data"]]
            assert values == sorted(map(by(name), created), reverse=reverse), (sign, name)


def test_sort_fields_are_applied_in_their_order(client: Client) -> None:
    group, created = varied(client)
    last = client.resource.unique
    for first in client.resource.sortable:
        for a in ("", "-"):
            for b in ("", "-"):
                expected = sorted(created, key=by(last), reverse=b == "-")
                expected = sorted(expected, key=by(first), reverse=a == "-")
                if first != last:
                    document = group.document(sort=f"{a}{first},{b}{last}")
                    assert ids(document) == [item["id"] for item in expected]


@pytest.mark.parametrize("sort", ["unknown", "-unknown", "-", ",", "{group},unknown", "{group};x"])
def test_an_unsupported_sort_is_400(client: Client, sort: str) -> None:
    requested = quote(sort.replace("{group}", client.resource.group), safe=",")
    rejected = client.get(f"{client.resource.collection}?sort={requested}")
    assert rejected.status_code == 400
    assert rejected.json()["errors"][0]["source"] == {"parameter": "sort"}


# -- filters -----------------------------------------------------------------------------------


def test_lists_are_filtered_by_parameters_of_the_filter_family(client: Client) -> None:
    group, other = client.group(3), client.group(2)
    assert ids(group.document()) == group.ids
    assert ids(other.document()) == other.ids
    assert client.resource.group_filter.startswith("filter")


# -- parameters --------------------------------------------------------------------------------

UNKNOWN = (
    "unknown",
    "camelCase",
    "UPPER",
    "page",
    "page[unknown]",
    "filter[_]",
    "filter",
    "fields",
    "sort[x]",
    "include[x]",
    "atomic:unknown",
    "",
    "%5B%5D",
    "x%20y",
)


@pytest.mark.parametrize("parameter", UNKNOWN)
def test_an_unknown_parameter_is_400(client: Client, parameter: str) -> None:
    created = client.create()
    url, collection = client.url(created), client.resource.collection
    for response in (
        client.get(f"{collection}?{parameter}=x"),
        client.get(f"{url}?{parameter}=x"),
        client.send("POST", f"{collection}?{parameter}=x", client.new()),
        client.send("PATCH", f"{url}?{parameter}=x", client.change(created, {})),
        client.send("DELETE", f"{url}?{parameter}=x"),
    ):
        assert response.status_code == 400
        assert response.json()["errors"]
    assert client.get(url).json()["data"] == created


def test_brackets_may_be_percent_encoded(client: Client) -> None:
    group = client.group(3)
    plain = (
        f"{client.resource.group_filter}={group.value}&page[size]=2&fields[{client.resource.type}]="
    )
    mixed = plain.replace("[size]", "%5bsize]")
    encoded = plain.replace("[", "%5B").replace("]", "%5D")
    responses = [
        client.get(f"{client.resource.collection}?{query}") for query in (plain, mixed, encoded)
    ]
    for response in responses:
        assert response.status_code == 200
        assert response.json()["data"] == responses[0].json()["data"]
        assert ids(response.json()) == group.ids[:2]
        assert response.json()["links"]["next"] == responses[0].json()["links"]["next"]


def test_queries_are_parsed_like_forms(client: Client) -> None:
    name, number = client.resource.text, unused("{n}")
    created = client.create(**{name: f"a+b c&d=e%f\u00e9{number}"})
    client.create()
    requested = f"{client.resource.collection}?filter%5B{name}%5D"
    for written in ("a%2Bb+c%26d%3De%25f%C3%A9", "%61%2bb%20c%26d=e%25f%c3%a9"):
        assert ids(client.get(f"{requested}={written}{number}").json()) == [created["id"]]


def test_links_are_encoded_like_forms(client: Client) -> None:
    name, value = client.resource.text, unused("a+b c&d=e%f\u00e9{n}")
    for _ in range(3):
        client.create(**{name: value})
    url = f"{client.resource.collection}?page[size]=1&filter%5B{name}%5D={quote(value)}"
    seen = []
    while url:
        document = client.get(url).json()
        seen += ids(document)
        url = document["links"]["next"]
    assert len(seen) == len(set(seen)) == 3
