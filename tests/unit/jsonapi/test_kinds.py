"""Every kind of value in JSON, text, cursors and JSON Schema."""

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal as Number
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from marshmallow import ValidationError

from adapters.jsonapi import kinds
from adapters.jsonapi.kinds import (
    BigInteger,
    Boolean,
    Choice,
    Date,
    Decimal,
    Email,
    Id,
    Integer,
    Json,
    Kind,
    MultilineText,
    Text,
    Timestamp,
    Url,
    Uuid,
)
from application.search import Op
from domain.errors import Problem

CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
TEXTS = st.text(CHARACTERS, max_size=20)
MILLISECONDS = st.datetimes(timezones=st.just(UTC)).map(
    lambda time: time.replace(microsecond=time.microsecond // 1000 * 1000)
)
JSON = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
ANYTHING = st.none() | JSON | st.from_regex(r"-?[0-9]{1,4}([-.:TZ0-9]{0,20})", fullmatch=True)
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
AN_ID = UUID("123e4567-e89b-12d3-a456-426614174000")


@dataclass(frozen=True)
class Case:
    """A kind: its values, an example with its JSON form and text, and invalid values by code."""

    field: Kind
    nullable: Kind
    values: st.SearchStrategy[Any]
    example: tuple[Any, Any, str]
    invalid: Mapping[str, tuple[Any, ...]]


def case(
    kind: type[Kind],
    drawn: st.SearchStrategy[Any],
    example: tuple[Any, Any, str],
    invalid: Mapping[str, tuple[Any, ...]],
    **options: Any,
) -> Case:
    return Case(kind(**options), kind(allow_none=True, **options), drawn, example, invalid)


NOT_STRINGS: tuple[object, ...] = (1, 1.5, True, [], {}, ["a"])
CASES = {
    "Text": case(Text, TEXTS, ("Ann", "Ann", "Ann"), {"wrong_type": NOT_STRINGS}),
    "MultilineText": case(
        MultilineText, TEXTS, ("a\nb", "a\nb", "a\nb"), {"wrong_type": NOT_STRINGS}
    ),
    "Email": case(Email, TEXTS, ("a@b.org", "a@b.org", "a@b.org"), {"wrong_type": NOT_STRINGS}),
    "Url": case(Url, TEXTS, ("https://b.org/",) * 3, {"wrong_type": NOT_STRINGS}),
    "Choice": case(
        Choice,
        st.sampled_from(("new", "used")),
        ("used", "used", "used"),
        {"wrong_type": NOT_STRINGS, "invalid_format": ("", "New", "used ", "new,used")},
        values=("new", "used"),
    ),
    "Boolean": case(
        Boolean,
        st.booleans(),
        (True, True, "true"),
        {"wrong_type": (0, 1, "true", "yes", "", 1.0, [], {})},
    ),
    "Integer": case(
        Integer,
        st.integers(-(2**31), 2**31 - 1),
        (-474, -474, "-474"),
        {"wrong_type": (1.0, True, "1", "", [1]), "out_of_range": (2**31, -(2**31) - 1, 10**300)},
    ),
    "BigInteger": case(
        BigInteger,
        st.integers(-(2**63), 2**63 - 1),
        (2**53 + 1, 2**53 + 1, "9007199254740993"),
        {"wrong_type": (1.0, True, "1", [1]), "out_of_range": (2**63, -(2**63) - 1, 10**300)},
    ),
    "Decimal": case(
        Decimal,
        st.integers(-(10**8) + 1, 10**8 - 1).map(lambda cents: Number(cents).scaleb(-2)),
        (Number("12.5"), "12.50", "12.50"),
        {
            "wrong_type": (12, 12.5, True, []),
            "invalid_format": (
                *("", "12.", ".5", "+1", "01", "1e2", "1E2", "12.505", "12.500", "1000000.00"),
                *("NaN", "Infinity", " 1", "1\n", "1_0", "١", "0" * 10_000),
            ),
        },
        digits=8,
        scale=2,
    ),
    "Date": case(
        Date,
        st.dates(),
        (date(1815, 12, 23), "1815-12-23", "1815-12-23"),
        {
            "wrong_type": (18151223, True, []),
            "invalid_format": (
                *("", "2026-02-29", "20260228", "2026-W09-6", "0000-01-01", "2026-1-1"),
                *("2026-02-28\n", "2026-02-28T00:00:00Z", "２０２６-02-28"),
            ),
        },
    ),
    "Timestamp": case(
        Timestamp,
        MILLISECONDS,
        (NOON, "2026-11-28T12:00:00.000Z", "2026-11-28T12:00:00.000Z"),
        {
            "wrong_type": (NOON.timestamp(), 1, True, []),
            "invalid_format": ("", "2026-11-28", "2026-11-28T12:00:00", "2026-02-29T09:30:00Z"),
        },
    ),
    "Uuid": case(
        Uuid,
        st.uuids(),
        (AN_ID, str(AN_ID), str(AN_ID)),
        {
            "wrong_type": (AN_ID.int, True, []),
            "invalid_format": (
                *("", AN_ID.hex, f"{{{AN_ID}}}", AN_ID.urn, f"{AN_ID}\n", str(AN_ID)[:-1]),
            ),
        },
    ),
    "Json": case(
        Json,
        JSON,
        ({"a": [1, None]}, {"a": [1, None]}, '{"a":[1,null]}'),
        {
            "invalid_format": (2**64, {"a": 10**300}, ["\ud800"]),
            "forbidden_character": ("\0", {"a\0": 1}, ["\\\0"]),
        },
    ),
    "Id": case(
        Id,
        st.integers(1, 2**63 - 1),
        (7, "7", "7"),
        {"wrong_type": (7, True, []), "invalid_format": ("", "0", "07", "-7", str(2**63), "7\n")},
    ),
}
every = pytest.mark.parametrize("this", CASES.values(), ids=CASES.keys())
every_nullable = pytest.mark.parametrize("name", [name for name in CASES if name != "Id"])


def code_of(field: Kind, value: Any) -> str | None:
    """The code of the error for a JSON value; None if it is valid."""
    try:
        field.deserialize(value)
    except ValidationError as error:
        ((code, detail),) = error.messages_dict.items()
        assert detail.startswith("must ")
        return str(code)
    return None


def schema_of(field: Kind) -> Draft202012Validator:
    return Draft202012Validator(field.json_schema(), format_checker=FormatChecker(["date", "uuid"]))


def test_every_kind_is_tested() -> None:
    declared = {
        name
        for name, each in vars(kinds).items()
        if isinstance(each, type) and issubclass(each, Kind) and each is not Kind
    }
    assert declared == CASES.keys()


@every
def test_converts_an_example_to_and_from_every_form(this: Case) -> None:
    value, json, text = this.example
    assert this.field.to_json(value) == json
    assert this.field.deserialize(json) == value
    assert type(this.field.deserialize(json)) is type(value)
    assert this.field.to_text(value) == text
    assert this.field.from_text(text) == value


@every
@given(data=st.data())
def test_every_form_of_a_value_can_be_read_again(this: Case, data: st.DataObject) -> None:
    value = data.draw(this.values)
    field = this.field
    written = orjson.loads(orjson.dumps(field.to_json(value)))
    assert field.deserialize(written) == value
    assert field.from_text(field.to_text(value)) == value
    (in_cursor,) = field.cursor_column([value])
    assert field.from_cursor(orjson.loads(orjson.dumps(in_cursor))) == value
    assert schema_of(field).is_valid(written)


@every_nullable
@given(data=st.data())
def test_writes_a_column_like_its_single_values(name: str, data: st.DataObject) -> None:
    field = CASES[name].nullable
    values = data.draw(st.lists(st.none() | CASES[name].values, max_size=5))
    one_by_one = [None if value is None else field.to_json(value) for value in values]
    assert list(field.serialize_column(values)) == one_by_one
    assert field.json_texts(values) == list(map(orjson.dumps, one_by_one))


@pytest.mark.parametrize(
    "texts",
    [
        ['a",', ',"b', '",\n  "', "\\", '\\",\n', "\u2028\x85\x7f\x1f", ""],
        ["line\n  break", "line\r\n  break"],
        ["null"],
        [],
    ],
)
def test_writes_texts_that_look_like_json_one_by_one(texts: list[str]) -> None:
    expected = list(map(orjson.dumps, texts))
    assert Text().json_texts(texts) == MultilineText().json_texts(texts) == expected
    assert Json().json_texts(texts) == expected


@given(times=st.lists(st.datetimes(timezones=st.just(UTC)) | MILLISECONDS, max_size=5))
def test_writes_a_timestamp_with_three_decimals(times: list[datetime]) -> None:
    expected = [time.isoformat(timespec="milliseconds").replace("+00:00", "Z") for time in times]
    assert kinds.write_timestamps(times) == expected
    assert list(map(kinds.write_timestamp, times)) == expected
    assert Timestamp().json_texts(times) == list(map(orjson.dumps, expected))


@pytest.mark.parametrize(
    ("this", "code", "value"),
    [
        pytest.param(this, code, value, id=f"{name}-{code}-{str(value)[:20]!a}")
        for name, this in CASES.items()
        for code, values in this.invalid.items()
        for value in values
    ],
)
def test_rejects_every_other_value(this: Case, code: str, value: Any) -> None:
    assert code_of(this.field, value) == code
    assert code_of(this.nullable, value) == code


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("Boolean", text) for text in ("", "True", "1", "yes", "true ")),
        *(("Integer", text) for text in ("", "1.0", "+1", "01", "-0", " 1", "١", "9" * 10_000)),
        *(("Integer", text) for text in (str(2**31), str(-(2**31) - 1), "1\n")),
        *(("BigInteger", text) for text in (str(2**63), str(-(2**63) - 1))),
        *(("Json", text) for text in ("", "{", "null", "NaN", "{'a': 1}", "[" * 10_000)),
        *(("Json", text) for text in ('{"a":1,"a":2}', "\ud800", '"\\u0000"')),
        *((name, "x") for name in ("Choice", "Decimal", "Date", "Timestamp", "Uuid", "Id")),
    ],
)
def test_rejects_every_other_text(name: str, text: str) -> None:
    problem = CASES[name].field.from_text(text)
    assert isinstance(problem, Problem)
    assert problem.detail.startswith("must ")


