"""Which part of the data a query asks for (#fetching-includes and after, #query-parameters)."""

from typing import Any
from urllib.parse import quote

import pytest
from conformance.client import Client, Json, ids

# -- fields and related resources --------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", "%2C"])
def test_only_the_fields_that_are_asked_for_are_answered(client: Client, separator: str) -> None:
    group = client.group(2)
    made, names = group.members[0], list(client.resource.new)
    for asked in ([], names[:1], names[:2], names):
        fields = f"fields[{client.resource.type}]={separator.join(asked)}"
        for data in (
            client.get(f"{group.url()}&{fields}").json()["data"][0],
            client.get(f"{client.url(made)}?{fields}").json()["data"],
            client.ask("PATCH", f"{client.url(made)}?{fields}", client.change(made, {})).json()[
                "data"
            ],
        ):
            assert data["attributes"] == {n: made["attributes"][n] for n in asked}
            assert (data["type"], data["id"]) == (made["type"], made["id"])


def test_fields_are_a_list_with_commas_and_of_known_names(client: Client) -> None:
    url = f"{client.url(client.create())}?fields[{client.resource.type}]="
    for wrong in ("unknown", f"{client.resource.group},unknown", ",", f"{client.resource.group};x"):
        assert client.get(url + quote(wrong, safe=",")).status_code == 400
    assert client.get(f"{client.resource.collection}?fields[others]=x").status_code == 400


def test_to_include_nothing_gives_an_empty_array(client: Client) -> None:
    group = client.group(1)
    for url in (f"{group.url()}&include=", f"{client.url(group.members[0])}?include="):
        response = client.get(url)
        assert response.status_code == 200
        assert response.json()["included"] == []


@pytest.mark.parametrize("path", ["unknown", "unknown.other", "unknown,other", ",", "."])
def test_an_unknown_relationship_path_is_400(client: Client, path: str) -> None:
    for url in (client.resource.collection, client.url(client.create())):
        refused = client.get(f"{url}?include={path}")
        assert refused.status_code == 400
        assert refused.json()["errors"][0]["source"] == {"parameter": "include"}


def test_include_is_400_where_it_is_not_offered(client: Client) -> None:
    url = client.url(client.create())
    assert client.ask("DELETE", f"{url}?include=").status_code == 400
    assert client.get(url).status_code == 200


# -- sorting -----------------------------------------------------------------------------------


def varied(client: Client) -> "tuple[Any, list[Json]]":
    """A group whose members differ in some attributes and tie in others."""
    group = client.group(0)
    changes = client.resource.changes
    made = [
        client.create(
            **{client.resource.group: group.value},
            **(
                {n: v.replace("{n}", "") if isinstance(v, str) else v for n, v in changes.items()}
                if i % 2
                else {}
            ),
        )
        for i in range(6)
    ]
    return group, made


def by(name: str) -> Any:
    return lambda item: item["attributes"][name]


def test_a_sort_field_sorts_up_and_with_a_minus_down(client: Client) -> None:
    group, made = varied(client)
    for name in client.resource.sortable:
        for sign, reverse in (("", False), ("-", True)):
            values = [by(name)(item) for item in group.document(sort=f"{sign}{name}")["data"]]
            assert values == sorted(map(by(name), made), reverse=reverse), (sign, name)


def test_sort_fields_are_applied_in_the_order_given(client: Client) -> None:
    group, made = varied(client)
    last = client.resource.unique
    for first in client.resource.sortable:
        for a in ("", "-"):
            for b in ("", "-"):
                expected = sorted(made, key=by(last), reverse=b == "-")
                expected = sorted(expected, key=by(first), reverse=a == "-")
                if first != last:
                    document = group.document(sort=f"{a}{first},{b}{last}")
                    assert ids(document) == [item["id"] for item in expected]


@pytest.mark.parametrize("sort", ["unknown", "-unknown", "-", ",", "{group},unknown", "{group};x"])
def test_a_sort_that_is_not_offered_is_400(client: Client, sort: str) -> None:
    asked = quote(sort.replace("{group}", client.resource.group), safe=",")
    refused = client.get(f"{client.resource.collection}?sort={asked}")
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["source"] == {"parameter": "sort"}


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
    made = client.create()
    url, collection = client.url(made), client.resource.collection
    for response in (
        client.get(f"{collection}?{parameter}=x"),
        client.get(f"{url}?{parameter}=x"),
        client.ask("POST", f"{collection}?{parameter}=x", client.new()),
        client.ask("PATCH", f"{url}?{parameter}=x", client.change(made, {})),
        client.ask("DELETE", f"{url}?{parameter}=x"),
    ):
        assert response.status_code == 400
        assert response.json()["errors"]
    assert client.get(url).json()["data"] == made


def test_brackets_mean_the_same_encoded_or_not(client: Client) -> None:
    group = client.group(3)
    plain = (
        f"{client.resource.group_filter}={group.value}&page[size]=2&fields[{client.resource.type}]="
    )
    mixed = plain.replace("[size]", "%5bsize]")
    encoded = plain.replace("[", "%5B").replace("]", "%5D")
    answered = [
        client.get(f"{client.resource.collection}?{query}") for query in (plain, mixed, encoded)
    ]
    for response in answered:
        assert response.status_code == 200
        assert response.json()["data"] == answered[0].json()["data"]
        assert ids(response.json()) == group.ids[:2]
        assert response.json()["links"]["next"] == answered[0].json()["links"]["next"]


def test_queries_are_read_as_forms_are(client: Client) -> None:
    name = next(n for n, v in client.resource.changes.items() if isinstance(v, str))
    value = "a+b c&d=e%f\u00e9"
    group = client.group(0)
    made = client.create(**{client.resource.group: group.value, name: value})
    client.create(**{client.resource.group: group.value})
    asked = f"filter%5B{name}%5D"
    for written in ("a%2Bb+c%26d%3De%25f%C3%A9", "%61%2bb%20c%26d=e%25f%c3%a9"):
        assert ids(client.get(f"{group.url()}&{asked}={written}").json()) == [made["id"]]


def test_links_are_written_as_forms_are(client: Client) -> None:
    name = next(n for n, v in client.resource.changes.items() if isinstance(v, str))
    value = "a+b c&d=e%f\u00e9"
    group = client.group(0)
    for _ in range(3):
        client.create(**{client.resource.group: group.value, name: value})
    url = f"{group.url(page_size=1)}&filter%5B{name}%5D={quote(value)}"
    seen = []
    while url:
        document = client.get(url).json()
        seen += ids(document)
        url = document["links"]["next"]
    assert len(seen) == len(set(seen)) == 3
