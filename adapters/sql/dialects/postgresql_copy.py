"""Bulk inserts and CSV exports with PostgreSQL's COPY.

docs/decisions/0021-bulk-import-and-export.md has measurements and alternatives.
"""

from collections.abc import Sequence
from io import StringIO
from typing import Any, Protocol

from sqlalchemy import Column, Connection, Integer, String, select

from adapters.sql.columns import csv_text
from adapters.sql.connection import RawConnection
from adapters.sql.dialects import postgresql

_NULL = "\1"
_WITH_NULL = r"WITH (NULL E'\x01')"  # no value consists of only this control character
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def copy_in(
    connection: RawConnection, columns: Sequence[Column[Any]], rows: Sequence[Sequence[Any]]
) -> None:
    """Inserts rows into columns of one table. Raises the driver's error.

    No other thread may use the driver meanwhile (see `postgresql.blocking`).
    """
    quote = connection.dialect.identifier_preparer.quote
    names = ", ".join(quote(column.name) for column in columns)
    statement = f"COPY {quote(columns[0].table.name)} ({names}) FROM STDIN {_WITH_NULL}"
    cells = [
        _to_text(connection, column, values)
        for column, values in zip(columns, zip(*rows, strict=True), strict=True)
    ]
    lines = StringIO(_encode(list(zip(*cells, strict=True))))
    cursor = connection.connection.cursor()
    try:
        with postgresql.blocking():
            cursor.copy_expert(postgresql.with_timeout(statement), lines)
    finally:
        cursor.close()


class ByteWriter(Protocol):
    """A binary file, or any object that bytes can be written to."""

    def write(self, data: bytes, /) -> object: ...


def copy_out(connection: Connection, columns: Sequence[Column[Any]], file: ByteWriter) -> None:
    """Writes the columns of all rows as CSV (RFC 4180, UTF-8), sorted by the first column.

    Each cell has the text of the field's `to_text`. It is quoted if it contains commas, quotes or
    line ends. No other thread may use the driver meanwhile (see `postgresql.blocking`). Raises the
    error of the driver or the file.
    """
    query = select(*map(csv_text, columns)).order_by(columns[0])
    text = query.compile(connection, compile_kwargs={"literal_binds": True})
    # COPY quotes a text that equals NULL's. No text equals this one, so COPY quotes only if needed.
    options = r"FORMAT csv, ENCODING 'UTF8', NULL E'\x01'"
    cursor = connection.connection.cursor()
    try:
        with postgresql.blocking():
            cursor.copy_expert(f"COPY ({text}) TO STDOUT WITH ({options})", file)
    finally:
        cursor.close()


def _to_text(
    connection: RawConnection, column: Column[Any], values: Sequence[Any]
) -> Sequence[str]:
    """Converts the values of a column to PostgreSQL's text format, and null to _NULL."""
    bind = column.type.dialect_impl(connection.dialect).bind_processor(connection.dialect)
    if isinstance(column.type, String):
        texts = values
    elif isinstance(column.type, Integer):
        texts = list(map(str, values))
    elif bind:
        texts = [str(bind(value)) for value in values]
    else:  # few different values, such as booleans and the timestamp of an import
        text_of = {value: str(value) for value in set(values)}
        texts = [text_of[value] for value in values]
    if column.nullable and None in values:
        return [_NULL if value is None else text for value, text in zip(values, texts, strict=True)]
    return texts


def _encode(rows: Sequence[Sequence[str]]) -> str:
    """Encodes rows in the text format of COPY. Is fast if no cell needs an escape, as is usual."""
    text = "\n".join(map("\t".join, rows))
    tabs = len(rows) * (len(rows[0]) - 1)
    if (
        "\\" not in text
        and "\r" not in text
        and text.count("\t") == tabs
        and text.count("\n") == len(rows) - 1
    ):
        return text
    return "\n".join("\t".join(cell.translate(_ESCAPES) for cell in row) for row in rows)