@every
@given(data=st.data())
def test_any_text_is_read_or_rejected(this: Case, data: st.DataObject) -> None:
    value = this.field.from_text(data.draw(st.text(max_size=30) | ANYTHING.map(str)))
    if not isinstance(value, Problem):
        assert this.field.from_text(this.field.to_text(value)) == value


@every
@given(data=st.data())
def test_the_json_schema_describes_the_accepted_values(this: Case, data: st.DataObject) -> None:
    for field in (this.field, this.nullable):
        value = data.draw(ANYTHING | this.values.map(field.to_json))
        accepted = code_of(field, value) is None
        described = schema_of(field).is_valid(value)
        if accepted:
            assert described
        # JSON Schema accepts 1.0 as an integer, and cannot describe dates or the size of integers.
        elif not isinstance(value, float) and not isinstance(field, (Date, Timestamp, Json)):
            assert not described


@every_nullable
def test_null_is_a_value_of_nullable_fields_only(name: str) -> None:
    this = CASES[name]
    assert code_of(this.field, None) == "wrong_type"
    assert not schema_of(this.field).is_valid(None)
    nullable = this.nullable
    assert nullable.deserialize(None) is None
    assert schema_of(nullable).is_valid(None)
    assert list(nullable.serialize_column([None])) == [None]
    assert nullable.to_text(None) == nullable.to_display(None) == ""
    if this.field.sortable:
        assert list(nullable.cursor_column([None])) == [None]
        assert nullable.from_cursor(None) is None
        with pytest.raises(ValidationError):
            this.field.from_cursor(None)


