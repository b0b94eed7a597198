"""Pages of a collection, by cursors and by numbers."""

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
from api.constants import PROFILE, USERS
from api_client import ApiClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.memory.store import MemoryStore
from application.ports import Context
from application.users import USER_TYPE
from domain.text import fold
from domain.users import NewUser, User

Create = Callable[..., dict[str, Any]]

NAMES = ("Zoë", "Zoe", "zoe", "Ann", "Ånn", "𝒜nn", "\uffee", "Ann, B", "a&b=c", "100%", "+")
ATTRIBUTES = ("email", "name", "is_active", "role", "creation_time", "update_time", "id")


@pytest.fixture
def people(store: MemoryStore) -> list[User]:
    """Two hundred users with many equal values, except for emails and ids."""
    created = []
    for batch in range(5):
        with store.begin(Context()) as work:
            for number in range(40):
                new = NewUser(
                    email=f"{'uUü'[number % 3]}{(number * 7) % 40}.{batch}@example.org",
                    name=NAMES[number % len(NAMES)],
                    is_active=number % 2 == 0,
                    role=("user", "admin", "x-1")[number % 3],
                )
                created.append(work.repository(USER_TYPE).add(new, at=work.now))
    with store.begin(Context()) as work:
        for user in created[::7]:
            work.repository(USER_TYPE).remove(user)
    return list(store.rows(USER_TYPE).values())


def ids(response: Any) -> list[int]:
    return [int(found["id"]) for found in response.get_json()["data"]]


def get(client: ApiClient, query: dict[str, Any]) -> Any:
    response = client.get(f"{USERS}?{urlencode(query)}")
    assert response.status_code == 200, response.text
    return response


def walk(client: ApiClient, url: str | None, link: str) -> Iterator[Any]:
    """The page at a URL and those that follow by the link."""
    while url is not None:
        response = client.get(url)
        assert response.status_code == 200, response.text
        yield response
        url = response.get_json()["links"][link]


def in_order(users: list[User], sort: str) -> list[int]:
    """The ids of the users in the order of the sort parameter."""
    fields = [*(sort.split(",") if sort else []), "id"]
    for field in reversed(fields[: fields.index("id") + 1 if "id" in fields else None]):
        name = field.removeprefix("-")
        users = sorted(users, key=attrgetter(name), reverse=field[0] == "-")
    return [user.id for user in users]


SORTS = st.lists(
    st.tuples(st.sampled_from(["", "-"]), st.sampled_from(ATTRIBUTES)).map("".join),
    max_size=4,
).map(",".join)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sort=SORTS, size=st.integers(17, 200))
def test_the_links_to_the_end_and_back_cover_every_user_once_in_order(
    client: ApiClient, people: list[User], sort: str, size: int
) -> None:
    query = urlencode({**({"sort": sort} if sort else {}), "page[size]": size})
    expected = in_order(people, sort)
    there = list(walk(client, f"{USERS}?{query}", "next"))
    assert [i for page in there for i in ids(page)] == expected
    assert all(len(ids(page)) == size for page in there[:-1])
    back = list(walk(client, there[-1].json["links"]["prev"], "prev"))[::-1]
    assert [i for page in back for i in ids(page)] == expected[: -len(ids(there[-1]))]


@pytest.mark.parametrize("sort", [f"{sign}{name}" for name in ATTRIBUTES for sign in ("", "-")])
def test_each_item_has_its_cursor(client: ApiClient, people: list[User], sort: str) -> None:
    expected = in_order(people, sort)
    page = get(client, {"sort": sort, "page[size]": 1000}).json["data"]
    assert [int(item["id"]) for item in page] == expected
    place = len(expected) // 2
    cursor = page[place]["meta"]["page"]["cursor"]
    after = get(client, {"sort": sort, "page[after]": cursor, "page[size]": 3})
    before = get(client, {"sort": sort, "page[before]": cursor, "page[size]": 3})
    assert ids(after) == expected[place + 1 : place + 4]
    assert ids(before) == expected[place - 3 : place]
    last = page[-1]["meta"]["page"]["cursor"]
    between = {"page[after]": cursor, "page[before]": last}
    assert ids(get(client, {"sort": sort, **between})) == expected[place + 1 : -1]


