"""Column types that mean the same on every database."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    DateTime,
    Dialect,
    Integer,
    String,
    Text,
    TypeDecorator,
    cast,
    func,
    literal_column,
)
from sqlalchemy.dialects.mysql import DATETIME
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

_MYSQL = ("mysql", "mariadb")
_BY_CODE_POINT = "utf8mb4_nopad_bin"

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
