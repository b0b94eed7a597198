"""Column types that behave the same on every database.

SQLAlchemy's Boolean, Integer, BigInteger and Date already do.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_FLOOR, Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    DateTime,
    Dialect,
    Integer,
    Numeric,
    String,
    Text,
    TypeDecorator,
    cast,
    func,
    literal_column,
)
from sqlalchemy import Uuid as NativeUuid
from sqlalchemy.dialects.mysql import DATETIME, MEDIUMTEXT
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

_MYSQL = ("mysql", "mariadb")
_BY_CODE_POINT = "utf8mb4_nopad_bin"
_MAX_DIGITS = 18
_UUID_LENGTH = 36

BigIntId = BigInteger().with_variant(Integer(), "sqlite")
"""A generated 64-bit id. SQLite generates ids only in columns of the type INTEGER."""


def text(length: int | None = None) -> String:
    """The type of text that is compared and sorted by Unicode code point.

    `length` is the maximum number of characters. Without it, only MariaDB limits the length, to
    65,535 bytes.
    """
    text_type = Text if length is None else String
    return (
        text_type(length)
        .with_variant(text_type(length, collation="C"), "postgresql")
        .with_variant(text_type(length, collation="BINARY"), "sqlite")
        .with_variant(text_type(length, collation=_BY_CODE_POINT), *_MYSQL)
    )


PREFIX_LENGTH: Final = 100
"""The number of characters that are indexed of a text without a maximum length.

SQLite indexes the whole text.
"""


class IndexedPrefix(ColumnElement[str]):
    """The part of a text without a maximum length that is indexed.

    On PostgreSQL this is the first PREFIX_LENGTH characters, because a B-tree entry takes at most a
    third of a page. SQLite has no such limit. MariaDB takes the length from the index
    (`mariadb_length`). This is not a function, because SQLAlchemy would create an index on an
    expression, which MariaDB does not support.
    """

    type = text()
    inherit_cache = False

    def __init__(self, text: ColumnElement[str]) -> None:
        self.text = text

    def get_children(self, **_: object) -> Iterator[ColumnElement[str]]:
        """The text, for SQLAlchemy's traversal of expressions."""
        yield self.text


@compiles(IndexedPrefix)
def _whole_text(element: IndexedPrefix, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.text, **options)


@compiles(IndexedPrefix, "postgresql")
def _first_characters(element: IndexedPrefix, compiler: SQLCompiler, **options: Any) -> str:
    first = func.left(element.text, literal_column(str(PREFIX_LENGTH)))
    return compiler.process(first, **options)


class NullsLowest(ColumnElement[Any]):
    """A nullable column in the order of lists, which sort null before every value.

    Use it in the indexes of a nullable attribute:

    - `Index("ix_books_shelf_id", NullsLowest(shelf), id)` if both columns are sorted in the same
      direction;
    - `Index("ix_books_shelf_desc_id", NullsLowest(shelf, descending=True), id)` if the column
      descends and ties ascend.

    SQLite and MariaDB sort null first by default. PostgreSQL sorts it last by default, and an index
    in that order cannot be used for the other.
    """

    inherit_cache = False

    def __init__(self, column: ColumnElement[Any], *, descending: bool = False) -> None:
        self.column = column
        self.type = column.type
        self.descending = descending

    def get_children(self, **_: object) -> Iterator[ColumnElement[Any]]:
        """The column, for SQLAlchemy's traversal of expressions."""
        yield self.column


@compiles(NullsLowest)
def _column_in_order(element: NullsLowest, compiler: SQLCompiler, **options: Any) -> str:
    column = compiler.process(element.column, **options)
    return f"{column} DESC" if element.descending else column


@compiles(NullsLowest, "postgresql")
def _nulls_lowest(element: NullsLowest, compiler: SQLCompiler, **options: Any) -> str:
    column = compiler.process(element.column, **options)
    return f"{column} DESC NULLS LAST" if element.descending else f"{column} NULLS FIRST"


Convert = Callable[[Any], Any]