def test_a_page_has_25_items_by_default(client: ApiClient, people: list[User]) -> None:
    all_ids = in_order(people, "")
    assert ids(client.get(USERS)) == all_ids[:25]
    assert ids(get(client, {"page[size]": 1})) == all_ids[:1]
    assert ids(get(client, {"page[size]": 1000})) == all_ids
    assert ids(get(client, {"page[size]": "007"})) == all_ids[:7]
    assert ids(get(client, {"page[number]": 2})) == all_ids[25:50]


def test_a_page_with_one_cursor_has_25_items_by_default(
    client: ApiClient, people: list[User]
) -> None:
    all_ids = in_order(people, "")
    page = get(client, {"page[size]": 1000}).json["data"]
    cursors = [item["meta"]["page"]["cursor"] for item in page]
    assert ids(get(client, {"page[after]": cursors[9]})) == all_ids[10:35]
    assert ids(get(client, {"page[before]": cursors[99]})) == all_ids[74:99]


@pytest.mark.parametrize("size", ["0", "-1", "", "x", "1.0", " 1", "1 ", "+1", "٣", "1e2", "0x1"])
@pytest.mark.parametrize("parameter", ["page[size]", "page[number]"])
def test_a_page_size_must_be_a_positive_integer(
    client: ApiClient, parameter: str, size: str
) -> None:
    response = client.get(f"{USERS}?{urlencode({parameter: size})}")
    assert response.status_code == 400
    (error,) = response.json["errors"]
    assert error["source"] == {"parameter": parameter}


@pytest.mark.parametrize("size", ["1001", "9" * 30, "0" * 30 + "1001", "9" * 5000])
def test_a_page_size_above_the_maximum_gets_the_error_of_the_profile(
    client: ApiClient, size: str
) -> None:
    response = client.get(f"{USERS}?page[size]={size}")
    assert response.status_code == 400
    (error,) = response.json["errors"]
    assert error["source"] == {"parameter": "page[size]"}
    assert error["meta"] == {"page": {"maxSize": 1000}}
    assert error["links"]["type"] == f"{PROFILE}/max-size-exceeded"


def test_links_at_the_ends_are_null(client: ApiClient, people: list[User]) -> None:
    only = get(client, {"page[size]": 1000}).json["links"]
    assert (only["prev"], only["next"]) == (None, None)
    exactly = get(client, {"page[size]": len(people)}).json["links"]
    assert (exactly["prev"], exactly["next"]) == (None, None)
    first = get(client, {"page[size]": 5}).json["links"]
    assert first["prev"] is None
    assert first["next"] is not None
    second = client.get(first["next"]).json["links"]
    assert client.get(second["prev"]).json["links"]["prev"] is None


def test_an_empty_collection_has_an_empty_page(client: ApiClient) -> None:
    for query in ("", "?filter[name]=nobody", "?sort=-name&page[size]=5"):
        document = client.get(f"{USERS}{query}").json
        assert document["data"] == []
        assert (document["links"]["prev"], document["links"]["next"]) == (None, None)
        assert client.get(document["links"]["first"]).json["data"] == []
    numbered = client.get(f"{USERS}?page[number]=1").json
    assert numbered["data"] == []
    assert numbered["meta"] == {"page": {"total": 0}}
    assert (numbered["links"]["prev"], numbered["links"]["next"]) == (None, None)


@pytest.mark.parametrize("sort", ["id", "-id", "-name", "name,-id"])
def test_empty_pages_at_the_ends_link_to_the_others(
    client: ApiClient, people: list[User], sort: str
) -> None:
    all_ids = in_order(people, sort)
    page = get(client, {"sort": sort, "page[size]": 1000}).json["data"]
    first, last = (page[place]["meta"]["page"]["cursor"] for place in (0, -1))
    after = get(client, {"sort": sort, "page[after]": last, "page[size]": 3}).json
    assert (after["data"], after["links"]["next"]) == ([], None)
    assert ids(client.get(after["links"]["prev"])) == all_ids[-3:]
    before = get(client, {"sort": sort, "page[before]": first, "page[size]": 3}).json
    assert (before["data"], before["links"]["prev"]) == ([], None)
    assert ids(client.get(before["links"]["next"])) == all_ids[:3]


