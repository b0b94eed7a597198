"""Words in any of the searched attributes (filter[q]), and totals of cursor pages (page[total])."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from api.constants import USERS
from api_client import ApiClient

Create = Callable[..., dict[str, Any]]


@pytest.fixture
def people(create: Create) -> None:
    for email, name, role in (
        ("ann@quarry.example", "Ann Stone", "admin"),
        ("stone@example.org", "Anna Roe", "user"),
        ("bob@example.org", "Bob Stone", "user"),
        ("zoe@example.org", "Zoë Straße", "stone"),
    ):
        create(email=email, name=name, role=role)


def get(client: ApiClient, **query: Any) -> Any:
    response = client.get(f"{USERS}?{urlencode(query)}")
    assert response.status_code == 200, response.text
    return response.json


def ids(document: Any) -> list[int]:
    return [int(each["id"]) for each in document["data"]]


def q(client: ApiClient, words: str, **query: Any) -> list[int]:
    return ids(get(client, **{"filter[q]": words, **query}))


def error_of(client: ApiClient, query: str, url: str = USERS) -> dict[str, Any]:
    response = client.get(f"{url}?{query}")
    assert response.status_code == 400, response.text
    (error,) = response.json["errors"]
    return error


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("ann stone", [1, 2]),
        ("STONE Ann", [1, 2]),
        ("  ann \t\u3000 stone\n", [1, 2]),
        ("stone", [1, 2, 3]),
        ("example.org stone", [2, 3]),
        ("zoë strasse", [4]),
        ("ZOE\u0308", [4]),
        ("ann bob", []),
        ("ann,stone", []),
        ("*", []),
        ("a e o n", [1, 2, 3]),
    ],
)
def test_each_word_is_part_of_the_email_or_the_name(
    client: ApiClient, people: None, words: str, expected: list[int]
) -> None:
    assert q(client, words) == expected


def test_a_search_can_be_combined_with_filters(client: ApiClient, people: None) -> None:
    assert q(client, "stone", **{"filter[role]": "user"}) == [2, 3]
    assert q(client, "stone", **{"filter[email][starts_with]": "S"}) == [2]
    assert q(client, "stone", sort="-name") == [3, 2, 1]
    assert q(client, "stone", **{"page[number]": 2, "page[size]": 2}) == [3]


def test_a_search_has_page_links_and_cursors(client: ApiClient, people: None) -> None:
    first = get(client, **{"filter[q]": "Stone a", "page[size]": 1})
    second = client.get(first["links"]["next"]).json
    assert (ids(first), ids(second)) == ([1], [2])
    assert ids(client.get(second["links"]["prev"]).json) == [1]
    cursor = first["data"][0]["meta"]["page"]["cursor"]
    assert q(client, "stone A", **{"page[after]": cursor}) == [2, 3]
    for other in ("stone", "stone a b"):
        query = urlencode({"filter[q]": other, "page[after]": cursor})
        assert error_of(client, query)["code"] == "invalid_cursor"
    unfiltered = error_of(client, urlencode({"page[after]": cursor}))
    assert unfiltered["code"] == "invalid_cursor"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "filter[q] is empty. Send 1 to 8 words, separated by spaces."),
        (" \t\u3000", "filter[q] is empty. Send 1 to 8 words, separated by spaces."),
        ("a b c d e f g h i", "filter[q] has 9 words. Send 1 to 8 words, separated by spaces."),
        ("a" * 1001, "A filter value has at most 1000 characters."),
    ],
)
def test_a_search_has_1_to_8_words(client: ApiClient, value: str, reason: str) -> None:
    error = error_of(client, urlencode({"filter[q]": value}))
    assert (error["code"], error["source"]) == ("invalid_parameter", {"parameter": "filter[q]"})
    assert error["detail"] == reason
    get(client, **{"filter[q]": "a b c d e f g h"})
    get(client, **{"filter[q]": "\ufdfa" * 1000})


@pytest.mark.parametrize("operator", ["[eq]", "[contains]", "[in]", "[]", "[not]"])
def test_a_search_accepts_no_operator(client: ApiClient, operator: str) -> None:
    error = error_of(client, f"filter[q]{operator}=ann")
    assert error["source"] == {"parameter": f"filter[q]{operator}"}
    assert error["detail"] == "filter[q] takes no operator. Send filter[q]=WORDS."


def test_a_search_counts_as_one_filter_with_one_value(client: ApiClient) -> None:
    ids_of_499 = ",".join(["1"] * 499)
    get(client, **{"filter[q]": "a b c", "filter[id]": ids_of_499})
    query = urlencode({"filter[id]": f"{ids_of_499},1", "filter[q]": "a"})
    assert error_of(client, query)["source"] == {"parameter": "filter[q]"}
    others = [
        f"filter[{attribute}][{op}]=a"
        for attribute in ("email", "name", "role")
        for op in ("lt", "le", "gt", "ge", "contains", "starts_with")
    ]
    others += ["filter[name]=a"]
    assert client.get(f"{USERS}?{'&'.join(others)}&filter[q]=a").status_code == 200
    query = "&".join([*others, "filter[name][eq]=a", "filter[q]=a"])
    assert error_of(client, query)["source"] == {"parameter": "filter[q]"}


def test_a_search_cannot_be_repeated(client: ApiClient) -> None:
    assert error_of(client, "filter[q]=a&filter[q]=b")["code"] == "repeated_parameter"


def test_a_resource_without_searched_attributes_has_no_search(
    client: ApiClient, create: Create
) -> None:
    create()
    for parameter in ("filter[q]", "filter[q][eq]"):
        error = error_of(client, f"{parameter}=ann", f"{USERS}/1/history")
        assert error["source"] == {"parameter": parameter}
    error = error_of(client, "filter[q]=ann", f"{USERS}/1/history")
    assert error["code"] == "unknown_parameter"
    assert "filter[q]," not in error["detail"]


def test_a_cursor_page_has_the_total_on_request(client: ApiClient, people: None) -> None:
    assert "meta" not in get(client)
    assert get(client, **{"page[total]": "true"})["meta"] == {"page": {"total": 4}}
    query = {"filter[q]": "stone", "page[total]": "true", "page[size]": 1}
    page = get(client, **query)
    assert (ids(page), page["meta"]) == ([1], {"page": {"total": 3}})
    for link, expected in (("next", 2), ("next", 3), ("prev", 2)):
        page = client.get(page["links"][link]).json
        assert (ids(page), page["meta"]) == ([expected], {"page": {"total": 3}})
    assert get(client, **{**query, "filter[q]": "absent"})["meta"] == {"page": {"total": 0}}


def test_a_truncated_range_has_the_total_on_request(client: ApiClient, people: None) -> None:
    cursors = [each["meta"]["page"]["cursor"] for each in get(client)["data"]]
    between = {"page[after]": cursors[0], "page[before]": cursors[3], "page[size]": 1}
    page = get(client, **between, **{"page[total]": "true"})
    assert page["meta"] == {"page": {"total": 4, "rangeTruncated": True}}


def test_a_history_has_a_total_on_request(client: ApiClient, create: Create) -> None:
    create()
    url = f"{USERS}/1/history?page[total]=true"
    assert client.get(url).json["meta"] == {"page": {"total": 1}}
    none = client.get(f"{url}&filter[action]=deleted").json
    assert (none["data"], none["meta"]) == ([], {"page": {"total": 0}})


def test_a_numbered_page_accepts_a_request_for_the_total(client: ApiClient, people: None) -> None:
    query = {"page[number]": 2, "page[size]": 3}
    plain, requested = get(client, **query), get(client, **query, **{"page[total]": "true"})
    assert plain["meta"] == requested["meta"] == {"page": {"total": 4}}
    assert plain["data"] == requested["data"]


@pytest.mark.parametrize("value", ["false", "1", "TRUE", "true,true", "yes"])
def test_another_value_for_the_total_is_400(client: ApiClient, value: str) -> None:
    for more in ("", "&page[number]=1"):
        error = error_of(client, f"page[total]={value}{more}")
        assert (error["code"], error["source"]["parameter"]) == ("invalid_parameter", "page[total]")
        assert error["detail"] == "page[total] must be true. For no total, leave it out."


def test_any_words_get_a_valid_response(client: ApiClient, people: None) -> None:
    for text in ("\u200b", "\ufeff", "\u00b4", "'; --", "%00"[1:], "\U0010ffff"):
        assert client.get(f"{USERS}?filter[q]={quote(text)}").status_code == 200
