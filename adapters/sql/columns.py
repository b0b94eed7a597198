"""Column types that mean the same on every database.

Boolean, Integer, BigInteger and Date of SQLAlchemy do so too: use them as they are.
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
"""An integer key. SQLite's own is 64 bits wide under the name INTEGER, and under no other."""


def text(length: int | None = None) -> String:
    """Text that is compared and ordered by Unicode code point; of any length without `length`."""
    kind = Text if length is None else String
    of_mysql = kind(length, collation=_BY_CODE_POINT)
    return (
        kind(length)
        .with_variant(kind(length, collation="C"), "postgresql")
        .with_variant(kind(length, collation="BINARY"), "sqlite")
        .with_variant(of_mysql, *_MYSQL)
    )


PREFIX_LENGTH: Final = 100
"""How many characters of a text of any length are indexed, where not all of it can be."""


class IndexedPrefix(ColumnElement[str]):
    """A text of any length as it is indexed: for PostgreSQL its first BEGINNING characters.

    An entry of its B-trees holds a third of a page at most. SQLite's hold any text, and MariaDB's
    are told their length by the index alone. No function, since SQLAlchemy has MariaDB index those
    as expressions, which it can't.
    """

    type = text()
    inherit_cache = False

    def __init__(self, whole: ColumnElement[str]) -> None:
        self.whole = whole

    def get_children(self, **_: object) -> Iterator[ColumnElement[str]]:
        """What it is the beginning of."""
        yield self.whole


@compiles(IndexedPrefix)
def _whole(element: IndexedPrefix, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.whole, **options)


@compiles(IndexedPrefix, "postgresql")
def _first_characters(element: IndexedPrefix, compiler: SQLCompiler, **options: Any) -> str:
    first = func.left(element.whole, literal_column(str(PREFIX_LENGTH)))
    return compiler.process(first, **options)


class NullsLowest(ColumnElement[Any]):
    """A nullable column as lists sort by it: null before every value.

    An index that serves lists sorted by such a column names it so:
    `Index("ix_books_shelf_id", NullsLowest(shelf), id)` for both columns ascending or both
    descending, `Index("ix_books_shelf_desc_id", NullsLowest(shelf, descending=True), id)` for a
    descending column with ties in ascending order. SQLite and MariaDB sort null before every value
    by themselves. PostgreSQL sorts it last, and an index of that order does not serve the other.
    """

    inherit_cache = False

    def __init__(self, column: ColumnElement[Any], *, descending: bool = False) -> None:
        self.column = column
        self.type = column.type
        self.descending = descending

    def get_children(self, **_: object) -> Iterator[ColumnElement[Any]]:
        """The column."""
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
    """A point in time in milliseconds: aware, UTC, whatever the time zone of the session.

    Databases without such a type hold the time of UTC.
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
        """As process_bind_param; PostgreSQL takes moments as they are."""
        return None if dialect.name == "postgresql" else super().bind_processor(dialect)

    def process_bind_param(self, value: datetime | None, _: Dialect) -> datetime | None:
        return value and value.astimezone(UTC).replace(tzinfo=None)

    def result_processor(self, dialect: Dialect, coltype: object) -> Convert | None:
        """As process_result_value; PostgreSQL's driver has been taught the same."""
        if dialect.name == "postgresql":
            return None
        return super().result_processor(dialect, coltype)

    def process_result_value(self, value: datetime | None, _: Dialect) -> datetime | None:
        return value and value.replace(tzinfo=UTC)


class FixedDecimal(TypeDecorator[Decimal]):
    """Decimals of at most `digits` digits, `scale` of them after the point, compared by value.

    SQLite has no exact decimals, so that it holds the integer without the point. A value with more
    decimal places or digits is refused, never rounded.
    """

    impl = Numeric
    cache_ok = True

    def __init__(self, digits: int, scale: int) -> None:
        """`digits` is at most 18, as many as an integer of 64 bits always has."""
        if not 0 <= scale <= digits <= _MAX_DIGITS:
            raise ValueError(f"a column can't hold decimals of {digits} digits, scale {scale}")
        super().__init__(digits, scale)
        self.digits = digits
        self.scale = scale
        self._unit = Decimal(1).scaleb(-scale)
        self.greatest = Decimal(10**digits - 1).scaleb(-scale)
        self.least = -self.greatest

    def can_hold(self, value: Any) -> bool:
        """Whether the column can hold the number as it is."""
        return bool(self.floor(value) == value)

    def floor(self, value: Any) -> Decimal:
        """The greatest decimal of the column that is not above the number; the least if all are."""
        bounded = max(self.least, min(value, self.greatest))
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
        """As process_result_value; the drivers of the other databases give decimals."""
        return super().result_processor(dialect, coltype) if dialect.name == "sqlite" else None

    def process_result_value(self, value: int | None, _: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value).scaleb(-self.scale)


class Uuid(TypeDecorator[UUID]):
    """A UUID, ordered by its digits.

    Only PostgreSQL's own type has that order: MariaDB's compares the last group first. The other
    databases hold the text in lower case.
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
    """Any JSON value but null, as text: no database changes numbers, names or their order."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name in _MYSQL:  # its TEXT holds 65,535 bytes
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
"""By the type of the values: what PostgreSQL would write differently from the fields' `to_text`."""


def csv_text(column: Column[Any]) -> ColumnElement[Any]:
    """What PostgreSQL selects to export the column as CSV; null is the empty text."""
    python_type = datetime if isinstance(column.type, Timestamp) else column.type.python_type
    write = _CSV_TEXTS.get(python_type)
    text_of = write(column) if write else column
    return func.coalesce(cast(text_of, Text()), "") if column.nullable else text_of
