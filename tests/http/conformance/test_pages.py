"""Pages of a list (#fetching-pagination) by the cursor pagination profile."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conformance.client import (
    CURSORS,
    JSONAPI,
    Client,
    Group,
    Json,
    RelatedGroup,
    ids,
    numbered,
)
from conformance.relationships import End

BY_THE_PROFILE = f'{JSONAPI};profile="{CURSORS}"'
SIGNS = ("", "-")


@pytest.fixture(scope="module", params=["collection", "relationship", "related"])
def new_group(
    request: pytest.FixtureRequest, client: Client, ends: list[End]
) -> Callable[[], Group]:
    """Creates seven resources in a list of each kind.

    They have the same value in the attribute of their group.
    """

    def create() -> Group:
        group = client.group(7)
        if request.param == "collection":
            return group
        end = next(end for end in ends if end.many and end.others is client)
        holder = end.create(*group.members)
        url = end.url(holder) if request.param == "relationship" else end.related_url(holder)
        return RelatedGroup(group, url)

    return create


@pytest.fixture(scope="module")
def group(new_group: Callable[[], Group]) -> Group:
    """Seven resources in a list of each kind, which the tests only read."""
    return new_group()


@pytest.fixture(scope="module")
def cursors(group: Group) -> list[str]:
    """The cursors of the seven resources, in their order."""
    return group.cursors()


def error(response: Any) -> Json:
    """The only error of a 400."""
    assert response.status_code == 400, response.text
    (found,) = response.json()["errors"]
    assert found["status"] == "400"
    return found


def walk(client: Client, url: str | None, link: str) -> Iterator[Json]:
    """The document at a URL and those that follow by the link."""
    while url is not None:
        response = client.get(url, Accept=BY_THE_PROFILE)
        assert response.status_code == 200, response.text
        yield response.json()
        url = response.json()["links"][link]


# -- order -------------------------------------------------------------------------------------


def test_a_sort_with_ties_has_a_unique_order(client: Client, group: Group) -> None:
    for sign in SIGNS:
        for name in (client.resource.group, *client.resource.sortable):
            sort = f"{sign}{name}"
            whole = ids(group.document(sort=sort))
            assert sorted(whole) == sorted(group.ids)
            pages = walk(client, group.url(sort=sort, page_size=2), "next")
            assert [each for page in pages for each in ids(page)] == whole


def test_a_list_without_a_sort_has_an_order(client: Client, group: Group) -> None:
    whole = ids(group.document())
    assert [ids(group.document()) for _ in range(3)] == [whole] * 3
    pages = walk(client, group.url(page_size=3), "next")
    assert [each for page in pages for each in ids(page)] == whole


def test_page_links_follow_the_order_of_the_sort(client: Client, group: Group) -> None:
    for sort in (client.resource.unique, f"-{client.resource.unique}"):
        whole = ids(group.document(sort=sort))
        there = list(walk(client, group.url(sort=sort, page_size=3), "next"))
        assert [each for page in there for each in ids(page)] == whole
        back = list(walk(client, there[-1]["links"]["prev"], "prev"))
        assert [each for page in reversed(back) for each in ids(page)] == whole[:6]
        assert ids(client.get(there[-1]["links"]["first"]).json()) == whole[:3]


def test_a_change_does_not_move_other_items_between_pages(
    client: Client, new_group: Callable[[], Group]
) -> None:
    group = new_group()
    sort = client.resource.unique
    whole = ids(group.document(sort=sort))
    by_id = {member["id"]: member for member in group.members}
    first = group.document(sort=sort, page_size=3)
    for deleted in (whole[0], whole[2]):
        client.send("DELETE", client.url(by_id[deleted]))
    second = client.get(first["links"]["next"]).json()
    assert ids(second) == whole[3:6]
    assert ids(client.get(second["links"]["prev"]).json()) == [whole[1]]


# -- page[size] --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "size", ["0", "-1", "+1", "1.0", "1e1", "0x1", " 1", "1_0", "x", "", "\u0663", "00", "null"]
)
def test_a_page_size_that_is_not_a_positive_integer_is_400(group: Group, size: str) -> None:
    assert error(group.get(page_size=size))["source"] == {"parameter": "page[size]"}


@pytest.mark.parametrize("size", ["3", "03", "0000000000000000000000000000003"])
def test_a_page_size_is_read_as_a_decimal_number(group: Group, size: str) -> None:
    assert ids(group.document(page_size=size)) == group.ids[:3]


@pytest.mark.parametrize("more", [1, 10, 10**30])
def test_a_page_size_above_the_maximum_is_400_and_the_maximum_is_reported(
    client: Client, group: Group, more: int
) -> None:
    largest = client.resource.largest_size
    found = error(group.get(page_size=largest + more))
    assert found["source"] == {"parameter": "page[size]"}
    assert found["meta"]["page"] == {"maxSize": largest}
    assert found["links"]["type"] == f"{CURSORS}/max-size-exceeded"
    assert group.get(page_size=largest).status_code == 200


def test_a_page_has_the_requested_number_of_items(group: Group, cursors: list[str]) -> None:
    for size in range(1, 9):
        assert len(group.document(page_size=size)["data"]) == min(size, 7)
        for place, cursor in enumerate(cursors):
            after = group.document(page_size=size, page_after=cursor)
            before = group.document(page_size=size, page_before=cursor)
            assert len(after["data"]) == min(size, 6 - place)
            assert len(before["data"]) == min(size, place)


def test_a_page_has_the_default_size_by_default(client: Client) -> None:
    default = client.resource.default_size
    assert 1 <= default <= client.resource.largest_size
    group = client.group(default + 1)
    document = group.document()
    assert ids(document) == group.ids[:default]
    assert ids(client.get(document["links"]["next"]).json()) == group.ids[default:]


# -- cursors -----------------------------------------------------------------------------------


def test_the_cursor_of_an_item_is_its_place(client: Client, group: Group) -> None:
    for sort in [f"{sign}{name}" for name in client.resource.sortable for sign in SIGNS]:
        whole = group.document(sort=sort)
        for place, item in enumerate(whole["data"]):
            cursor = item["meta"]["page"]["cursor"]
            after = ids(group.document(sort=sort, page_after=cursor))
            before = ids(group.document(sort=sort, page_before=cursor))
            assert (before, after) == (ids(whole)[:place], ids(whole)[place + 1 :])


def test_a_page_after_a_cursor_begins_right_after_it(group: Group, cursors: list[str]) -> None:
    for place, cursor in enumerate(cursors):
        found = ids(group.document(page_after=cursor, page_size=2))
        assert found == group.ids[place + 1 : place + 3]


def test_a_page_after_the_last_item_is_empty(group: Group, cursors: list[str]) -> None:
    assert group.document(page_after=cursors[-1])["data"] == []


def test_a_page_before_a_cursor_ends_right_before_it(group: Group, cursors: list[str]) -> None:
    for place, cursor in enumerate(cursors):
        found = ids(group.document(page_before=cursor, page_size=2))
        assert found == group.ids[max(0, place - 2) : place]


def test_a_page_before_the_first_item_is_empty(group: Group, cursors: list[str]) -> None:
    assert group.document(page_before=cursors[0])["data"] == []


def test_a_page_without_a_cursor_begins_with_the_first_item(group: Group) -> None:
    for size in (1, 3, 7):
        assert ids(group.document(page_size=size)) == group.ids[:size]


def test_the_page_of_an_empty_list_is_empty(client: Client) -> None:
    document = client.group(0).document()
    assert document["data"] == []
    assert (document["links"]["prev"], document["links"]["next"]) == (None, None)


def test_a_cursor_keeps_its_place_if_its_item_is_deleted(
    client: Client, new_group: Callable[[], Group]
) -> None:
    group = new_group()
    cursors = group.cursors()
    assert client.send("DELETE", client.url(group.members[3])).is_success
    assert ids(group.document(page_after=cursors[3])) == group.ids[4:]
    assert ids(group.document(page_before=cursors[3])) == group.ids[:3]
    around = {"page_after": cursors[2], "page_before": cursors[4]}
    assert group.document(**around)["data"] == []
    for member in group.members:
        client.send("DELETE", client.url(member))
    assert group.document(page_after=cursors[3])["data"] == []


def test_a_cursor_keeps_its_place_if_its_item_moves(
    client: Client, new_group: Callable[[], Group]
) -> None:
    group = new_group()
    name = next(n for n, v in client.resource.changes.items() if isinstance(v, str))
    whole = group.document(sort=name)
    moved = whole["data"][3]
    values = {name: numbered({name: "zzz{n}"})[name]}
    assert client.send("PATCH", client.url(moved), client.change(moved, values)).is_success
    cursor = moved["meta"]["page"]["cursor"]
    assert ids(group.document(sort=name, page_before=cursor)) == ids(whole)[:3]
    after = ids(group.document(sort=name, page_after=cursor))
    assert after == [*ids(whole)[4:], moved["id"]]


@pytest.mark.parametrize("parameter", ["after", "before"])
def test_a_damaged_cursor_is_400(group: Group, cursors: list[str], parameter: str) -> None:
    good = cursors[3]
    flipped = "A" if good[5] != "A" else "B"
    for damaged in (
        "",
        "x",
        "%",
        "\u00e9",
        good[:-1],
        good[1:],
        good + "A",
        good + "=",
        good * 2,
        f"{good[:5]}{flipped}{good[6:]}",
        good.swapcase(),
        "1",
        "null",
    ):
        found = error(group.get(**{f"page_{parameter}": damaged}))
        assert found["source"] == {"parameter": f"page[{parameter}]"}
    assert group.get(**{f"page_{parameter}": good}).status_code == 200


@pytest.mark.parametrize("parameter", ["after", "before"])
def test_a_cursor_of_another_list_is_400(
    client: Client, group: Group, cursors: list[str], parameter: str
) -> None:
    query = {f"page_{parameter}": cursors[3]}
    assert error(client.group(2).get(**query))["source"] == {"parameter": f"page[{parameter}]"}
    for sort in ("-id", client.resource.unique, f"-{client.resource.group}"):
        found = error(group.get(sort=sort, **query))
        assert found["source"] == {"parameter": f"page[{parameter}]"}


# -- ranges ------------------------------------------------------------------------------------


def test_a_range_has_all_items_between_its_cursors(group: Group, cursors: list[str]) -> None:
    for start in range(7):
        for end in range(7):
            around = {"page_after": cursors[start], "page_before": cursors[end]}
            document = group.document(**around)
            assert ids(document) == group.ids[start + 1 : end]
            assert "rangeTruncated" not in document.get("meta", {}).get("page", {})


def test_a_range_may_have_the_maximum_page_size(client: Client) -> None:
    size = client.resource.default_size + 3
    group = client.group(size)
    cursors = group.cursors()
    document = group.document(page_after=cursors[0], page_before=cursors[-1])
    assert ids(document) == group.ids[1:-1]
    assert "rangeTruncated" not in document.get("meta", {}).get("page", {})


def test_a_range_longer_than_its_page_is_marked_as_truncated(client: Client, group: Group) -> None:
    for sort in (None, client.resource.unique, f"-{client.resource.unique}"):
        sorting = {"sort": sort} if sort else {}
        items = group.document(**sorting)["data"]
        marks = [item["meta"]["page"]["cursor"] for item in items]
        for size in range(1, 7):
            around = {"page_after": marks[0], "page_before": marks[6], "page_size": size}
            document = group.document(**sorting, **around)
            without = group.document(**sorting, page_after=marks[0], page_size=size)
            truncated = document.get("meta", {}).get("page", {}).get("rangeTruncated")
            assert truncated is (True if size < 5 else None)
            if truncated:
                assert document["data"] == without["data"]
            assert ids(document) == [item["id"] for item in items[1:6]][:size]


# -- links -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pages(group: Group, cursors: list[str]) -> list[tuple[Json, int, int]]:
    """Documents of pages, each with the number of resources before and after the page."""
    found = []
    for size in range(1, 8):
        found.append((group.document(page_size=size), 0, 7 - size))
        for place, cursor in enumerate(cursors):
            after = group.document(page_size=size, page_after=cursor)
            found.append((after, place + 1, max(0, 6 - place - size)))
            before = group.document(page_size=size, page_before=cursor)
            found.append((before, max(0, place - size), 7 - place))
    return found


def test_every_page_has_links_to_the_previous_and_the_next(
    pages: list[tuple[Json, int, int]],
) -> None:
    for document, _, _ in pages:
        assert {"prev", "next"} <= document["links"].keys()


def test_every_page_has_a_link_to_the_first(
    client: Client, group: Group, pages: list[tuple[Json, int, int]]
) -> None:
    for document, _, _ in pages:
        first = client.get(document["links"]["first"]).json()
        assert ids(first)[0] == group.ids[0]
        assert first["links"]["prev"] is None


def test_the_keys_of_pagination_links_are_those_of_the_specification(
    pages: list[tuple[Json, int, int]],
) -> None:
    for document, _, _ in pages:
        found = document["links"].keys() - {"self", "related", "describedby"}
        assert found <= {"first", "last", "prev", "next"}
        assert all("links" not in item or "next" not in item["links"] for item in document["data"])


def test_page_links_change_only_page_parameters(pages: list[tuple[Json, int, int]]) -> None:
    for document, _, _ in pages:
        for name in ("first", "prev", "next"):
            if link := document["links"][name]:
                parameters = dict(pair.split("=") for pair in link.split("?")[1].split("&"))
                assert len(parameters) == link.count("=")
                added = [p for p in parameters if not p.startswith("filter")]
                assert all(p.startswith(("page%5B", "page[")) for p in added)


def test_a_page_without_page_before_has_a_next_link_only_if_a_page_follows(
    group: Group, cursors: list[str]
) -> None:
    for size in range(1, 9):
        for after in (None, *range(7)):
            query = {} if after is None else {"page_after": cursors[after]}
            document = group.document(page_size=size, **query)
            left = 7 - (0 if after is None else after + 1) - size
            assert (document["links"]["next"] is not None) is (left > 0)


def test_a_page_without_page_after_has_a_prev_link_only_if_a_page_precedes(
    group: Group, cursors: list[str]
) -> None:
    for size in range(1, 9):
        assert group.document(page_size=size)["links"]["prev"] is None
        for before in range(7):
            document = group.document(page_size=size, page_before=cursors[before])
            assert (document["links"]["prev"] is not None) is (before > size)


def test_other_page_links_are_null_or_the_urls_of_the_right_items(
    client: Client, pages: list[tuple[Json, int, int]]
) -> None:
    for document, before, after in pages:
        for name, left in (("prev", before), ("next", after)):
            if document["links"][name] is None:
                assert left == 0
            else:
                beyond = client.get(document["links"][name]).json()
                assert bool(beyond["data"]) is (left > 0), (name, document["links"])
                assert beyond["data"] or beyond["links"][name] is None


def test_empty_pages_link_to_the_others(client: Client, group: Group, cursors: list[str]) -> None:
    end = group.document(page_after=cursors[-1], page_size=2)
    assert end["links"]["next"] is None
    assert ids(client.get(end["links"]["prev"]).json()) == group.ids[-2:]
    start = group.document(page_before=cursors[0], page_size=2)
    assert start["links"]["prev"] is None
    assert ids(client.get(start["links"]["next"]).json()) == group.ids[:2]
    between = group.document(page_after=cursors[2], page_before=cursors[3], page_size=2)
    assert ids(client.get(between["links"]["next"]).json()) == group.ids[3:5]
    assert ids(client.get(between["links"]["prev"]).json()) == group.ids[1:3]


# -- meta and errors ---------------------------------------------------------------------------


def test_the_metadata_of_pages_is_an_object(
    group: Group, cursors: list[str], pages: list[tuple[Json, int, int]]
) -> None:
    documents = [document for document, _, _ in pages]
    around = {"page_after": cursors[0], "page_before": cursors[6], "page_size": 2}
    for document in (*documents, group.document(**around)):
        for owner in (document, *document["data"]):
            page = owner.get("meta", {}).get("page", {})
            assert isinstance(page, dict)
            assert isinstance(page.get("total", 0), int)
            estimate = page.get("estimatedTotal", {})
            assert isinstance(estimate, dict)
            assert isinstance(estimate.get("bestGuess", 0), int)


def test_a_sort_without_support_for_pages_is_an_unsupported_sort(group: Group) -> None:
    for sort in ("unknown", "-unknown", "unknown,id"):
        found = error(group.get(sort=sort, page_size=2))
        assert found["source"] == {"parameter": "sort"}
        assert found["links"]["type"] == f"{CURSORS}/unsupported-sort"


def test_a_page_has_the_same_items_with_and_without_the_profile(
    client: Client, group: Group, cursors: list[str]
) -> None:
    url = group.url(page_after=cursors[0], page_size=3)
    plain, profiled = client.get(url), client.get(url, Accept=BY_THE_PROFILE)
    assert profiled.headers["Content-Type"] == BY_THE_PROFILE
    assert plain.headers["Content-Type"] == JSONAPI
    link = {"href": plain.json()["links"]["self"], "type": BY_THE_PROFILE}
    assert profiled.json()["links"]["self"] == link
    assert profiled.json()["data"] == plain.json()["data"]
    assert profiled.json()["links"]["next"] == plain.json()["links"]["next"]


def test_errors_of_the_profile_name_it_if_requested(client: Client, group: Group) -> None:
    for query in ({"page_size": client.resource.largest_size + 1}, {"sort": "unknown"}):
        url = group.url(**query)
        assert client.get(url, Accept=BY_THE_PROFILE).headers["Content-Type"] == BY_THE_PROFILE
        assert client.get(url).headers["Content-Type"] == JSONAPI
    deleted = client.url(client.deleted())
    assert client.get(deleted, Accept=BY_THE_PROFILE).headers["Content-Type"] == JSONAPI
