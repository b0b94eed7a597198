"""Reads the records of CSV files."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, BinaryIO, Final

from adapters.files.csv_header import CsvHeader
from adapters.files.reading import (
    DEFAULT_READ_OPTIONS,
    Names,
    ReadOptions,
    Records,
    normalize,
    quote,
    secret_names,
)
from adapters.jsonapi.kinds import Decimal, Email, Json, Kind
from adapters.jsonapi.resource import Resource
from adapters.tabular import csv, delimiters, spreadsheets
from adapters.tabular.source import Source, encoder
from application.imports import Record, RejectedRecord
from domain.errors import Problem
from domain.text import strip_invisible

_WRONG_CELL_COUNT: Final = Problem(
    "wrong_number_of_cells", "must have as many cells as the header row"
)
_MAX_CELLS: Final = 500
"""A row with more cells is held as text, because a batch of rows is in memory at once."""


class CsvRecords(Records):
    """The records of a CSV file.

    The constructor reads the header row. It raises Invalid if the file is not text or has no header
    row, and if a column is unknown, repeated or missing. `required` are the attributes that must
    have a column.
    """

    def __init__(
        self,
        file: BinaryIO,
        resource: Resource,
        required: Collection[str],
        options: ReadOptions = DEFAULT_READ_OPTIONS,
    ) -> None:
        source = Source(file, options.encoding)
        names = Names(resource, options)
        self._reader = csv.Reader(source, source.offset)
        self._sep_line = delimiters.set_delimiter(
            self._reader, options.delimiter, names.count_known
        )
        self._encode = encoder(source.encoding)
        line = self._reader.peek_record() or ""
        self._rows = iter(self._reader)
        header = CsvHeader(next(self._rows, None), names, line, self._reader.delimiter)
        columns = header.check(resource, required, options)
        self._header = header.cells
        self._columns = columns
        self._names = [name for name in columns if name in resource.settable]
        self._indexes = [columns.index(name) for name in self._names]
        self._get_cells = csv.cell_getter(self._indexes)
        self._parsers = [
            (name, index, parse)
            for name, index in zip(self._names, self._indexes, strict=True)
            if (parse := _cell_parser(resource.settable[name].field, self._reader.delimiter))
        ]
        parsed_names = {name for name, *_ in self._parsers}
        self._json_names = [
            name for name in self._names if isinstance(resource.settable[name].field, Json)
        ]
        self._text_names = [name for name in self._names if name not in parsed_names]
        self._error_headers = names.line, names.errors
        self._error_column_indexes = {
            index for index, name in enumerate(columns) if name in names.ignored
        }
        secrets = secret_names(resource)
        self._secret_indexes = {index for index, name in enumerate(columns) if name in secrets}
        self._unnamed_indexes = [
            index
            for index, name in enumerate(columns)
            if not name and not normalize(header.cells[index]) and not options.ignore_unknown
        ]

    def __iter__(self) -> Iterator[Record]:
        width = len(self._columns)
        for row in self._rows:
            cells = row.content
            if cells is None:
                yield Record(row.line, {}, (row.text,), row.problem)
            elif (not cells[0] or cells[0].isspace()) and not any(map(strip_invisible, cells)):
                continue
            elif len(cells) != width or width > _MAX_CELLS or self._unnamed_indexes:
                yield self._unusual_record(row.line, cells)
            elif self._json_names:
                yield self._record(row.line, cells, cells)
            else:
                yield Record(row.line, self._attributes(cells), cells)

    def _unusual_record(self, line: int, cells: csv.Cells) -> Record:
        """Returns the record of a row that is wide or may have a wrong number of cells."""
        width = len(self._columns)
        if len(cells) > width and not any(map(strip_invisible, cells[width:])):
            cells = cells[:width]
        if len(cells) != width:
            return Record(line, {}, self._source(cells), _WRONG_CELL_COUNT)
        for index in self._unnamed_indexes:
            if normalize(cells[index]):
                problem = self._unnamed_column_problem(cells, index)
                return Record(line, {}, self._source(cells), problem)
        return self._record(line, cells, self._source(cells))

    def _record(self, line: int, cells: csv.Cells, source: csv.Cells | str) -> Record:
        attributes = self._attributes(cells)
        values = [(name, attributes.get(name)) for name in self._json_names]
        problems = {name: value for name, value in values if isinstance(value, Problem)}
        valid = {name: value for name, value in attributes.items() if name not in problems}
        return Record(line, valid, source, problems=problems)

    def _source(self, cells: csv.Cells) -> csv.Cells | str:
        """Returns the cells, or their text if they are many: text takes a tenth of the memory."""
        if len(cells) <= _MAX_CELLS:
            return cells
        (line,) = csv.write([cells], delimiter=self._reader.delimiter)
        return line.decode().removesuffix("\n")

    def _attributes(self, cells: csv.Cells) -> dict[str, object]:
        """Returns the attributes of a row. Invalid values remain text; the domain rejects them.

        A cell that is not JSON becomes its problem, because its text would be a JSON value itself.
        """
        if self._reader.protected:
            cells = tuple(map(spreadsheets.unprotect, cells))
        attributes: dict[str, object] = dict(zip(self._names, self._get_cells(cells), strict=True))
        for name, index, parse in self._parsers:
            value = parse(cells[index])
            if value is _ABSENT:
                del attributes[name]
            elif value.__class__ is not Problem or name in self._json_names:
                attributes[name] = value
        if "" in cells:
            for name in self._text_names:
                if attributes[name] == "":
                    del attributes[name]
        return attributes

    def _unnamed_column_problem(self, cells: csv.Cells, index: int) -> Problem:
        detail = f"has the value {quote(cells[index])} in column {index + 1}, which has no header"
        return Problem("unnamed_column", detail)

    def header(self) -> bytes:
        sep_line = self._encode(f"{self._sep_line}\n") if self._sep_line else b""
        headers = [*self._error_headers, *self._repeated_cells(self._header)]
        return sep_line + self._encode_row(headers)

    def rejected_row(self, rejected: RejectedRecord) -> bytes:
        cells: Any = rejected.record.source
        if isinstance(cells, str):
            cells = csv.split_record(cells, self._reader.delimiter)
        if self._secret_indexes and rejected.record.problem:
            cells = ()  # a secret may be in any cell
        elif len(cells) > 1 or not rejected.record.problem:
            cells = self._repeated_cells(cells)
        errors = "; ".join(map(str, rejected.errors))
        return self._encode_row([str(rejected.record.line), errors, *cells])

    def _encode_row(self, cells: Sequence[str]) -> bytes:
        return b"".join(csv.write([cells], delimiter=self._reader.delimiter, encode=self._encode))

    def _repeated_cells(self, cells: csv.Cells) -> csv.Cells:
        """Returns the cells without those of error columns and of secrets."""
        skipped = self._error_column_indexes | self._secret_indexes
        return tuple(cell for index, cell in enumerate(cells) if index not in skipped)


_ABSENT: Final = object()


def _cell_parser(kind: Kind, delimiter: str) -> Callable[[str], Any] | None:
    """Returns a function that parses a cell, or None if the text of the cell is the value.

    The function returns the value, a Problem or _ABSENT. An empty cell is null if the attribute is
    nullable; otherwise the attribute is absent.
    """
    if kind.cell_is_value and not kind.allow_none:
        return None
    from_cell, empty = kind.from_cell, None if kind.allow_none else _ABSENT
    if isinstance(kind, Email):
        return lambda cell: from_cell(cell) or empty
    if isinstance(kind, Decimal) and delimiter == ";":  # the locale may have decimal commas
        return lambda cell: from_cell(cell.replace(",", ".", 1)) if cell else empty
    return lambda cell: from_cell(cell) if cell else empty
