"""The kinds of values, with their forms in JSON, text, cursors and JSON Schema.

A kind is a strict marshmallow field. It checks the type and the form of a value; the domain checks
everything else. To add a kind, write one class here and one SQL column type
(`adapters/sql/columns.py`).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal as Number
from typing import Any, ClassVar, Final
from uuid import UUID

import orjson
from marshmallow import ValidationError, fields, missing

from adapters.strict_json import NotStrict, parse
from application.search import Op
from domain.attributes import MISSING, NULL, Rule
from domain.errors import Problem
from domain.text import MAX_FOLDED_INPUT, NOT_TEXT, strip_invisible

EQUALITY: Final = frozenset((Op.EQ, Op.NE, Op.IN))
ORDERING: Final = frozenset((Op.LT, Op.LE, Op.GT, Op.GE))
TEXT_SEARCH: Final = frozenset((Op.CONTAINS, Op.STARTS_WITH))

WHITE_SPACE: Final = (
    r"\t-\r\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
)
"""A character class of the white space of Python. `\\s` differs between regular expressions."""

MAX_KEY: Final = 2**63 - 1
_NO_NUL: Final = r"[^\u0000]*"


def _up_to(largest: int) -> str:
    """Returns a pattern of the integers from 1 to `largest`, without leading zeros."""
    digits = str(largest)
    smaller = [
        f"{digits[:at]}[{0 if at else 1}-{int(digit) - 1}][0-9]{{{len(digits) - at - 1}}}"
        for at, digit in enumerate(digits)
        if int(digit) > (0 if at else 1)
    ]
    return "|".join([f"[1-9][0-9]{{0,{len(digits) - 2}}}", *smaller, digits])


KEY: Final = _up_to(MAX_KEY)
"""The pattern of an integer id, which databases can store, without leading zeros."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key that equality compares instead of the attribute itself.

    `attribute` is the attribute of the entity that contains the key. `of` computes the key of a
    value.
    """

    attribute: str
    of: Callable[[str], str]


def anchored(pattern: str) -> str:
    """Returns the pattern with anchors, because JSON Schema also matches parts of a value."""
    return f"^(?:{pattern})$"


def escaped(text: str) -> str:
    """Returns a pattern of exactly this text, for Python and for JSON Schema.

    JSON Schema rejects escapes of other characters, unlike those of `re.escape`.
    """
    return _SYNTAX_CHARACTER.sub(r"\\\g<0>", text)


_SYNTAX_CHARACTER: Final = re.compile(r"[\\^$.|?*+()\[\]{}/]")


class Kind(fields.Field[Any]):
    """A field of one kind.

    - `filterable`: lists can be sorted and filtered by the field, if the kind allows it.
    - `rule`: in filters, equality accepts only values that follow the rule. The default is the
      domain's rule.
    - `list_pattern`: the pattern of a value in a list that is separated by commas.
    - `allow_none`: null is a valid value.
    - Other arguments are keywords of JSON Schema.
    """

    wrong_type: ClassVar[str]
    """The detail of the error for a value of another JSON type."""
    schema: ClassVar[Mapping[str, Any]]
    """The JSON Schema of the kind."""
    operators: ClassVar[frozenset[Op]] = EQUALITY | ORDERING
    sortable: ClassVar[bool] = True
    json_is_value: ClassVar[bool] = False
    """True if a value and its JSON form are the same object."""
    cursor_is_value: ClassVar[bool] = False
    """True if a value and its form in cursors are the same object."""
    cell_is_value: ClassVar[bool] = False
    """True if a value and its cell in a file are the same object."""

    text_pattern: str | None = None
    """The pattern of a value in parameters."""
    folded: bool = False
    key: Key | None = None
    text_search: bool = False
    searched: bool = False
    """True if `filter[q]` searches the attribute."""

    def __init__(
        self,
        *,
        required: bool = False,
        allow_none: bool = False,
        load_only: bool = False,
        dump_only: bool = False,
        filterable: bool = True,
        rule: Rule | None = None,
        list_pattern: str | None = None,
        **keywords: Any,
    ) -> None:
        wrong_type = _message(Problem("wrong_type", self.wrong_type))
        super().__init__(
            required=required,
            allow_none=allow_none,
            load_only=load_only,
            dump_only=dump_only,
            metadata=keywords,
            error_messages={
                "required": _message(MISSING),
                "null": _message(NULL),
                "type": wrong_type,
            },
        )
        self.filterable = filterable
        self.rule = rule
        self.list_pattern = list_pattern
        self._is_scalar = _has_scalars_only(self.schema)

    def allows(self, op: Op) -> bool:
        """Returns True if filters can use the operator."""
        return self.text_search if op in TEXT_SEARCH else op in self.operators

    def deserialize(
        self,
        value: Any,
        attr: str | None = None,
        data: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        """Returns the value of its JSON form. Raises ValidationError({code: detail}).

        Skips marshmallow's validators and hooks, which kinds do not have. They would take half of
        the time.
        """
        if value is None or value is missing:
            return super().deserialize(value, attr, data, **options)
        return self._deserialize(value)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        """Returns the value of its JSON form.

        Every kind overrides this: marshmallow's own method would accept any value. Raises
        ValidationError({code: detail}) for another type or form.
        """
        raise NotImplementedError

    def from_text(self, text: str) -> Any:
        """Returns the value of a text in a parameter or an option; a Problem if it is invalid.

        The caller limits the length of the text.
        """
        try:
            return self._deserialize(text)
        except ValidationError as error:
            return problem_of(error)

    def text_to_json(self, text: str) -> Any:
        """Returns the JSON form of a text that a person entered.

        If the text is invalid, returns a value that `deserialize` rejects: usually the text itself.
        """
        value = self.from_text(text)
        return text if isinstance(value, Problem) else self.to_json(value)

    def bound_from_text(self, text: str) -> Any:
        """Does the same as `from_text` for a value to which a filter compares (lt, le, gt, ge)."""
        return self.from_text(text)

    def from_cell(self, cell: str) -> Any:
        """Returns the value of a non-empty cell of a CSV file; a Problem if it is invalid.

        Cells may have more forms of a value than parameters, because programs write different CSV.
        """
        return self.from_text(cell)

    def to_json(self, value: Any) -> Any:
        """Returns the JSON form of a value that is not None."""
        return value

    def to_text(self, value: Any) -> str:
        """Returns the text that `from_text` parses; the empty string for None."""
        return "" if value is None else str(self.to_json(value))

    def to_display(self, value: Any) -> str:
        """Returns the text for people."""
        return self.to_text(value)

    def serialize_column(self, values: Sequence[Any]) -> Sequence[Any]:
        """Returns the JSON forms of many values."""
        if self.json_is_value:
            return values
        to_json = self.to_json
        return [None if value is None else to_json(value) for value in values]

    def json_texts(self, values: Sequence[Any]) -> list[bytes]:
        """Returns the JSON texts of many values, as orjson writes their JSON forms."""
        forms = values if self.json_is_value else self.serialize_column(values)
        return scalar_texts(forms) if self._is_scalar else list(map(orjson.dumps, forms))

    def cursor_column(self, values: Sequence[Any]) -> Sequence[Any]:
        """Returns the JSON forms of many values in cursors."""
        return values if self.cursor_is_value else self.serialize_column(values)

    def from_cursor(self, value: object) -> Any:
        """Returns the value of its form in a cursor. Raises ValidationError if it is invalid."""
        return self.deserialize(value)

    def json_schema(self) -> dict[str, Any]:
        """Returns the JSON Schema of the values, including null if they can be null."""
        schema = {**self.schema, **self.metadata}
        if self.allow_none:
            if "type" in schema:
                types = schema["type"]
                schema["type"] = [*([types] if isinstance(types, str) else types), "null"]
            if "enum" in schema:
                schema["enum"] = [*schema["enum"], None]
        return schema

    def parameter_schema(self, _: Op) -> dict[str, Any]:
        """Returns the JSON Schema of a value in a filter with this operator."""
        if self.text_pattern is None:
            return dict(self.schema)
        return {"type": "string", "pattern": anchored(self.text_pattern)}

    def listed_pattern(self) -> str | None:
        """Returns the pattern of a value in a list that is separated by commas, if there is one."""
        return self.list_pattern or self.text_pattern


def _has_scalars_only(schema: Mapping[str, Any]) -> bool:
    """Returns True if the JSON Schema allows no array and no object."""
    types = schema.get("type", ("array", "object"))
    return {"array", "object"}.isdisjoint((types,) if isinstance(types, str) else types)


def scalar_texts(scalars: Sequence[str | int | bool | None]) -> list[bytes]:
    """Returns the JSON texts of many strings, numbers, booleans and nulls with one orjson call.

    Indented JSON has each element of an array on a separate line. No element contains a line break,
    because JSON escapes the line breaks of strings.
    """
    if not scalars:
        return []
    return orjson.dumps(scalars, option=orjson.OPT_INDENT_2)[4:-2].split(b",\n  ")


def problem_of(error: ValidationError) -> Problem:
    """Returns the problem in an error that a kind raised."""
    ((code, detail),) = error.messages_dict.items()
    return Problem(code, detail)


def _error(problem: Problem) -> ValidationError:
    return ValidationError(_message(problem))


def _message(problem: Problem) -> dict[str, str]:
    return {problem.code: problem.detail}


class Text(Kind):
    """A string.

    - `folded`: equality compares folded forms.
    - `key`: equality compares keys.
    - `text_search`: filters can use `contains` and `starts_with`, which compare folded forms.
    - `searched`: `filter[q]` searches the attribute. This requires `text_search`.
    - `pattern`: a regular expression that the entire value must match.
    """

    wrong_type = NOT_TEXT.detail
    schema: ClassVar[Mapping[str, Any]] = {"type": "string"}
    json_is_value = cursor_is_value = cell_is_value = True

    def __init__(
        self,
        *,
        folded: bool = False,
        key: Key | None = None,
        text_search: bool = True,
        searched: bool = False,
        pattern: str | None = None,
        **options: Any,
    ) -> None:
        if pattern is not None:
            options = {"pattern": anchored(pattern), "list_pattern": pattern, **options}
        super().__init__(**options)
        self.folded = folded
        self.key = key
        if searched and not text_search:
            raise ValueError("A searched attribute must allow text search.")
        self.text_search = text_search
        self.searched = searched
        self.text_pattern = _NO_NUL

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("type")
        return value

    def from_text(self, text: str) -> Any:
        return text

    def to_text(self, value: Any) -> str:
        return "" if value is None else value

    def from_cursor(self, value: object) -> Any:
        if isinstance(value, str) and "\0" in value:
            raise self.make_error("type")
        return self.deserialize(value)

    def parameter_schema(self, op: Op) -> dict[str, Any]:
        if op not in EQUALITY:
            return {**super().parameter_schema(op), "maxLength": MAX_FOLDED_INPUT}
        schema = {**self.schema, **self.metadata}
        if "format" not in schema:  # no format allows NUL
            schema.setdefault("pattern", anchored(_NO_NUL))
        return {name: schema[name] for name in _TEXT_KEYWORDS if name in schema}


_TEXT_KEYWORDS: Final = ("type", "pattern", "format", "minLength", "maxLength")


class MultilineText(Text):
    """A string of several lines. Filters can search it, but lists cannot be sorted by it."""

    operators = frozenset()
    sortable = False


class Email(Text):
    """An email address. The domain checks its syntax."""

    schema: ClassVar[Mapping[str, Any]] = {"type": "string", "format": "idn-email"}
    cell_is_value = False

    def from_cell(self, cell: str) -> str:
        return strip_invisible(cell)


class Url(Text):
    """A URL. The domain checks its syntax."""

    schema: ClassVar[Mapping[str, Any]] = {"type": "string", "format": "uri"}


class Choice(Kind):
    """One of several strings."""

    wrong_type = Text.wrong_type
    schema: ClassVar[Mapping[str, Any]] = {"type": "string"}
    operators = EQUALITY
    json_is_value = cursor_is_value = True

    def __init__(self, *, values: Sequence[str], **options: Any) -> None:
        super().__init__(**{"enum": list(values), **options})
        self._values = frozenset(values)
        self._unknown = Problem("invalid_format", f"must be one of {', '.join(values)}")
        self.text_pattern = "|".join(map(escaped, values))

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("type")
        if value not in self._values:
            raise _error(self._unknown)
        return value


class Boolean(Kind):
    """True or false. False sorts before true."""

    wrong_type = "must be true or false"
    schema: ClassVar[Mapping[str, Any]] = {"type": "boolean"}
    operators = EQUALITY
    json_is_value = cursor_is_value = True
    text_pattern = "true|false"

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("type")
        return value

    def from_text(self, text: str) -> Any:
        return _BOOLEANS.get(text, _INVALID_BOOLEAN)

    def from_cell(self, cell: str) -> Any:
        """Parses a boolean as spreadsheets and databases write it, ignoring case."""
        return _BOOLEAN_CELLS.get(cell.lower(), _INVALID_BOOLEAN)

    def to_text(self, value: Any) -> str:
        return "" if value is None else "true" if value else "false"


_BOOLEANS: Final = {"true": True, "false": False}
_BOOLEAN_CELLS: Final = {
    **dict.fromkeys(("true", "yes", "t", "1"), True),
    **dict.fromkeys(("false", "no", "f", "0"), False),
}
_INVALID_BOOLEAN: Final = Problem("invalid_format", Boolean.wrong_type)


class Integer(Kind):
    """A signed 32-bit integer."""

    bits: ClassVar[int] = 32
    wrong_type = "must be a whole number"
    schema: ClassVar[Mapping[str, Any]] = {
        "type": "integer",
        "minimum": -(2**31),
        "maximum": 2**31 - 1,
    }
    json_is_value = cursor_is_value = True
    text_pattern = "0|-?[1-9][0-9]{0,18}"

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.make_error("type")
        if not self.schema["minimum"] <= value <= self.schema["maximum"]:
            raise _error(Problem("out_of_range", self._range()))
        return value

    def from_text(self, text: str) -> Any:
        if not _INTEGER.fullmatch(text):
            return Problem("invalid_format", f"{self._range()} without leading zeros")
        return super().from_text(int(text))  # type: ignore[arg-type]

    def from_cell(self, cell: str) -> Any:
        """Parses an integer. Some programs write it with a decimal point and zeros."""
        integer, _, fraction = cell.partition(".")
        return self.from_text(cell if fraction.strip("0") else integer)

    def json_schema(self) -> dict[str, Any]:
        schema = super().json_schema()
        if self.dump_only:  # The bounds matter only to clients that set the value.
            del schema["minimum"], schema["maximum"]
        return schema

    def _range(self) -> str:
        return f"must be a whole number from {self.schema['minimum']} to {self.schema['maximum']}"


_INTEGER: Final = re.compile(Integer.text_pattern or "")


class BigInteger(Integer):
    """A signed 64-bit integer."""

    schema: ClassVar[Mapping[str, Any]] = {
        "type": "integer",
        "minimum": -(2**63),
        "maximum": 2**63 - 1,
    }


class Decimal(Kind):
    """A decimal number with up to `digits` digits, `scale` of them after the point.

    Its JSON form is a string.
    """

    wrong_type = 'must be a decimal number as text, such as "12.50"'
    schema: ClassVar[Mapping[str, Any]] = {"type": "string"}

    def __init__(self, *, digits: int = 12, scale: int = 2, **options: Any) -> None:
        before_point = digits - scale
        pattern = f"-?(?:0|[1-9][0-9]{{0,{before_point - 1}}})" if before_point else "-?0"
        if scale:
            pattern += rf"(?:\.[0-9]{{1,{scale}}})?"
        super().__init__(**{"pattern": anchored(pattern), **options})
        self.text_pattern = pattern
        self.digits = digits
        self.scale = scale
        self._form = re.compile(pattern)
        self._invalid = Problem(
            "invalid_format",
            "must be a decimal number without an exponent, with at most "
            f"{before_point} digits before the point and {scale} after it",
        )

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Number:
        if not isinstance(value, str):
            raise self.make_error("type")
        if not self._form.fullmatch(value):
            raise _error(self._invalid)
        return Number(value) or Number(0)  # there is no negative zero

    def from_cell(self, cell: str) -> Any:
        """Parses a decimal number. Some programs write it with additional zeros at the end."""
        integer, _, fraction = cell.partition(".")
        fraction = fraction[: self.scale] + fraction[self.scale :].rstrip("0")
        return self.from_text(f"{integer}.{fraction}" if fraction else integer)

    def to_json(self, value: Number) -> str:
        return f"{value:.{self.scale}f}"


class Date(Kind):
    """A day of the Gregorian calendar."""

    wrong_type = "must be a date, such as 2026-11-28"
    schema: ClassVar[Mapping[str, Any]] = {"type": "string", "format": "date"}
    text_pattern = "[0-9]{4}-[0-9]{2}-[0-9]{2}"

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> date:
        if not isinstance(value, str):
            raise self.make_error("type")
        try:
            if _DATE.fullmatch(value):
                return date.fromisoformat(value)
        except ValueError:
            pass
        raise _error(_INVALID_DATE)

    def to_json(self, value: date) -> str:
        return value.isoformat()


_INVALID_DATE: Final = Problem("invalid_format", Date.wrong_type)
_DATE: Final = re.compile(Date.text_pattern or "")


class Timestamp(Kind):
    """A point in time (RFC 3339). Documents contain it in UTC with milliseconds."""

    wrong_type = "must be an RFC 3339 timestamp, such as 2026-11-22T09:30:00Z"
    schema: ClassVar[Mapping[str, Any]] = {"type": "string", "format": "date-time"}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> datetime:
        if not isinstance(value, str):
            raise self.make_error("type")
        if (timestamp := read_timestamp(value)) is None:
            raise _error(_INVALID_TIMESTAMP)
        # Stored timestamps have milliseconds. A read-only value is only compared.
        return timestamp if self.dump_only else _truncate_to_milliseconds(timestamp)

    def from_text(self, text: str) -> Any:
        """Does the same as Kind.from_text. A date is the start of that day in UTC."""
        timestamp = f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text
        return read_timestamp(timestamp) or _INVALID_TIMESTAMP_OR_DATE

    def parameter_schema(self, _: Op) -> dict[str, Any]:
        return {"type": "string", "anyOf": [self.schema, Date.schema]}

    def from_cursor(self, value: object) -> Any:
        if isinstance(value, str):
            return read_timestamp(value) or self.deserialize(value)
        return self.deserialize(value)

    def to_json(self, value: datetime) -> str:
        return write_timestamp(value)

    def serialize_column(self, values: Sequence[Any]) -> Sequence[Any]:
        if not self.allow_none or None not in values:
            return write_timestamps(values)
        texts = iter(write_timestamps([value for value in values if value is not None]))
        return [None if value is None else next(texts) for value in values]

    def json_texts(self, values: Sequence[Any]) -> list[bytes]:
        if not self.allow_none or None not in values:
            return _timestamp_texts(values)
        return super().json_texts(values)


_INVALID_TIMESTAMP: Final = Problem("invalid_format", Timestamp.wrong_type)
_INVALID_TIMESTAMP_OR_DATE: Final = Problem(
    "invalid_format",
    "must be an RFC 3339 timestamp with an offset, such as 2026-11-22T09:30:00Z or "
    "2026-11-22T11:30:00+02:00, or a date (2026-11-22). A date is the start of that day in UTC",
)
_TIMESTAMP: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,32}))?([Zz]|[+-]\d\d:[0-5]\d)", re.ASCII
)


def read_timestamp(text: str) -> datetime | None:
    """Parses an RFC 3339 timestamp with any offset and precision; None if the text is invalid.

    Digits after the microseconds count as one microsecond. So a more precise timestamp never equals
    a stored one, which has milliseconds, and still compares correctly.
    """
    if not (match := _TIMESTAMP.fullmatch(text)):
        return None
    day, time, fraction, offset = match.groups(default="")
    microsecond = int(fraction[:6].ljust(6, "0")) | bool(fraction[6:].strip("0"))
    try:
        timestamp = datetime.fromisoformat(f"{day}T{time}{offset.upper()}")
        return timestamp.astimezone(UTC).replace(microsecond=microsecond)
    except (ValueError, OverflowError):
        return None


def _truncate_to_milliseconds(timestamp: datetime) -> datetime:
    return timestamp.replace(microsecond=timestamp.microsecond // 1000 * 1000)


def write_timestamp(timestamp: datetime) -> str:
    """Returns a UTC timestamp in the format of RFC 3339, with milliseconds."""
    return _with_three_decimals(orjson.dumps(timestamp))[1:-1].decode()


def write_timestamps(timestamps: Sequence[datetime]) -> list[str]:
    """Does the same as write_timestamp for many timestamps, five times as fast as isoformat."""
    if not timestamps:
        return []
    texts = orjson.dumps(timestamps).decode()[2:-2].split('","')
    return [f"{text[:23]}Z" if "." in text else f"{text[:19]}.000Z" for text in texts]


def _timestamp_texts(timestamps: Sequence[datetime]) -> list[bytes]:
    """Returns the JSON texts of many timestamps, in the format of `write_timestamp`."""
    if not timestamps:
        return []
    # orjson writes six decimals, and no decimals for a full second.
    array = orjson.dumps(timestamps, option=orjson.OPT_UTC_Z).replace(b'000Z"', b'Z"')
    texts = array[1:-1].split(b",")
    if len(array) == len(texts) * (_TEXT_LENGTH + 1) + 1:
        return texts
    return [text if len(text) == _TEXT_LENGTH else _with_three_decimals(text) for text in texts]


_TEXT_LENGTH: Final = len('"2026-11-22T09:30:00.123Z"')


def _with_three_decimals(text: bytes) -> bytes:
    """Returns the JSON text of a timestamp with exactly three decimals."""
    return text[:24] + b'Z"' if b"." in text else text[:20] + b'.000Z"'


class Uuid(Kind):
    """A UUID (RFC 9562), ignoring case. Documents contain it in lower case."""

    wrong_type = "must be a UUID, such as 123e4567-e89b-12d3-a456-426614174000"
    schema: ClassVar[Mapping[str, Any]] = {"type": "string", "format": "uuid"}
    operators = EQUALITY
    text_pattern = "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> UUID:
        if not isinstance(value, str):
            raise self.make_error("type")
        if not _UUID.fullmatch(value):
            raise _error(_INVALID_UUID)
        return UUID(value)

    def to_json(self, value: UUID) -> str:
        return str(value)


_INVALID_UUID: Final = Problem("invalid_format", Uuid.wrong_type)
_UUID: Final = re.compile(Uuid.text_pattern or "")


class _NotJson:
    """Stands for a text that is not JSON. The text itself would be a valid value."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem


