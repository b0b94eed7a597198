"""Parsed queries are cached."""

from collections.abc import Callable

import pytest

from adapters.jsonapi.cursors import Cursors
from adapters.jsonapi.errors import RequestError
from adapters.jsonapi.parameters import (
    MAX_CACHED,
    MAX_CACHED_LENGTH,
    CollectionQuery,
    cached,
    collection,
)
from adapters.jsonapi.resource import Resource
from application.search import Slice

Parse = Callable[[str], CollectionQuery]


@pytest.fixture
def parsed() -> list[str]:
    """The queries that `parse` did not find in the cache."""
    return []


@pytest.fixture
def parse(books: Resource, cursors: Cursors, parsed: list[str]) -> Parse:
    """Parses a query, or returns the cached result."""

    def parse_query(query: str) -> CollectionQuery:
        parsed.append(query)
        return collection(query, books, cursors)

    return cached(parse_query)


def test_parses_a_repeated_query_once(parse: Parse, parsed: list[str]) -> None:
    first, second = parse("page[size]=2"), parse("page[size]=3")
    assert (first.search.place, second.search.place) == (Slice(2), Slice(3))
    assert parse("page[size]=2") is first
    assert parsed == ["page[size]=2", "page[size]=3"]


def test_rejects_an_invalid_query_each_time(parse: Parse) -> None:
    for _ in range(2):
        with pytest.raises(RequestError):
            parse("page[size]=0")


def test_caches_a_limited_number_of_short_queries(parse: Parse, parsed: list[str]) -> None:
    long = f"filter[title]={'a' * MAX_CACHED_LENGTH}"
    assert parse(long).search == parse(long).search
    assert parsed == [long, long]
    for size in range(MAX_CACHED + 1):
        parse(f"filter[title]={size}")
    parse("filter[title]=0")
    assert parsed.count("filter[title]=0") == 2
