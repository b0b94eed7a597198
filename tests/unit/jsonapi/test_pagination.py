"""The links of numbered pages in very long lists."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.jsonapi.cursors import Cursors
from adapters.jsonapi.errors import RequestError
from adapters.jsonapi.pagination import page_links, page_meta
from adapters.jsonapi.parameters import CollectionQuery, collection
from adapters.jsonapi.resource import Resource
from application.search import Numbered, Page

MAX_OFFSET = 100_000


def numbered(books: Resource, cursors: Cursors, number: int, size: int) -> CollectionQuery:
    return collection(f"page[number]={number}&page[size]={size}", books, cursors)


def page(book: Any, place: Numbered, total: int) -> Page[Any]:
    """A page of a list of `total` books, whose ids are their positions from 1."""
    day = datetime(2026, 1, 1, tzinfo=UTC)
    ids = range(place.offset + 1, min(place.offset + place.size, total) + 1)
    items = tuple(book(id=i, title="a", shelf="b", lent=False, bought=day) for i in ids)
    return Page(items, more=total > place.offset + place.size, total=total)


@given(number=st.integers(1, 250), size=st.integers(100, 1000), total=st.integers(0, 300_000))
@example(number=1, size=1000, total=101_000)
@example(number=1, size=1000, total=101_001)
@example(number=101, size=1000, total=300_000)
def test_links_point_only_to_pages_that_exist_and_can_be_reached(
    books: Resource, cursors: Cursors, book: Any, number: int, size: int, total: int
) -> None:
    if (number - 1) * size > MAX_OFFSET:
        with pytest.raises(RequestError):
            numbered(books, cursors, number, size)
        return
    query = numbered(books, cursors, number, size)
    place = query.search.place
    assert isinstance(place, Numbered)
    found = page(book, place, total)
    links = page_links(found, query)
    assert page_meta(found, query) == {"total": total}
    assert links["first"] == (("page[number]", "1"),)
    last_page = max(1, -(-total // size))
    reachable = (last_page - 1) * size <= MAX_OFFSET
    assert links["last"] == ((("page[number]", str(last_page)),) if reachable else None)
    for name in ("prev", "next"):
        for parameter, value in links[name] or ():
            if parameter == "page[number]":
                numbered(books, cursors, int(value), size)
                assert (int(value) - 1) * size < max(total, 1)
    assert (links["next"] is None) == (place.offset + size >= total)
    assert (links["prev"] is None) == (number == 1)


@pytest.mark.parametrize(("number", "size"), [(4001, 25), (100_001, 1), (101, 1000), (334, 300)])
def test_links_to_the_page_after_the_last_number_by_cursor(
    books: Resource, cursors: Cursors, book: Any, number: int, size: int
) -> None:
    query = numbered(books, cursors, number, size)
    assert isinstance(query.search.place, Numbered)
    found = page(book, query.search.place, 10**6)
    cursor = query.cursors.write((number * size,))
    assert page_links(found, query)["next"] == (("page[after]", cursor),)
    with pytest.raises(RequestError):
        numbered(books, cursors, number + 1, size)
    before = numbered(books, cursors, number - 1, size)
    assert isinstance(before.search.place, Numbered)
    earlier = page(book, before.search.place, 10**6)
    assert page_links(earlier, before)["next"] == (("page[number]", str(number)),)