@pytest.mark.parametrize("name", [name for name in CASES if name not in ("Json", "MultilineText")])
@given(data=st.data())
def test_reads_only_values_of_the_kind_from_a_forged_cursor(name: str, data: st.DataObject) -> None:
    field = CASES[name].field
    forged = data.draw(ANYTHING | st.just("a\0"))
    try:
        value = field.from_cursor(forged)
    except ValidationError:
        return
    expected = type(CASES[name].example[0])
    assert type(value) is expected
    assert not (isinstance(value, str) and "\0" in value)


@pytest.mark.parametrize(
    ("name", "ops"),
    [
        ("Text", set(Op)),
        ("Email", set(Op)),
        ("Url", set(Op)),
        ("MultilineText", {Op.CONTAINS, Op.STARTS_WITH}),
        ("Integer", kinds.EQUALITY | kinds.ORDERING),
        ("BigInteger", kinds.EQUALITY | kinds.ORDERING),
        ("Decimal", kinds.EQUALITY | kinds.ORDERING),
        ("Date", kinds.EQUALITY | kinds.ORDERING),
        ("Timestamp", kinds.EQUALITY | kinds.ORDERING),
        ("Id", kinds.EQUALITY | kinds.ORDERING),
        ("Boolean", kinds.EQUALITY),
        ("Uuid", kinds.EQUALITY),
        ("Choice", kinds.EQUALITY),
        ("Json", set()),
    ],
)
def test_a_kind_defines_its_comparisons(name: str, ops: set[Op]) -> None:
    field = CASES[name].field
    assert {op for op in Op if field.allows(op)} == ops