def test_page_links_keep_the_other_parameters(client: ApiClient, people: list[User]) -> None:
    query = {
        "filter[name][in]": "Zoe,Ann",
        "sort": "-name",
        "fields[users]": "email",
        "page[size]": "2",
        "filter[role][ne]": "x-1",
        "include": "",
    }
    first = get(client, query).json
    second = client.get(first["links"]["next"]).json
    for document in (first, second):
        assert dict(_query(document["links"]["first"])) == query
        for link in ("prev", "next"):
            if url := document["links"][link]:
                remaining = dict(_query(url))
                assert (
                    len(
                        [
                            remaining.pop(p)
                            for p in ("page[after]", "page[before]")
                            if p in remaining
                        ]
                    )
                    == 1
                )
                assert remaining == query
        assert document["data"][0]["attributes"].keys() == {"email"}
    numbered = get(client, {**query, "page[number]": "2"}).json["links"]
    for link, number in (("first", "1"), ("prev", "1"), ("next", "3")):
        assert dict(_query(numbered[link])) == {**query, "page[number]": number}


def test_page_links_keep_repeated_filters_and_escaped_values(
    client: ApiClient, people: list[User]
) -> None:
    names = [name for name in NAMES if fold(name) != "zoe"]
    query = "&".join(f"filter[name][]={quote(name)}" for name in names)
    expected = [u.id for u in people if u.name in names]
    pages = walk(client, f"{USERS}?{query}&page[size]=40", "next")
    assert [i for page in pages for i in ids(page)] == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("filter%5Brole%5D=user&sort=-id", "filter%5Brole%5D=user&sort=-id"),
        ("filter%5Brole%5D=user,admin&sort=-id", "filter%5Brole%5D=user,admin&sort=-id"),
        ("&&sort=-id&&page%5Bafter%5D={}&filter%5Brole%5D=user&", "sort=-id&filter%5Brole%5D=user"),
        ("filter[role]=user&sort=-id&page[after]={}", "filter%5Brole%5D=user&sort=-id"),
        ("sort=-id&filter%5Bname%5D%5Bne%5D=a+b%zz", "sort=-id&filter%5Bname%5D%5Bne%5D=a+b%25zz"),
    ],
)
def test_page_links_keep_valid_encoding_and_encode_the_rest(
    client: ApiClient, people: list[User], sent: str, expected: str
) -> None:
    whole = "filter%5Brole%5D=user&sort=-id&page%5Bsize%5D=1"
    cursor = client.get(f"{USERS}?{whole}").json["data"][0]["meta"]["page"]["cursor"]
    links = client.get(f"{USERS}?{sent.format(cursor)}").json["links"]
    assert links["first"] == f"{USERS}?{expected}"


def _query(url: str) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(url).query, keep_blank_values=True)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "page[size]=2",
        "page%5Bsize%5D=2",
        "sort=-name&filter[name]=Ann%2C%20B",
        "filter%5Bname%5D=Zo%C3%AB&fields[users]=",
        "filter[name]=a+b",
        "page[size]=2&",
    ],
)
def test_the_self_link_of_a_page_is_its_url(
    client: ApiClient, people: list[User], query: str
) -> None:
    url = f"{USERS}?{query}" if query else USERS
    response = client.get(url)
    assert response.json["links"]["self"] == url
    assert client.get(response.json["links"]["self"]).data == response.data


def test_the_self_link_escapes_invalid_bytes_of_the_query_only(
    client: ApiClient, people: list[User]
) -> None:
    response = client.get(f"{USERS}?filter[name]=Zo\u00eb,a:b&page[size]=2")
    assert response.json["links"]["self"] == f"{USERS}?filter[name]=Zo%C3%AB,a:b&page[size]=2"


# -- ranges ------------------------------------------------------------------------------------


@pytest.fixture
def cursors(client: ApiClient, people: list[User]) -> list[str]:
    """The cursors of all users, by id."""
    page = client.get(f"{USERS}?page[size]=1000").json["data"]
    return [item["meta"]["page"]["cursor"] for item in page]


def test_a_range_has_all_items_between_its_cursors(
    client: ApiClient, people: list[User], cursors: list[str]
) -> None:
    all_ids = in_order(people, "")
    between = get(client, {"page[after]": cursors[3], "page[before]": cursors[150]})
    assert ids(between) == all_ids[4:150]
    assert "meta" not in between.json
    exactly = {"page[after]": cursors[3], "page[before]": cursors[9], "page[size]": 5}
    assert ids(get(client, exactly)) == all_ids[4:9]
    assert "meta" not in get(client, exactly).json


