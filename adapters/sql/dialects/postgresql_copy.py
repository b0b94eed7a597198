"""COPY, PostgreSQL's own way to take and give rows by the thousand.

docs/decisions/0021-bulk-import-and-export.md has the measurements and the alternatives.
"""

from collections.abc import Sequence
from io import StringIO
from typing import Any, Protocol

from sqlalchemy import Column, Connection, Integer, String, select

from adapters.sql.columns import csv_text
from adapters.sql.connection import RawConnection
from adapters.sql.dialects import postgresql

_NULL = "\1"
_WITH_NULL = r"WITH (NULL E'\x01')"  # no value is this control character alone
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def copy_in(
    connection: RawConnection, columns: Sequence[Column[Any]], rows: Sequence[Sequence[Any]]
) -> None:
    """Add the rows to columns of one table.

    Raises what the driver raises.
    """
    quote = connection.dialect.identifier_preparer.quote
    names = ", ".join(quote(column.name) for column in columns)
    statement = f"COPY {quote(columns[0].table.name)} ({names}) FROM STDIN"
    cells = []
    for column, values in zip(columns, zip(*rows, strict=True), strict=True):
        cells.append(_texts(connection, column, values))
        if column.nullable and None in values:
            statement = f"COPY {quote(columns[0].table.name)} ({names}) FROM STDIN {_WITH_NULL}"
    lines = StringIO(_lines(list(zip(*cells, strict=True))))
    cursor = connection.connection.cursor()
    try:
        with postgresql.blocking():
            cursor.copy_expert(postgresql.with_timeout(statement), lines)
    finally:
        cursor.close()


class ByteWriter(Protocol):
    """What takes the parts of a file."""

    def write(self, data: bytes, /) -> object: ...


def copy_out(connection: Connection, columns: Sequence[Column[Any]], file: ByteWriter) -> None:
    """Write the columns of all rows as CSV (RFC 4180, UTF-8), in the order of the first column.

    Cells have the texts that the fields' `to_text` gives, and are quoted where they contain commas,
    quotes or line ends. Raises what the driver and the file raise.
    """
    query = select(*map(csv_text, columns)).order_by(columns[0])
    text = query.compile(connection, compile_kwargs={"literal_binds": True})
    options = r"FORMAT csv, ENCODING 'UTF8', NULL E'\x01'"  # which no text is, to be quoted for it
    cursor = connection.connection.cursor()
    try:
        with postgresql.blocking():
            cursor.copy_expert(f"COPY ({text}) TO STDOUT WITH ({options})", file)
    finally:
        cursor.close()


def _texts(connection: RawConnection, column: Column[Any], values: Sequence[Any]) -> Sequence[str]:
    """The values of a column as PostgreSQL reads them, null as _NULL."""
    bind = column.type.dialect_impl(connection.dialect).bind_processor(connection.dialect)
    if isinstance(column.type, String):
        texts = values
    elif isinstance(column.type, Integer):
        texts = list(map(str, values))
    elif bind:
        texts = [str(bind(value)) for value in values]
    else:  # the values are few, such as booleans and the time of an import
        known = {value: str(value) for value in set(values)}
        texts = [known[value] for value in values]
    if column.nullable and None in values:
        return [_NULL if value is None else text for value, text in zip(values, texts, strict=True)]
    return texts


def _lines(rows: Sequence[Sequence[str]]) -> str:
    """The text format of COPY, in which hardly any text needs escapes."""
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