class Json(Kind):
    """Any JSON value except null. Lists cannot be sorted or filtered by it."""

    wrong_type = "must be a JSON value other than null"
    schema: ClassVar[Mapping[str, Any]] = {
        "type": ["object", "array", "string", "number", "boolean"]
    }
    operators = frozenset()
    sortable = False
    json_is_value = cursor_is_value = True

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        try:
            text = orjson.dumps(value)
        except orjson.JSONEncodeError:
            is_text = isinstance(value, _NotJson)
            raise _error(value.problem if is_text else _INVALID_JSON) from None
        if _JSON_NUL.search(text):
            raise _error(_CONTAINS_NUL)
        return value

    def from_text(self, text: str) -> Any:
        try:
            value = parse(text.encode())
        except (NotStrict, UnicodeEncodeError):
            return Problem("invalid_format", "must be JSON")
        if value is None:
            return Problem("wrong_type", self.wrong_type)
        return super().from_text(value)

    def text_to_json(self, text: str) -> Any:
        value = self.from_text(text)
        return _NotJson(value) if isinstance(value, Problem) else value

    def to_text(self, value: Any) -> str:
        return "" if value is None else orjson.dumps(value).decode()


_INVALID_JSON: Final = Problem(
    "invalid_format", "must not contain integers of more than 64 bits or lone surrogates"
)
_CONTAINS_NUL: Final = Problem("forbidden_character", "must not contain NUL")
_JSON_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class Id(Kind):
    """The id of a resource: an integer whose JSON form is a string.

    For other ids, declare a subclass that overrides `pattern`, `bound_pattern`, `parse`, `format`,
    `bound_from_text`, `adjacent`, `from_cursor` and `invalid`.
    """

    wrong_type = "must be a string"
    invalid: ClassVar[Problem] = Problem(
        "invalid_format", f"must be a whole number from 1 to {MAX_KEY} without leading zeros"
    )
    """The problem of a text that no resource can have as its id."""
    pattern: ClassVar[str] = KEY
    schema: ClassVar[Mapping[str, Any]] = {"type": "string", "pattern": anchored(KEY)}
    cursor_is_value = True
    text_pattern = KEY
    bound_pattern: ClassVar[str] = Integer.text_pattern
    """The pattern of a value to which a filter compares ids (lt, le, gt, ge), such as 0."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"dump_only": True, **options})

    def parse(self, text: str) -> int | None:
        """Returns the id of a text; None if no resource can have this id."""
        return int(text) if _KEY.fullmatch(text) else None

    def format(self, value: Any) -> str:
        """Returns the text of an id."""
        return str(value)

    def bound_from_text(self, text: str) -> Any:
        return int(text) if _INTEGER.fullmatch(text) else _INVALID_BOUND

    def adjacent(self, value: Any, *, beyond: bool) -> Any:
        """Returns the value right after another, or right before it if `beyond` is false.

        No id is between the two. The result need not be an id.
        """
        return value + (1 if beyond else -1)

    def parameter_schema(self, op: Op) -> dict[str, Any]:
        if op in EQUALITY:
            return super().parameter_schema(op)
        return {"type": "string", "pattern": anchored(self.bound_pattern)}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if not isinstance(value, str):
            raise self.make_error("type")
        if (key := self.parse(value)) is None:
            raise _error(self.invalid)
        return key

    def to_json(self, value: Any) -> str:
        return self.format(value)

    def serialize_column(self, values: Sequence[Any]) -> Sequence[Any]:
        return list(map(self.format, values))

    def from_cursor(self, value: object) -> Any:
        # A cursor may be adjacent to an id, so its value may be 0 or negative.
        if not isinstance(value, int) or isinstance(value, bool) or abs(value) > MAX_KEY:
            raise self.make_error("type")
        return value


_KEY: Final = re.compile(KEY)
_INVALID_BOUND: Final = Problem(
    "invalid_format", "must be a whole number of at most 19 digits without leading zeros"
)