def test_a_range_that_is_too_long_is_marked_as_truncated(
    client: ApiClient, people: list[User], cursors: list[str]
) -> None:
    all_ids = in_order(people, "")
    query = {"page[after]": cursors[3], "page[before]": cursors[9], "page[size]": 2}
    response = get(client, query)
    assert ids(response) == all_ids[4:6]
    assert response.json["meta"] == {"page": {"rangeTruncated": True}}
    assert ids(client.get(response.json["links"]["next"])) == all_ids[6:8]
    assert ids(client.get(response.json["links"]["prev"])) == all_ids[2:4]


def test_a_page_with_one_cursor_is_not_marked_as_truncated(
    client: ApiClient, people: list[User], cursors: list[str]
) -> None:
    for cursor in ("page[after]", "page[before]"):
        response = get(client, {cursor: cursors[50], "page[size]": 2})
        assert "meta" not in response.json


@pytest.mark.parametrize(("after", "before"), [(3, 4), (3, 3), (9, 3)])
def test_a_range_without_items_is_empty(
    client: ApiClient, cursors: list[str], after: int, before: int
) -> None:
    response = get(client, {"page[after]": cursors[after], "page[before]": cursors[before]})
    assert response.json["data"] == []
    assert "meta" not in response.json


# -- cursors -----------------------------------------------------------------------------------


def _assert_invalid_cursors(client: ApiClient, query: dict[str, str]) -> None:
    response = client.get(f"{USERS}?{urlencode(query)}")
    assert response.status_code == 400
    errors = {e["source"]["parameter"]: e["code"] for e in response.json["errors"]}
    assert errors == {p: "invalid_cursor" for p in query if p in ("page[after]", "page[before]")}


@pytest.mark.parametrize("parameter", ["page[after]", "page[before]"])
def test_a_cursor_damaged_anywhere_is_rejected(
    client: ApiClient, cursors: list[str], parameter: str
) -> None:
    cursor = cursors[0]
    for place, right in enumerate(cursor):
        for wrong in ("A", "B", "_", "=", "é", "", " ", right.swapcase()):
            damaged = cursor[:place] + wrong + cursor[place + 1 :]
            if damaged != cursor:
                _assert_invalid_cursors(client, {parameter: damaged})
    for damaged in ("", "=", cursor + "=", cursor + "==", cursor + "A", cursor * 2, "\u0663", "💥"):
        _assert_invalid_cursors(client, {parameter: damaged})


def test_two_damaged_cursors_are_both_reported(client: ApiClient) -> None:
    _assert_invalid_cursors(client, {"page[after]": "x", "page[before]": "y"})


@pytest.mark.parametrize(
    "other",
    [
        {"sort": "name"},
        {"sort": "-id"},
        {"filter[name]": "Ann"},
        {"filter[id][gt]": "1"},
        {"filter[is_active]": "true"},
    ],
)
def test_a_cursor_of_another_list_is_rejected(
    client: ApiClient, cursors: list[str], other: dict[str, str]
) -> None:
    _assert_invalid_cursors(client, {**other, "page[after]": cursors[0]})
    theirs = get(client, other).json["data"][0]["meta"]["page"]["cursor"]
    _assert_invalid_cursors(client, {"page[after]": theirs})


@pytest.mark.parametrize(
    ("mine", "other"),
    [("Zoe", "Zoë"), ("Zoe", "Ann"), ("Zoe,Ann", "Zoe"), ("Zoe,Ann", "Zoe,zoe")],
)
def test_a_cursor_of_a_filter_by_another_value_is_rejected(
    client: ApiClient, people: list[User], mine: str, other: str
) -> None:
    cursor = get(client, {"filter[name]": mine}).json["data"][0]["meta"]["page"]["cursor"]
    _assert_invalid_cursors(client, {"filter[name]": other, "page[after]": cursor})
    get(client, {"filter[name]": mine, "page[after]": cursor})