class Timestamp(TypeDecorator[datetime]):
    """A point in time with milliseconds. Values are aware datetimes in UTC.

    SQLite and MariaDB have no type with a time zone, so they store the time in UTC.
    """

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[datetime]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(TIMESTAMP(timezone=True, precision=3))
        if dialect.name in _MYSQL:
            return dialect.type_descriptor(DATETIME(fsp=3))
        return dialect.type_descriptor(DateTime())

    def bind_processor(self, dialect: Dialect) -> Convert | None:
        """Returns no conversion for PostgreSQL, whose driver accepts aware datetimes."""
        return None if dialect.name == "postgresql" else super().bind_processor(dialect)

    def process_bind_param(self, value: datetime | None, _: Dialect) -> datetime | None:
        return value and value.astimezone(UTC).replace(tzinfo=None)

    def result_processor(self, dialect: Dialect, coltype: object) -> Convert | None:
        """Returns no conversion for PostgreSQL, whose driver returns UTC (`_parse_timestamp`)."""
        if dialect.name == "postgresql":
            return None
        return super().result_processor(dialect, coltype)

    def process_result_value(self, value: datetime | None, _: Dialect) -> datetime | None:
        return value and value.replace(tzinfo=UTC)


class FixedDecimal(TypeDecorator[Decimal]):
    """Decimals with at most `digits` digits, `scale` of them after the point, compared by value.

    SQLite has no exact decimals, so it stores the value times 10 to the power of `scale` as an
    integer. A value with more digits or decimal places is rejected with ValueError, not rounded.
    """

    impl = Numeric
    cache_ok = True

    def __init__(self, digits: int, scale: int) -> None:
        """Raises ValueError if `digits` is over 18, which is the limit of a 64-bit integer."""
        if not 0 <= scale <= digits <= _MAX_DIGITS:
            raise ValueError(f"a column can't hold decimals of {digits} digits, scale {scale}")
        super().__init__(digits, scale)
        self.digits = digits
        self.scale = scale
        self._unit = Decimal(1).scaleb(-scale)
        self.maximum = Decimal(10**digits - 1).scaleb(-scale)
        self.minimum = -self.maximum

    def can_hold(self, value: Any) -> bool:
        """Returns True if the column can store the number without rounding."""
        return bool(self.floor(value) == value)

    def floor(self, value: Any) -> Decimal:
        """The greatest storable value that is not above the number, or the minimum."""
        bounded = max(self.minimum, min(value, self.maximum))
        return Decimal(bounded).quantize(self._unit, ROUND_FLOOR)

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(BigInteger())
        return dialect.type_descriptor(Numeric(self.digits, self.scale))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        stored = self.floor(value)
        if stored != value:
            raise ValueError(f"the column can't hold {value}")
        return int(stored.scaleb(self.scale)) if dialect.name == "sqlite" else stored

    def result_processor(self, dialect: Dialect, coltype: object) -> Convert | None:
        """Returns a conversion for SQLite only. The other drivers return decimals."""
        return super().result_processor(dialect, coltype) if dialect.name == "sqlite" else None

    def process_result_value(self, value: int | None, _: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value).scaleb(-self.scale)


class Uuid(TypeDecorator[UUID]):
    """A UUID, sorted by its hexadecimal digits.

    PostgreSQL's UUID type sorts this way. MariaDB's compares the last group first, so MariaDB and
    SQLite store the UUID as text in lower case.
    """

    impl = NativeUuid
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(NativeUuid())
        return text(_UUID_LENGTH)

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> Any:
        return value if value is None or dialect.name == "postgresql" else str(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> UUID | None:
        return value if value is None or dialect.name == "postgresql" else UUID(value)


class Json(TypeDecorator[Any]):
    """Any JSON value except null, stored as text.

    So no database changes numbers, names or the order of members.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name in _MYSQL:  # its TEXT has a limit of 65,535 bytes
            return dialect.type_descriptor(MEDIUMTEXT(collation=_BY_CODE_POINT))
        return text()

    def process_bind_param(self, value: Any, _: Dialect) -> str | None:
        if value is None:
            return None
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)

    def process_result_value(self, value: str | None, _: Dialect) -> Any:
        return None if value is None else json.loads(value)


_RFC_3339: Final = 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'
_CSV_TEXTS: Final[Mapping[type, Callable[[ColumnElement[Any]], ColumnElement[Any]]]] = {
    bool: lambda column: cast(column, Text()),
    date: lambda column: func.to_char(column, "YYYY-MM-DD"),
    datetime: lambda column: func.to_char(func.timezone("UTC", column), _RFC_3339),
}
"""Conversions to the text of the fields' `to_text`, by type of value.

PostgreSQL already writes all other types that way.
"""


def csv_text(column: Column[Any]) -> ColumnElement[Any]:
    """The expression that PostgreSQL selects to export the column as CSV. Null becomes "".

    See `adapters.sql.dialects.postgresql_copy.copy_out`.
    """
    python_type = datetime if isinstance(column.type, Timestamp) else column.type.python_type
    to_text = _CSV_TEXTS.get(python_type)
    cell = to_text(column) if to_text else column
    return func.coalesce(cast(cell, Text()), "") if column.nullable else cell
