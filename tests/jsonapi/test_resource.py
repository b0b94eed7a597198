"""What the format reads off a declaration, and how values look in texts."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.jsonapi.cursors import Cursors
from adapters.jsonapi.documents import DocumentWriter
from adapters.jsonapi.errors import RequestError
from adapters.jsonapi.parameters import FieldSelection, collection, single
from adapters.jsonapi.resource import (
    Resource,
    read_key,
    read_timestamp,
    write_timestamp,
    write_timestamps,
)
from application.search import Condition, Op, Order, Page

OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(
    lambda minutes: timezone(timedelta(minutes=minutes))
)


@given(st.datetimes(timezones=st.just(UTC)), OFFSETS)
def test_a_moment_is_the_same_in_every_offset(moment: datetime, offset: timezone) -> None:
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert read_timestamp(write_timestamp(moment)) == moment
    try:
        elsewhere = moment.astimezone(offset)
    except OverflowError:
        return
    assert read_timestamp(elsewhere.isoformat(timespec="milliseconds")) == moment


def test_moments_are_written_in_milliseconds_of_utc() -> None:
    moment = datetime(2026, 11, 22, 9, 30, 0, 123000, tzinfo=UTC)
    assert write_timestamp(moment) == "2026-11-22T09:30:00.123Z"
    assert write_timestamp(moment.replace(microsecond=0)) == "2026-11-22T09:30:00.000Z"


@given(st.lists(st.datetimes(timezones=st.just(UTC)), min_size=1))
def test_moments_are_written_together_as_one_by_one(moments: list[datetime]) -> None:
    texts = [moment.isoformat("T", "milliseconds")[:-6] + "Z" for moment in moments]
    assert write_timestamps(moments) == list(map(write_timestamp, moments)) == texts


def test_what_is_finer_than_a_microsecond_still_compares() -> None:
    exact = read_timestamp("2026-11-22T09:30:00.123Z")
    finer = read_timestamp("2026-11-22T09:30:00.12300000001Z")
    assert exact is not None
    assert finer is not None
    assert exact < finer < exact + timedelta(milliseconds=1)
    assert read_timestamp("2026-11-22T09:30:00.123000000000Z") == exact


@given(st.text(max_size=30) | st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?"))
def test_any_text_is_a_moment_or_none(text: str) -> None:
    found = read_timestamp(text)
    assert found is None or found.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T09:30:00.٣Z",
        "２０２６-11-22T09:30:00Z",
        "2026-11-22T09:30:00Z\n",
        "2026-11-22T09:30Z",
        "2026-11-22T09:30:00+0200",
        "2026-11-22T09:30:00+02",
        "20261122T093000Z",
        "2026-W47-7T09:30:00Z",
        "2026-02-29T09:30:00Z",
        "0000-01-01T00:00:00Z",
    ],
)
def test_a_moment_is_written_as_rfc_3339_has_it(text: str) -> None:
    assert read_timestamp(text) is None


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("1", 1),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", None),
        ("0", None),
        ("01", None),
        ("-1", None),
        ("+1", None),
        ("1\n", None),
        ("١", None),
        ("", None),
        ("9" * 10_000, None),
    ],
)
def test_keys_are_written_in_one_way(text: str, key: int | None) -> None:
    assert read_key(text) == key


def test_a_declaration_says_what_can_be_asked(books: Resource, cursors: Cursors) -> None:
    query = (
        "filter[title]=A%2CB&filter[shelf][contains]=X&filter[lent]=true&filter[id][gt]=3"
        "&sort=-bought,title&fields[books]=title&include=&page[size]=7"
    )
    question = collection(query, books, cursors)
    assert question.shown == FieldSelection(frozenset({"title"}), included=True)
    assert question.search.ordering == (Order("bought", True), Order("title"), Order("id"))
    assert set(question.search.conditions) == {
        Condition("title", Op.IN, ("a", "b"), folded=True),
        Condition("shelf", Op.CONTAINS, ("x",), folded=True),
        Condition("lent", Op.EQ, (True,)),
        Condition("id", Op.GT, (3,)),
    }


@pytest.mark.parametrize("query", ["fields[users]=title", "filter[email]=a", "sort=name"])
def test_nothing_of_another_resource_can_be_asked(
    books: Resource, cursors: Cursors, query: str
) -> None:
    with pytest.raises(RequestError):
        collection(query, books, cursors)
    with pytest.raises(RequestError):
        single(query, books)


def test_its_documents_have_its_attributes(books: Resource, cursors: Cursors, book: Any) -> None:
    writer = DocumentWriter(books, "/lib/books", described_by="/lib/openapi.json")
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    one = book(id=7, title="Emma", shelf="é", lent=True, bought=moment)
    written = {
        "type": "books",
        "id": "7",
        "attributes": {
            "title": "Emma",
            "shelf": "é",
            "lent": True,
            "bought": "2026-01-01T00:00:00.000Z",
        },
        "links": {"self": "/lib/books/7"},
    }
    assert orjson.loads(writer.single(one)) == {
        "jsonapi": {"version": "1.1"},
        "links": {"self": "/lib/books/7", "describedby": "/lib/openapi.json"},
        "data": written,
    }
    question = collection("", books, cursors)
    listed = orjson.loads(writer.collection(Page((one,), more=False), question))
    cursor = listed["data"][0].pop("meta")["page"]["cursor"]
    assert question.cursors.read(cursor) == (7,)
    assert listed["data"] == [written]


def test_what_was_sent_is_parted_into_what_is_set_and_what_is_claimed(books: Resource) -> None:
    sent = {"title": 1, "bought": "2026-01-01T02:00:00+02:00", "nonsense": None}
    to_set, claimed = books.split_attributes(sent)
    assert to_set == {"title": 1, "nonsense": None}
    assert claimed == {"bought": datetime(2026, 1, 1, tzinfo=UTC)}
