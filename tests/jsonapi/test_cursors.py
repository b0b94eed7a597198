"""Cursors: opaque, of one list, and told from what was damaged or made up."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.jsonapi.cursors import Cursors, ListCursors
from adapters.jsonapi.resource import Resource
from application.search import Condition, Op, Order, total_order

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
MILLISECONDS = st.datetimes(timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
KEYS = st.integers(-(2**63) + 1, 2**63 - 1)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def of(cursors: Cursors, books: Resource, *names: str, **conditions: str) -> ListCursors:
    """The cursors of the list in that order, under conditions of equality."""
    orders = tuple(Order(name.removeprefix("-"), name.startswith("-")) for name in names)
    asked = tuple(Condition(name, Op.EQ, (value,)) for name, value in conditions.items())
    return cursors.of(books, asked, total_order(orders))


@given(shelf=TEXT, lent=st.booleans(), bought=MILLISECONDS, key=KEYS)
def test_a_cursor_falls_where_it_was_made(
    cursors: Cursors, books: Resource, shelf: str, lent: bool, bought: datetime, key: int
) -> None:
    listed = of(cursors, books, "shelf", "-lent", "bought")
    place = (shelf, lent, bought, key)
    cursor = listed.write(place)
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert listed.read(cursor) == place


@given(st.text(max_size=40))
def test_what_is_no_cursor_is_none(cursors: Cursors, books: Resource, text: str) -> None:
    assert of(cursors, books).read(text) is None


def test_another_secret_makes_other_cursors(books: Resource) -> None:
    mine, theirs = of(Cursors("mine"), books), of(Cursors("theirs"), books)
    assert theirs.read(mine.write((1,))) is None
    assert of(Cursors("mine"), books).read(mine.write((1,))) == (1,)


@pytest.mark.parametrize(
    ("names", "conditions"),
    [
        (("-id",), {}),
        (("title",), {}),
        (("lent", "id"), {}),
        ((), {"shelf": "a"}),
        ((), {"title": "a"}),
    ],
)
def test_a_cursor_belongs_to_one_list(
    cursors: Cursors, books: Resource, names: tuple[str, ...], conditions: dict[str, str]
) -> None:
    plain = of(cursors, books)
    other = of(cursors, books, *names, **conditions)
    assert other.read(plain.write((1,))) is None


def test_the_order_of_conditions_does_not_matter(cursors: Cursors, books: Resource) -> None:
    one, other = (
        of(cursors, books, **dict(pairs))
        for pairs in ([("shelf", "a"), ("title", "b")], [("title", "b"), ("shelf", "a")])
    )
    assert other.read(one.write((1,))) == (1,)


@pytest.mark.parametrize(
    "values",
    [
        None,
        1,
        {},
        [],
        [1],
        ["a", 1, 2],
        [1, 1],
        [None, 1],
        [True, 1],
        ["a", "1"],
        ["a", None],
        ["a", True],
        ["a", 1.0],
        ["a", 2**63],
        ["a", -(2**63)],
        ["a\0", 1],
        [["a"], 1],
    ],
)
def test_who_knows_the_secret_can_still_not_smuggle_in_other_values(
    cursors: Cursors, books: Resource, values: Any
) -> None:
    listed = of(cursors, books, "shelf")
    payload = orjson.dumps(values)
    (forged,) = listed._texts([payload])
    assert listed.read(forged) is None
    good = orjson.dumps(["a", 1])
    (genuine,) = listed._texts([good])
    assert listed.read(genuine) == ("a", 1)


@pytest.mark.parametrize("values", [["2026-11-22", 1], [NOON.timestamp(), 1], ["x", 1]])
def test_a_moment_that_is_none_is_not_taken(cursors: Cursors, books: Resource, values: Any) -> None:
    listed = of(cursors, books, "bought")
    payload = orjson.dumps(values)
    (forged,) = listed._texts([payload])
    assert listed.read(forged) is None