def test_a_cursor_does_not_depend_on_the_fields_and_the_size(
    client: ApiClient, cursors: list[str]
) -> None:
    for other in ({"fields[users]": ""}, {"sort": "id"}, {"page[size]": "1"}, {"include": ""}):
        get(client, {**other, "page[after]": cursors[0]})


def test_the_cursor_of_a_deleted_or_changed_user_keeps_its_place(
    client: ApiClient, create: Create
) -> None:
    for letter in "abcde":
        create(name=letter)
    cursor = client.get(f"{USERS}?sort=name").json["data"][2]["meta"]["page"]["cursor"]

    def around() -> tuple[list[int], list[int]]:
        after = get(client, {"sort": "name", "page[after]": cursor})
        return ids(after), ids(get(client, {"sort": "name", "page[before]": cursor}))

    assert around() == ([4, 5], [1, 2])
    document = {"data": {"type": "users", "id": "3", "attributes": {"name": "z"}}}
    client.patch(f"{USERS}/3", json=document)
    assert around() == ([4, 5, 3], [1, 2])
    client.delete(f"{USERS}/3")
    assert around() == ([4, 5], [1, 2])


# -- numbers -----------------------------------------------------------------------------------


def test_numbered_pages_have_the_total_and_all_links(client: ApiClient, people: list[User]) -> None:
    all_ids = in_order(people, "-name")
    pages = -(-len(all_ids) // 20)
    for number in range(1, pages + 1):
        response = get(client, {"sort": "-name", "page[number]": number, "page[size]": 20})
        assert ids(response) == all_ids[(number - 1) * 20 : number * 20]
        assert response.json["meta"] == {"page": {"total": len(all_ids)}}
        links = response.json["links"]
        numbers = {
            name: int(dict(_query(links[name]))["page[number]"]) if links[name] else None
            for name in ("first", "prev", "next", "last")
        }
        assert numbers == {
            "first": 1,
            "prev": number - 1 or None,
            "next": number + 1 if number < pages else None,
            "last": pages,
        }


def test_a_number_beyond_the_end_is_an_empty_page_with_links(
    client: ApiClient, people: list[User]
) -> None:
    document = get(client, {"page[number]": 99, "page[size]": 100}).json
    assert document["data"] == []
    assert document["meta"] == {"page": {"total": len(people)}}
    assert document["links"]["next"] is None
    assert dict(_query(document["links"]["prev"]))["page[number]"] == "2"


@pytest.mark.parametrize(
    ("number", "size"), [(100_001, 1), (4001, 25), (101, 1000), (14286, 7), (202, 499)]
)
def test_the_largest_offset_of_a_numbered_page_is_100000(
    client: ApiClient, number: int, size: int
) -> None:
    reachable = (number - 1) * size <= 100_000
    response = client.get(f"{USERS}?page[number]={number}&page[size]={size}")
    assert response.status_code == (200 if reachable else 400)
    beyond = client.get(f"{USERS}?page[number]={number + 1}&page[size]={size}")
    assert beyond.status_code == 400
    (error,) = beyond.json["errors"]
    assert error["source"] == {"parameter": "page[number]"}
    assert "page[after]" in error["detail"]


@pytest.mark.parametrize("cursor", ["page[after]", "page[before]"])
def test_numbers_and_cursors_cannot_be_combined(
    client: ApiClient, cursors: list[str], cursor: str
) -> None:
    response = client.get(f"{USERS}?{urlencode({'page[number]': 1, cursor: cursors[0]})}")
    assert response.status_code == 400
    assert response.json["errors"][0]["source"] == {"parameter": "page[number]"}


@pytest.mark.parametrize("cursor", ["page[after]", "page[before]"])
def test_a_number_with_a_damaged_cursor_is_also_reported(client: ApiClient, cursor: str) -> None:
    response = client.get(f"{USERS}?{urlencode({'page[number]': 1, cursor: 'damaged'})}")
    assert response.status_code == 400
    sources = {error["source"]["parameter"] for error in response.json["errors"]}
    assert sources == {"page[number]", cursor}


def test_each_item_of_a_numbered_page_has_its_cursor(client: ApiClient, people: list[User]) -> None:
    item = get(client, {"page[number]": 2, "page[size]": 10}).json["data"][-1]
    following = get(client, {"page[after]": item["meta"]["page"]["cursor"], "page[size]": 3})
    assert ids(following) == in_order(people, "")[20:23]
