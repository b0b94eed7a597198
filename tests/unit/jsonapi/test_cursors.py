"""Cursors are opaque and valid for one list. Damaged and invented ones are detected."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.jsonapi.cursors import MAX_CURSOR_LENGTH, Cursors, ListCursors
from adapters.jsonapi.parameters import collection
from adapters.jsonapi.resource import Resource
from adapters.resources.accounts import SESSIONS
from adapters.resources.events import EVENTS
from adapters.resources.users import USERS
from application.keys import Keys
from application.ports import Unavailable
from application.search import Condition, Op, Order, total_order

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
MILLISECONDS = st.datetimes(timezones=st.just(UTC)).map(
    lambda time: time.replace(microsecond=time.microsecond // 1000 * 1000)
)
KEYS = st.integers(-(2**63) + 1, 2**63 - 1)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def cursors_of(cursors: Cursors, books: Resource, *names: str, **conditions: str) -> ListCursors:
    """The cursors of the list with this order and these conditions of equality."""
    orders = tuple(Order(name.removeprefix("-"), name.startswith("-")) for name in names)
    equal = tuple(Condition(name, Op.EQ, (value,)) for name, value in conditions.items())
    return cursors.of(books, equal, total_order(orders))


def with_secret(secret: bytes) -> Cursors:
    return Cursors(Keys(lambda: secret))


def decoded(cursor: str) -> bytes:
    return urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))


def encoded(sealed: bytes) -> str:
    return urlsafe_b64encode(sealed).decode().rstrip("=")


def forged(listed: ListCursors, values: Any) -> str:
    """A cursor with any values, from a client that knows the secret."""
    (sealed,) = listed._seal.close([orjson.dumps(values)])
    return encoded(sealed)


@given(shelf=TEXT, lent=st.booleans(), bought=MILLISECONDS, key=KEYS)
def test_reads_the_position_that_was_written(
    cursors: Cursors, books: Resource, shelf: str, lent: bool, bought: datetime, key: int
) -> None:
    listed = cursors_of(cursors, books, "shelf", "-lent", "bought")
    position = (shelf, lent, bought, key)
    cursor = listed.write(position)
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert listed.read(cursor) == position


@given(st.text(max_size=40))
def test_returns_none_for_text_that_is_not_a_cursor(
    cursors: Cursors, books: Resource, text: str
) -> None:
    assert cursors_of(cursors, books).read(text) is None


def test_rejects_cursors_of_another_secret(books: Resource) -> None:
    own, other = cursors_of(with_secret(b"own"), books), cursors_of(with_secret(b"other"), books)
    assert other.read(own.write((1,))) is None
    assert cursors_of(with_secret(b"own"), books).read(own.write((1,))) == (1,)


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
def test_a_cursor_is_valid_for_one_list(
    cursors: Cursors, books: Resource, names: tuple[str, ...], conditions: dict[str, str]
) -> None:
    plain = cursors_of(cursors, books)
    other = cursors_of(cursors, books, *names, **conditions)
    assert other.read(plain.write((1,))) is None


def test_the_order_of_conditions_does_not_matter(cursors: Cursors, books: Resource) -> None:
    one, other = (
        cursors_of(cursors, books, **dict(pairs))
        for pairs in ([("shelf", "a"), ("title", "b")], [("title", "b"), ("shelf", "a")])
    )
    assert other.read(one.write((1,))) == (1,)


@pytest.mark.parametrize("attribute", ["shelf", "title"])
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
def test_rejects_other_values_even_with_the_right_secret(
    cursors: Cursors, books: Resource, attribute: str, values: Any
) -> None:
    listed = cursors_of(cursors, books, attribute)
    assert listed.read(forged(listed, values)) is None
    assert listed.read(forged(listed, ["a", 1])) == ("a", 1)


@pytest.mark.parametrize("values", [["2026-11-22", 1], [NOON.timestamp(), 1], ["x", 1]])
def test_rejects_a_value_that_is_not_a_timestamp(
    cursors: Cursors, books: Resource, values: Any
) -> None:
    listed = cursors_of(cursors, books, "bought")
    assert listed.read(forged(listed, values)) is None


# -- Lists that are sorted by a personal attribute -----------------------------------------------


@given(title=TEXT, shelf=TEXT, key=KEYS)
def test_hides_personal_values_in_a_cursor(
    cursors: Cursors, books: Resource, title: str, shelf: str, key: int
) -> None:
    listed = cursors_of(cursors, books, "shelf", "-title")
    position = (shelf, title, key)
    cursor = listed.write(position)
    assert listed.read(cursor) == position
    assert len(title) < 3 or title.encode() not in decoded(cursor)


def test_the_same_list_has_the_same_cursors(books: Resource) -> None:
    items = [("a", number) for number in range(100)]
    one, other = (cursors_of(with_secret(b"secret"), books, "title") for _ in range(2))
    assert [one.write(key) for key in items] == [other.write(key) for key in items]
    assert len({one.write(key) for key in items}) == len(items)


def test_cursors_do_not_reveal_equal_values(cursors: Cursors, books: Resource) -> None:
    listed = cursors_of(cursors, books, "title")
    first, second = (decoded(listed.write(("Ann", key))) for key in (1, 2))
    shared = max(length for length in range(len(first)) if first[:length] in second)
    assert shared < 6


def test_cursors_reveal_the_length_of_a_value_only_roughly(
    cursors: Cursors, books: Resource
) -> None:
    listed = cursors_of(cursors, books, "title")
    lengths = {len(listed.write(("a" * length, 1))) for length in range(1, 250)}
    assert len(lengths) <= 9


@pytest.mark.parametrize("title", ["A", "Ann", "a" * 250])
def test_detects_every_change_of_a_bit(cursors: Cursors, books: Resource, title: str) -> None:
    listed = cursors_of(cursors, books, "title")
    sealed = decoded(listed.write((title, 7)))
    for bit in range(8 * len(sealed)):
        changed = (int.from_bytes(sealed, "big") ^ 1 << bit).to_bytes(len(sealed), "big")
        assert listed.read(encoded(changed)) is None
    for shorter in range(len(sealed)):
        assert listed.read(encoded(sealed[:shorter])) is None
    assert listed.read(encoded(sealed + bytes(1))) is None


@pytest.mark.parametrize(
    ("names", "conditions"),
    [(("-title",), {}), (("title", "shelf"), {}), (("title",), {"shelf": "a"}), ((), {})],
)
def test_an_encrypted_cursor_is_valid_for_one_list(
    cursors: Cursors, books: Resource, names: tuple[str, ...], conditions: dict[str, str]
) -> None:
    own, other = (
        cursors_of(cursors, books, "title"),
        cursors_of(cursors, books, *names, **conditions),
    )
    assert other.read(own.write(("Ann", 1))) is None
    assert cursors_of(with_secret(b"other"), books, "title").read(own.write(("Ann", 1))) is None


@pytest.mark.parametrize("value", [7, None, "", "\0", "x" * 22 + "\0", "é"])
def test_rejects_a_value_that_is_not_an_id_of_a_session(cursors: Cursors, value: object) -> None:
    listed = collection("", SESSIONS, cursors).cursors
    assert listed.read(forged(listed, [value])) is None
    assert listed.read(forged(listed, ["x" * 22])) == ("x" * 22,)


ENDS_OF_IDS = st.text("-09AZ_az", max_size=3).map(lambda end: "s" * 16 + end)


@given(key=ENDS_OF_IDS, other=ENDS_OF_IDS, descending=st.booleans(), beyond=st.booleans())
def test_no_session_is_between_adjacent_keys(
    cursors: Cursors, key: str, other: str, descending: bool, beyond: bool
) -> None:
    listed = cursors_of(cursors, SESSIONS, "-id" if descending else "id")
    (adjacent,) = listed.adjacent_key((key,), beyond=beyond)
    assert isinstance(adjacent, str)
    assert (adjacent > key) is (beyond is not descending)
    assert not min(key, adjacent) < other < max(key, adjacent)
    assert listed.read(listed.write((adjacent,))) == (adjacent,)


CURSORS_OF_AN_EARLIER_RELEASE = [
    (USERS, "", (7,), "ctukYC83Miy6Wzdd"),
    (
        USERS,
        "sort=-role,creation_time&filter[email]=ann@example.org",
        ("admin", datetime(2026, 11, 22, 9, 30, 0, 123000, tzinfo=UTC), 7),
        "4fz0Muum6879WyJhZG1pbiIsIjIwMjYtMTEtMjJUMDk6MzA6MDAuMTIzWiIsN10",
    ),
    (USERS, "sort=is_active", (True, 7), "SkUcNiESS3BdW3RydWUsN10"),
    (
        EVENTS,
        "sort=-time",
        (datetime(2026, 11, 22, 9, 30, 0, 123000, tzinfo=UTC), 7),
        "AzBGaZBe5XSHWyIyMDI2LTExLTIyVDA5OjMwOjAwLjEyM1oiLDdd",
    ),
]


@pytest.mark.parametrize(("resource", "query", "key", "cursor"), CURSORS_OF_AN_EARLIER_RELEASE)
def test_cursors_without_personal_values_stay_valid(
    resource: Resource, query: str, key: Any, cursor: str
) -> None:
    listed = collection(query, resource, with_secret(b"hush hush")).cursors
    assert listed.write(key) == cursor
    assert listed.read(cursor) == key


def test_the_longest_cursor_of_users_fits(cursors: Cursors) -> None:
    listed = collection(
        "sort=email,name,role,is_active,creation_time,update_time", USERS, cursors
    ).cursors
    position = (
        "\U0001f600" * 250,
        '"' + "\U0001f600" * 249,
        "r" * 50,
        False,
        NOON,
        NOON,
        -(2**63) + 1,
    )
    cursor = listed.write(position)
    assert listed.read(cursor) == position
    assert len(cursor) <= MAX_CURSOR_LENGTH


@pytest.mark.parametrize("attribute", ["shelf", "title"])
def test_rejects_a_cursor_that_is_too_long(
    cursors: Cursors, books: Resource, attribute: str
) -> None:
    listed = cursors_of(cursors, books, attribute)
    cursor = listed.write(("a" * MAX_CURSOR_LENGTH, 1))
    assert listed.read(cursor) is None


def test_threads_can_share_the_cursors_of_a_list(books: Resource) -> None:
    listed = cursors_of(with_secret(b"secret"), books, "title")
    keys = [(f"title {number}", number) for number in range(500)]
    with ThreadPoolExecutor(8) as threads:
        cursors = list(threads.map(listed.write, keys))
        assert list(threads.map(listed.read, cursors)) == keys


@pytest.mark.parametrize("attribute", ["shelf", "title"])
def test_reads_the_key_again_after_a_failure(books: Resource, attribute: str) -> None:
    reads: list[Callable[[], bytes]] = [lambda: b"secret", fail]
    listed = cursors_of(Cursors(Keys(lambda: reads.pop()())), books, attribute)
    with pytest.raises(Unavailable):
        listed.write(("a", 1))
    assert listed.read(listed.write(("a", 1))) == ("a", 1)
    assert reads == []


def fail() -> bytes:
    raise Unavailable
