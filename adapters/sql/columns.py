"""Column types that mean the same on every database."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, String, Text, TypeDecorator
from sqlalchemy.dialects.mysql import DATETIME
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.types import TypeEngine

_MYSQL = ("mysql", "mariadb")
_BY_CODE_POINT = "utf8mb4_nopad_bin"

Identity64 = BigInteger().with_variant(Integer(), "sqlite")
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


Convert = Callable[[Any], Any]


class Instant(TypeDecorator[datetime]):
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
