"""Everything that the format derives from a declaration, and the texts of values."""

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from io import BytesIO
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow_jsonapi import Schema
from marshmallow_jsonapi.fields import Relationship

from adapters.api.openapi.parameters import list_parameters
from adapters.api.openapi.schemas import schemas
from adapters.files.formats import FORMATS
from adapters.files.writing import write_csv, write_jsonl
from adapters.jsonapi.catalog import Catalog
from adapters.jsonapi.cursors import Cursors
from adapters.jsonapi.documents import DocumentWriter
from adapters.jsonapi.errors import RequestError
from adapters.jsonapi.kinds import (
    Boolean,
    Id,
    Text,
    read_timestamp,
    write_timestamp,
    write_timestamps,
)
from adapters.jsonapi.parameters import FieldSelection, collection, single
from adapters.jsonapi.resource import Resource
from adapters.resources.groups import GROUPS
from application.groups import GROUP_TYPE, MEMBERSHIPS, OWNER
from application.relationships import Association, Relationships
from application.search import Condition, Op, Order, Page
from application.users import USER_TYPE
from domain.attributes import AttributeRules
from domain.errors import Invalid
from entrypoints.cli import tables

OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(
    lambda minutes: timezone(timedelta(minutes=minutes))
)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def _any(_: object) -> None:
    """Accepts every value."""


