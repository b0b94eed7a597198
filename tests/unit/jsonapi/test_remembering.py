"""Queries that are asked again and again are read once."""

from functools import partial

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


@pytest.fixture
def read(books: Resource, cursors: Cursors) -> list[str]:
    """The queries that were read, by `question`."""
    return []


@pytest.fixture
def question(books: Resource, cursors: Cursors, read: list[str]) -> partial[CollectionQuery]:
    def reading(query: str) -> CollectionQuery:
        read.append(query)
        return collection(query, books, cursors)

    return partial(cached(reading))


def test_a_query_asked_again_is_not_read_again(
    question: partial[CollectionQuery], read: list[str]
) -> None:
    first, second = question("page[size]=2"), question("page[size]=3")
    assert (first.search.place, second.search.place) == (Slice(2), Slice(3))
    assert question("page[size]=2") is first
    assert read == ["page[size]=2", "page[size]=3"]


def test_what_was_refused_once_is_refused_again(question: partial[CollectionQuery]) -> None:
    for _ in range(2):
        with pytest.raises(RequestError):
            question("page[size]=0")


def test_only_so_much_is_kept(question: partial[CollectionQuery], read: list[str]) -> None:
    long = f"filter[title]={'a' * MAX_CACHED_LENGTH}"
    assert question(long).search == question(long).search
    assert read == [long, long]
    for size in range(MAX_CACHED + 1):
        question(f"filter[title]={size}")
    question("filter[title]=0")
    assert read.count("filter[title]=0") == 2
