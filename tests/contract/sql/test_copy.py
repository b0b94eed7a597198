"""COPY transfers values of every type, and distinguishes null from an empty text."""

from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    Integer,
    MetaData,
    Numeric,
    Table,
    Uuid,
    select,
)

from adapters.jsonapi import kinds
from adapters.sql.columns import Timestamp, text
from adapters.sql.dialects.postgresql_copy import copy_in, copy_out
from adapters.sql.engine import make_engine
from adapters.sql.transactions import core_connection, read_connection

BOOKS = Table(
    "books",
    MetaData(),
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("title", text(50), nullable=False),
    Column("subtitle", text(50)),
    Column("lent", Boolean),
    Column("sold", BigInteger),
    Column("price", Numeric(8, 2)),
    Column("published", Date),
    Column("due", Timestamp),
    Column("edition", Uuid),
    Column("extra", JSON(none_as_null=True)),
)
FIELDS = (
    *(kinds.Integer(), kinds.Text(), kinds.Text(), kinds.Boolean(), kinds.BigInteger()),
    *(kinds.Decimal(), kinds.Date(), kinds.Timestamp(), kinds.Uuid()),
)
FULL: tuple[Any, ...] = (
    *(1, 'Em"ma', "", True, -(2**53), Decimal("12.5"), date(1815, 12, 23)),
    datetime(2026, 2, 1, 9, 30, 0, 120000, tzinfo=UTC),
    UUID("123e4567-e89b-12d3-a456-426614174000"),
    {"a": ["\\", None, "é"]},
)
EMPTY: tuple[Any, ...] = (2, "\\N", *[None] * 8)
OTHER: tuple[Any, ...] = (3, "None", "None", False, 0, Decimal(0), None, None, None, [])


@pytest.fixture
def exported(postgresql_url: str) -> tuple[list[tuple[Any, ...]], str]:
    """Rows after copy_in: as they are read, and as copy_out writes all but the JSON."""
    engine = make_engine(postgresql_url, exclusive=True)
    try:
        with core_connection(engine) as connection:
            BOOKS.metadata.create_all(connection)
        with read_connection(engine) as raw:
            copy_in(raw, list(BOOKS.c), [FULL, EMPTY, OTHER])
        file = BytesIO()
        with core_connection(engine) as connection:
            copy_out(connection, list(BOOKS.c)[:-1], file)
            rows = [tuple(row) for row in connection.execute(select(BOOKS).order_by(BOOKS.c.id))]
    finally:
        engine.dispose()
    return rows, file.getvalue().decode()


def test_reads_the_rows_that_were_written(exported: tuple[list[tuple[Any, ...]], str]) -> None:
    assert exported[0] == [FULL, EMPTY, OTHER]


def test_exports_the_same_cells_as_without_copy(
    exported: tuple[list[tuple[Any, ...]], str],
) -> None:
    cells = [
        [field.to_text(value) for field, value in zip(FIELDS, row, strict=False)]
        for row in (FULL, EMPTY, OTHER)
    ]
    cells[0][1] = '"Em""ma"'
    assert exported[1].splitlines() == list(map(",".join, cells))
