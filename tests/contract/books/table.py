"""The table of books. The MetaData is that of the tests: no migration of Roster creates it."""

from typing import Final

from contract.books.domain import BOOK_TYPE, Book
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Identity,
    Integer,
    MetaData,
    Table,
    UniqueConstraint,
)

from adapters.sql.columns import BigIntId, FixedDecimal, Json, Timestamp, Uuid, text
from adapters.sql.metadata import METADATA as ROSTER_METADATA
from adapters.sql.repository import Derived, EntityTable
from adapters.sql.searchable import Searchable
from domain.text import fold

METADATA: Final = MetaData(naming_convention=ROSTER_METADATA.naming_convention)
TABLE: Final = Table(
    "books",
    METADATA,
    Column("id", BigIntId, Identity(always=False), primary_key=True),
    Column("title", text(250), nullable=False),
    Column("title_key", text(), nullable=False),
    Column("isbn", text(20)),
    Column("summary", text()),
    Column("summary_key", text()),
    Column("lent", Boolean, nullable=False),
    Column("pages", Integer),
    Column("sold", BigInteger, nullable=False),
    Column("price", FixedDecimal(8, 2)),
    Column("published", Date),
    Column("due", Timestamp),
    Column("contact", text(250)),
    Column("website", text(250)),
    Column("edition", Uuid),
    Column("state", text(20), nullable=False),
    Column("extra", Json),
    Column("pin", text(20)),
    Column("creation_time", Timestamp, nullable=False),
    Column("update_time", Timestamp, nullable=False),
    Column("version", Integer, nullable=False),
    UniqueConstraint("isbn"),
    sqlite_autoincrement=True,
    mariadb_engine="InnoDB",
    mariadb_default_charset="utf8mb4",
    mariadb_collate="utf8mb4_nopad_bin",
)


def _folded_or_null(value: str | None) -> str | None:
    return None if value is None else fold(value)


BOOKS_TABLE: Final = EntityTable(
    BOOK_TYPE,
    TABLE,
    Searchable(
        columns=[TABLE.c[name] for name in Book._fields],
        folded={"title": TABLE.c.title_key, "summary": TABLE.c.summary_key},
        unique=(TABLE.c.id, TABLE.c.isbn),
    ),
    derived={
        "title_key": Derived("title", fold),
        "summary_key": Derived("summary", _folded_or_null),
    },
    unique={"isbn": TABLE.c.isbn},
)