@given(st.datetimes(timezones=st.just(UTC)), OFFSETS)
def test_a_timestamp_is_the_same_in_every_offset(time: datetime, offset: timezone) -> None:
    time = time.replace(microsecond=time.microsecond // 1000 * 1000)
    assert read_timestamp(write_timestamp(time)) == time
    try:
        elsewhere = time.astimezone(offset)
    except OverflowError:
        return
    assert read_timestamp(elsewhere.isoformat(timespec="milliseconds")) == time


def test_writes_timestamps_in_milliseconds_of_utc() -> None:
    time = datetime(2026, 11, 22, 9, 30, 0, 123000, tzinfo=UTC)
    assert write_timestamp(time) == "2026-11-22T09:30:00.123Z"
    assert write_timestamp(time.replace(microsecond=0)) == "2026-11-22T09:30:00.000Z"


@given(st.lists(st.datetimes(timezones=st.just(UTC)), min_size=1))
def test_writes_a_list_of_timestamps_like_single_ones(times: list[datetime]) -> None:
    texts = [time.isoformat("T", "milliseconds")[:-6] + "Z" for time in times]
    assert write_timestamps(times) == list(map(write_timestamp, times)) == texts


def test_compares_timestamps_with_more_than_six_decimals() -> None:
    exact = read_timestamp("2026-11-22T09:30:00.123Z")
    finer = read_timestamp("2026-11-22T09:30:00.12300000001Z")
    assert exact is not None
    assert finer is not None
    assert exact < finer < exact + timedelta(milliseconds=1)
    assert read_timestamp("2026-11-22T09:30:00.123000000000Z") == exact


@given(st.text(max_size=30) | st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?"))
def test_any_text_is_a_timestamp_or_none(text: str) -> None:
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
def test_rejects_a_timestamp_that_is_not_in_rfc_3339(text: str) -> None:
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
def test_an_id_has_only_one_form(text: str, key: int | None) -> None:
    assert Id().parse(text) == key


def test_a_declaration_defines_the_valid_queries(books: Resource, cursors: Cursors) -> None:
    query = (
        "filter[title]=A%2CB&filter[shelf][contains]=X&filter[lent]=true&filter[id][gt]=3"
        "&sort=-bought,title&fields[books]=title&include=&page[size]=7"
    )
    parsed = collection(query, books, cursors)
    assert parsed.selection == FieldSelection({"books": frozenset({"title"})}, is_compound=True)
    assert parsed.search.ordering == (Order("bought", True), Order("title"), Order("id"))
    assert set(parsed.search.conditions) == {
        Condition("title", Op.IN, ("a", "b"), folded=True),
        Condition("shelf", Op.CONTAINS, ("x",), folded=True),
        Condition("lent", Op.EQ, (True,)),
        Condition("id", Op.GT, (3,)),
    }


@pytest.mark.parametrize("query", ["fields[users]=title", "filter[email]=a", "sort=name"])
def test_rejects_queries_for_attributes_of_another_resource(
    books: Resource, cursors: Cursors, query: str
) -> None:
    with pytest.raises(RequestError):
        collection(query, books, cursors)
    with pytest.raises(RequestError):
        single(query, books)


def test_a_document_has_the_declared_attributes(
    books: Resource, cursors: Cursors, book: Any
) -> None:
    writer = DocumentWriter(books, "/lib/books", described_by="/lib/openapi.json")
    bought = datetime(2026, 1, 1, tzinfo=UTC)
    one = book(id=7, title="Emma", shelf="é", lent=True, bought=bought)
    written = {
        "type": "books",
        "id": "7",
        "attributes": {
            "title": "Emma",
            "isbn": "a-1",
            "shelf": "é",
            "subtitle": None,
            "summary": None,
            "lent": True,
            "pages": None,
            "sold": 0,
            "price": None,
            "published": None,
            "due": None,
            "contact": None,
            "website": "https://example.org/",
            "edition": None,
            "state": "new",
            "extra": None,
            "bought": "2026-01-01T00:00:00.000Z",
        },
        "links": {"self": "/lib/books/7"},
    }
    assert orjson.loads(writer.single(one)) == {
        "jsonapi": {"version": "1.1"},
        "links": {"self": "/lib/books/7", "describedby": "/lib/openapi.json"},
        "data": written,
    }
    parsed = collection("", books, cursors)
    listed = orjson.loads(writer.collection(Page((one,), more=False), parsed))
    cursor = listed["data"][0].pop("meta")["page"]["cursor"]
    assert parsed.cursors.read(cursor) == (7,)
    assert listed["data"] == [written]


def test_a_document_has_values_of_every_kind(
    books: Resource, cursors: Cursors, full_book: Any
) -> None:
    writer = DocumentWriter(books, "/lib/books", described_by="/lib/openapi.json")
    shown = orjson.loads(writer.single(full_book))["data"]["attributes"]
    assert shown == {
        "title": "Emma",
        "isbn": "a-1",
        "shelf": "é",
        "subtitle": "A novel",
        "summary": "A tale\nof Highbury.",
        "lent": True,
        "pages": 474,
        "sold": 9007199254740993,
        "price": "12.50",
        "published": "1815-12-23",
        "due": "2026-02-01T09:30:00.120Z",
        "contact": "jane@example.org",
        "website": "https://example.org/",
        "edition": "123e4567-e89b-12d3-a456-426614174000",
        "state": "used",
        "extra": {"binding": ["cloth", 1]},
        "bought": "2026-01-01T00:00:00.000Z",
    }
    parsed = collection("", books, cursors)
    (listed,) = orjson.loads(writer.collection(Page((full_book,), more=False), parsed))["data"]
    assert listed["attributes"] == shown
    values, read_only = books.load(shown, partial=False)
    assert values | read_only == {name: getattr(full_book, name) for name in shown}


# -- Values in requests --------------------------------------------------------------------------


def violations(books: Resource, sent: dict[str, Any], *, partial: bool) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        books.load(sent, partial=partial)
    return [(each.attribute, each.problem.code) for each in caught.value.violations]


def test_settable_and_read_only_attributes_are_loaded_separately(books: Resource) -> None:
    sent = {"title": "Emma", "pin": "abc", "bought": "2026-01-01T02:00:00+02:00", "price": "1.5"}
    values, read_only = books.load(sent, partial=False)
    assert values == {"title": "Emma", "pin": "abc", "price": Decimal("1.5")}
    assert read_only == {"bought": datetime(2026, 1, 1, tzinfo=UTC)}


def test_leaves_a_read_only_attribute_of_another_kind_to_the_domain(books: Resource) -> None:
    values: tuple[object, ...] = (None, 1, "yesterday", False)
    for value in values:
        assert books.load({"bought": value}, partial=True) == ({}, {"bought": value})


def test_a_change_has_no_required_attributes(books: Resource) -> None:
    assert books.load({}, partial=True) == ({}, {})
    assert violations(books, {}, partial=False) == [("title", "missing")]


def test_reports_all_violations_in_order(books: Resource) -> None:
    sent = {
        "nonsense": None,
        "pin": 1,
        "extra": None,
        "price": "1e3",
        "pages": -1,
        "lent": "yes",
        "shelf": " ",
        "state": "lost",
        "id": "7",
    }
    invalid = [
        ("shelf", "blank"),
        ("lent", "wrong_type"),
        ("pages", "out_of_range"),
        ("price", "invalid_format"),
        ("state", "invalid_format"),
        ("pin", "wrong_type"),
        ("nonsense", "unknown_attribute"),
        ("id", "unknown_attribute"),
    ]
    assert violations(books, sent, partial=True) == invalid
    assert violations(books, sent, partial=False) == [("title", "missing"), *invalid]


def test_null_is_a_value_of_nullable_attributes_only(books: Resource) -> None:
    sent: dict[str, Any] = dict.fromkeys(books.declared)
    values, read_only = books.load(
        {name: None for name in sent if name in books.rules.nullable}, partial=True
    )
    assert values == dict.fromkeys(books.rules.nullable)
    assert read_only == {}
    not_nullable = [name for name in books.settable if name not in books.rules.nullable]
    assert violations(books, sent, partial=True) == [(name, "wrong_type") for name in not_nullable]


def test_lists_a_limited_number_of_unknown_attributes_and_counts_the_others(
    books: Resource,
) -> None:
    with pytest.raises(Invalid) as caught:
        books.load({f"x{number}": None for number in range(20_000)}, partial=True)
    assert len(caught.value.violations) == 1000
    assert caught.value.omitted == 19_000


@pytest.mark.parametrize(
    "rules",
    [
        AttributeRules({}),
        AttributeRules({"title": _any, "lent": _any}),
        AttributeRules({"title": _any, "lent": _any, "pin": _any}, required=("title", "lent")),
        AttributeRules({"title": _any, "lent": _any, "pin": _any}, required=("title",)),
        AttributeRules(
            {"title": _any, "lent": _any, "pin": _any},
            required=("title",),
            secret=frozenset(("pin",)),
        ),
    ],
)
def test_rejects_a_schema_that_contradicts_the_domain(rules: AttributeRules) -> None:
    class Contradicting(Schema):
        class Meta:
            type_ = "books"

        id = Id()
        title = Text(required=True)
        lent = Boolean(allow_none=True)
        pin = Text(load_only=True)

    with pytest.raises(ValueError, match="disagree about"):
        Resource.of(Contradicting, rules)


def test_a_relationship_may_lack_a_description() -> None:
    class ShelfSchema(Schema):
        class Meta:
            type_ = "shelves"

        id = Id()
        books = Relationship(many=True, type_="books")

    assert Resource.of(ShelfSchema).relationships["books"].description == ""


def test_rejects_a_relationship_that_only_the_schema_or_the_application_declares() -> None:
    message = (
        "The schema and the application disagree about relationships of groups: owner. "
        "Declare each in both."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Catalog.of([(GROUP_TYPE, GROUPS)], Relationships(MEMBERSHIPS))
    own = Resource("groups", {}, relationships={"members": GROUPS.relationships["members"]})
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Catalog.of([(GROUP_TYPE, own)], Relationships(MEMBERSHIPS, OWNER))


def test_the_columns_of_pairs_of_one_type_are_named_by_the_relationships() -> None:
    friends = Association("friends", "friend", USER_TYPE, "friends", USER_TYPE, "friend_of")
    assert [*friends.columns] == ["friend_of", "friends"]


# -- Secret attributes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query", ["filter[pin]=abc", "filter[pin][contains]=a", "sort=pin", "fields[books]=pin"]
)
def test_rejects_a_query_for_a_secret(books: Resource, cursors: Cursors, query: str) -> None:
    with pytest.raises(RequestError) as caught:
        collection(query, books, cursors)
    assert all(error.code == "unknown_attribute" for error in caught.value.errors)


def test_writes_no_secret_in_any_output(
    books: Resource, cursors: Cursors, full_book: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = DocumentWriter(books, "/lib/books", described_by="/lib/openapi.json")
    parsed = collection("", books, cursors)
    tables.show_list(books, [full_book], tables.Layout())
    written = [
        writer.single(full_book),
        writer.collection(Page((full_book,), more=False), parsed),
        *writer.stream([full_book], parsed),
        *write_csv([full_book], books),
        *write_jsonl([full_book], books),
        capsys.readouterr().out.encode(),
    ]
    assert b"pin" not in b"".join(written)


def test_openapi_has_a_secret_in_requests_only(books: Resource) -> None:
    described = schemas(books)
    assert "pin" not in str(described["Books"])
    assert "pin" not in str(list_parameters(books))
    for name in ("BooksCreation", "BooksChange"):
        attributes = described[name]["properties"]["data"]["properties"]["attributes"]
        assert attributes["properties"]["pin"] == {"type": "string", "writeOnly": True}


# -- Null ----------------------------------------------------------------------------------------


def test_openapi_lists_the_nullable_attributes(books: Resource) -> None:
    for schema in (
        schemas(books)["Books"]["properties"]["attributes"],
        schemas(books)["BooksCreation"]["properties"]["data"]["properties"]["attributes"],
    ):
        nullable = {name for name, each in schema["properties"].items() if "null" in each["type"]}
        assert nullable == books.rules.nullable


def test_a_cursor_can_contain_null(books: Resource, cursors: Cursors) -> None:
    parsed = collection("sort=pages,-due,price,published,subtitle", books, cursors)
    key = (None, None, None, None, None, 7)
    assert parsed.cursors.read(parsed.cursors.write(key)) == key


def test_cursors_can_contain_values_of_every_kind(
    books: Resource, cursors: Cursors, full_book: Any, book: Any
) -> None:
    other = book(id=8, title="Lady Susan", shelf="é", lent=False, bought=full_book.bought)
    names = [name for name in books.sortable if name != "id"]
    for sorted_by in (names[:7], names[7:]):
        parsed = collection(f"sort={','.join(sorted_by)}", books, cursors)
        keys = [parsed.cursors.key(each) for each in (full_book, other)]
        assert list(map(parsed.cursors.read, parsed.cursors.of([full_book, other]))) == keys


def test_a_filter_can_have_values_of_every_kind(
    books: Resource, cursors: Cursors, full_book: Any
) -> None:
    compared = {"pages", "sold", "price", "published", "due", "edition", "state", "lent"}
    for name in compared:
        text = books.attributes[name].field.to_text(getattr(full_book, name))
        (condition,) = collection(f"filter[{name}]={quote(text)}", books, cursors).search.conditions
        assert condition == Condition(name, Op.EQ, (getattr(full_book, name),))


@pytest.mark.parametrize("name", ["pages", "price", "published", "due", "edition", "state"])
def test_rejects_a_filter_of_another_kind(books: Resource, cursors: Cursors, name: str) -> None:
    with pytest.raises(RequestError) as caught:
        collection(f"filter[{name}]=x", books, cursors)
    assert caught.value.errors[0].parameter == f"filter[{name}]"


def test_files_contain_values_of_every_kind_and_null(
    books: Resource, full_book: Any, book: Any
) -> None:
    empty = book(id=8, title="Susan", shelf="é", lent=False, bought=full_book.bought)
    for form in ("csv", "jsonl"):
        file = b"".join(FORMATS[form].write([full_book, empty], books))
        records = list(FORMATS[form].read(BytesIO(file), books, ["title"]))
        readable = [name for name in books.settable if name in books.attributes]
        assert [record.attributes for record in records] == [
            {name: getattr(each, name) for name in readable} for each in (full_book, empty)
        ]


def test_leaves_a_cell_of_another_kind_to_the_domain(books: Resource) -> None:
    (from_csv,) = FORMATS["csv"].read(BytesIO(b"title,pages,lent,price\nEmma,x,?,1e3\n"), books, [])
    assert from_csv.attributes == {"title": "Emma", "pages": "x", "lent": "?", "price": "1e3"}
    line = b'{"title":"Emma","pages":"x","lent":null,"price":1,"due":"x"}'
    (from_json,) = FORMATS["jsonl"].read(BytesIO(line), books, [])
    assert from_json.attributes == orjson.loads(line)


@pytest.mark.parametrize(
    ("header", "cell", "value"),
    [
        ("pages", "474", 474),
        ("pages", "474.00", 474),
        ("pages", "'474", 474),
        ("pages,title", ",x", None),
        ("pages", "474.5", "474.5"),
        ("price", "12.5", Decimal("12.50")),
        ("price", "12", Decimal("12.00")),
        ("price", "12.5000", Decimal("12.50")),
        ("price", "12.505", "12.505"),
        ("price", '"12,50"', "12,50"),
        ("price;title", "12,50;x", Decimal("12.50")),
        ("price;title", "-1,5;x", Decimal("-1.50")),
        ("price;title", ";x", None),
    ],
)
def test_reads_numbers_as_spreadsheets_write_them(
    books: Resource, header: str, cell: str, value: object
) -> None:
    (record,) = FORMATS["csv"].read(BytesIO(f"{header}\n{cell}\n".encode()), books, [])
    assert record.attributes[header[:5]] == value


def test_only_a_decimal_may_have_a_decimal_comma(books: Resource) -> None:
    file = BytesIO(b"title;summary;price\nEmma, 1815;a,b;1,5\n")
    (record,) = FORMATS["csv"].read(file, books, ["title"])
    assert record.attributes == {
        "title": "Emma, 1815",
        "summary": "a,b",
        "price": Decimal("1.50"),
    }


def test_a_secret_can_be_imported(books: Resource) -> None:
    (record,) = FORMATS["csv"].read(BytesIO(b"title,pin\nEmma,abc\n"), books, ["title"])
    assert record.attributes == {"title": "Emma", "pin": "abc"}


def test_a_table_shows_values_of_every_kind_and_nothing_for_null(
    books: Resource, full_book: Any, book: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    tables.show_list(books, [full_book], tables.Layout())
    shown = capsys.readouterr().out
    for cell in (
        "true",
        "474",
        "12.50",
        "1815-12-23",
        "A tale\\nof Highbury.",
        "2026-02-01T09:30:00.120Z",
    ):
        assert cell in shown
    tables.show_list(
        books, [book(id=8, title="Susan", shelf="é", lent=False, bought=NOON)], tables.Layout()
    )
    assert "None" not in capsys.readouterr().out