@every
def test_the_schema_of_a_filter_accepts_its_text(this: Case) -> None:
    text = this.example[2]
    for op in Op:
        if this.field.allows(op):
            schema = Draft202012Validator(this.field.parameter_schema(op))
            assert schema.is_valid(text)


def test_zero_has_one_form() -> None:
    price = Decimal()
    assert price.to_json(price.deserialize("-0.00")) == "0.00"
    assert price.to_json(price.deserialize("0")) == "0.00"


def test_a_decimal_can_have_no_fraction_or_nothing_else() -> None:
    assert code_of(Decimal(digits=3, scale=0), "999") is None
    assert code_of(Decimal(digits=3, scale=0), "1.0") == "invalid_format"
    assert code_of(Decimal(digits=3, scale=3), "0.999") is None
    assert code_of(Decimal(digits=3, scale=3), "1.0") == "invalid_format"


def test_a_settable_timestamp_has_milliseconds_and_any_offset() -> None:
    sent = "2026-11-28T14:00:00.1239+02:00"
    assert Timestamp().deserialize(sent) == NOON + timedelta(milliseconds=123)
    elsewhere = NOON.astimezone(timezone(timedelta(hours=-3))).isoformat()
    assert Timestamp().deserialize(elsewhere) == NOON


def test_a_finer_read_only_timestamp_is_not_the_stored_one() -> None:
    stored = Timestamp(dump_only=True)
    assert stored.deserialize("2026-11-28T12:00:00.0000001Z") != NOON


def test_a_uuid_is_read_in_upper_case() -> None:
    assert Uuid().to_json(Uuid().deserialize(str(AN_ID).upper())) == str(AN_ID)


def test_the_pattern_of_a_choice_escapes_what_json_schema_lets_it_escape() -> None:
    values = [f"a{each}b" for each in string.printable]
    pattern = Choice(values=values).listed_pattern()
    assert pattern is not None
    assert set(re.findall(r"\\(.)", pattern)) == set(r"\^$.|?*+()[]{}/")
    matched = re.compile(kinds.anchored(pattern))
    assert [each for each in values if not matched.search(each)] == []
    assert not matched.search("ab")


@pytest.mark.parametrize("pattern", [r"[a-z]+", r"a|b"])
def test_a_pattern_describes_the_whole_value(pattern: str) -> None:
    field = Text(pattern=pattern)
    assert schema_of(field).is_valid("a")
    assert not schema_of(field).is_valid("a1")
    assert not schema_of(field).is_valid("1b")
