"""Resources in files: which columns there are, and how cells and members are read and written.

There are two formats:

    csv     a header row, then a row for each resource; every cell is text
    jsonl   an object on each line, or one array of objects

docs/bulk.md has the import dialect: what is recognised in each of them. Files are binary streams,
so that an upload is read in the same way.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from operator import attrgetter, itemgetter
from typing import Any, BinaryIO, Final, Protocol

from marshmallow import ValidationError

from adapters.jsonapi.kinds import Boolean, Date, Decimal, Email, Integer, Kind, Timestamp
from adapters.jsonapi.resource import Resource
from adapters.tabular import csv, delimiters, jsonl, spreadsheets
from adapters.tabular.lines import NotUtf8, Row
from adapters.tabular.source import Source, encoder
from application.record_import import Record, RejectedRecord
from domain.errors import Invalid, Problem, Violation
from domain.text import strip_invisible

ERROR_COLUMNS: Final = ("line", "errors")
"""The columns that a file of rejected records has before the others. Imports ignore them."""
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

_MISSING: Final = Problem("missing", "must be a column")
_CELLS: Final = Problem("wrong_number_of_cells", "must have as many cells as the header row")
_MOST_CELLS: Final = 500
"""A row with more cells is held as text: a batch of rows is in memory at once."""
_MOST_DIGITS: Final = 15
"""Spreadsheet programs round numbers of more digits."""
_MAX_LISTED: Final = 100
_MAX_NAME: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How a file is read.

    `encoding` and `delimiter` are recognised if they are None. `columns` maps attributes to the
    headers, or the members, that have their values. `ignore_unknown` skips unknown columns and
    members.
    """

    encoding: str | None = None
    delimiter: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    ignore_unknown: bool = False


_RECOGNISE: Final = ReadOptions()


class Records(Protocol):
    """The records of a file. Rejected ones can be written to another file, with their errors."""

    def __iter__(self) -> Iterator[Record]: ...

    def header(self) -> bytes:
        """What comes before the rejected records."""

    def rejected_row(self, bad: RejectedRecord) -> bytes:
        """A rejected record with its line and its errors, in the format of the file."""


class UnknownColumns(Invalid):
    """The header has unknown columns, perhaps among other faults.

    `columns` are their headers. `missing` are required attributes without a column.
    """

    def __init__(
        self,
        columns: Sequence[str],
        resource: Resource,
        missing: Sequence[str],
        others: Iterable[Violation],
    ) -> None:
        names = ", ".join(map(_plain, columns[:_MAX_LISTED]))
        more = f" and {len(columns) - _MAX_LISTED:,} more" if len(columns) > _MAX_LISTED else ""
        known = [*resource.settable]
        ignored = ["id", *(name for name in resource.attributes if name not in known)]
        detail = (
            f"has unknown columns: {names}{more}. Known columns: {', '.join(known)}; ignored: "
            f"{', '.join(ignored)}. Map a column with --column "
            f"{_example(columns, known, missing)}, or skip unknown ones with --ignore-unknown"
        )
        unknown = Violation("the header row", Problem("unknown_attribute", detail))
        super().__init__([unknown, *others])
        self.columns = columns
        self.missing = missing


def _example(columns: Sequence[str], known: Sequence[str], missing: Sequence[str]) -> str:
    """A mapping that may be the right one."""
    from difflib import get_close_matches

    for column in columns[:_MAX_LISTED]:
        normal = _normal(column)[:_MAX_NAME]
        words = normal.replace("-", "").replace("_", " ").split()
        for name in missing or known:
            if name in words or get_close_matches(normal, [name]):
                return f"{name}={_plain(column)}"
    return "ATTR=HEADER"


class _Names:
    """Which attribute a header or a member means, regardless of case and surrounding space."""

    def __init__(self, resource: Resource, options: ReadOptions) -> None:
        self.mapped = {_normal(header): name for name, header in options.columns.items()}
        known = {"id", *resource.declared, *ERROR_COLUMNS}
        self._known = {_normal(name): name for name in known} | self.mapped

    def attribute(self, header: str) -> str:
        """Its name, or another name that is known; empty for an unknown header."""
        return self._known.get(_normal(header), "")


def _normal(name: str) -> str:
    return strip_invisible(name).casefold()


class CsvRecords(Records):
    """The records of a CSV file.

    The header is read at once. Raises Invalid if the file is not text, if the header has a column
    that the resource does not have, or one twice, or lacks one that is required.
    """

    def __init__(
        self,
        file: BinaryIO,
        resource: Resource,
        required: Collection[str],
        options: ReadOptions = _RECOGNISE,
    ) -> None:
        source = Source(file, options.encoding)
        names = _Names(resource, options)
        self._reader = csv.Reader(source, source.offset)
        self._declared = delimiters.set_delimiter(self._reader, options.delimiter, _counting(names))
        self._encode = encoder(source.encoding)
        line = self._reader.peek() or ""
        self._rows = iter(self._reader)
        header = _Header(next(self._rows, None), names, line, self._reader.delimiter)
        columns = header.check(resource, required, options)
        self._header = header.cells
        self._columns = columns
        self._names = [name for name in columns if name in resource.settable]
        self._places = [columns.index(name) for name in self._names]
        self._pick = _picking(self._places)
        self._readers = [
            (name, at, read)
            for name, at in zip(self._names, self._places, strict=True)
            if (read := _cell_reader(resource.settable[name].field, self._reader.delimiter))
        ]
        read_ones = {name for name, *_ in self._readers}
        self._texts = [name for name in self._names if name not in read_ones]
        self._notes = {at for at, name in enumerate(columns) if name in ERROR_COLUMNS}
        self._unnamed = [
            at
            for at, name in enumerate(columns)
            if not name and not _normal(header.cells[at]) and not options.ignore_unknown
        ]

    def __iter__(self) -> Iterator[Record]:
        width = len(self._columns)
        for row in self._rows:
            cells = row.content
            if cells is None:
                yield Record(row.line, {}, (row.text,), row.problem)
            elif (not cells[0] or cells[0].isspace()) and not any(map(strip_invisible, cells)):
                continue
            elif len(cells) != width or width > _MOST_CELLS or self._unnamed:
                yield self._unusual(row.line, cells)
            else:
                yield Record(row.line, self._attributes(cells), cells)

    def _unusual(self, line: int, cells: csv.Cells) -> Record:
        """The record of a row that has more or fewer cells than columns, or perhaps too many."""
        width = len(self._columns)
        if len(cells) > width and not any(map(strip_invisible, cells[width:])):
            cells = cells[:width]
        if len(cells) != width:
            return Record(line, {}, self._held(cells), _CELLS)
        if unnamed := [at for at in self._unnamed if _normal(cells[at])]:
            return Record(line, {}, self._held(cells), self._in_unnamed(cells, unnamed[0]))
        return Record(line, self._attributes(cells), self._held(cells))

    def _held(self, cells: csv.Cells) -> csv.Cells | str:
        """The cells; as text if they are many, which takes a tenth of the memory."""
        if len(cells) <= _MOST_CELLS:
            return cells
        (line,) = csv.write([cells], delimiter=self._reader.delimiter)
        return line.decode().removesuffix("\n")

    def _attributes(self, cells: csv.Cells) -> dict[str, object]:
        """What cells say of attributes. What can't be read stays text, for the domain to check."""
        if self._reader.protected:
            cells = tuple(map(spreadsheets.unprotect, cells))
        attributes: dict[str, object] = dict(zip(self._names, self._pick(cells), strict=True))
        for name, at, read in self._readers:
            value = read(cells[at])
            if value is _ABSENT:
                del attributes[name]
            elif value.__class__ is not Problem:
                attributes[name] = value
        if "" in cells:
            for name in self._texts:
                if attributes[name] == "":
                    del attributes[name]
        return attributes

    def _in_unnamed(self, cells: csv.Cells, at: int) -> Problem:
        detail = f"has the value {_plain(cells[at])} in column {at + 1}, which has no header"
        return Problem("unnamed_column", detail)

    def header(self) -> bytes:
        declared = self._encode(f"{self._declared}\n") if self._declared else b""
        return declared + self._row([*ERROR_COLUMNS, *self._without_notes(self._header)])

    def rejected_row(self, bad: RejectedRecord) -> bytes:
        cells: Any = bad.record.source
        if isinstance(cells, str):
            cells = csv.split_line(cells, self._reader.delimiter)
        if len(cells) > 1 or not bad.record.problem:
            cells = self._without_notes(cells)
        return self._row([str(bad.record.line), "; ".join(map(str, bad.errors)), *cells])

    def _row(self, cells: Sequence[str]) -> bytes:
        return b"".join(csv.write([cells], delimiter=self._reader.delimiter, encode=self._encode))

    def _without_notes(self, cells: csv.Cells) -> csv.Cells:
        return tuple(cell for at, cell in enumerate(cells) if at not in self._notes)


_ABSENT: Final = object()


def _picking(places: Sequence[int]) -> Callable[[Sequence[str]], Sequence[str]]:
    """Picks the cells at these places."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda cells: [cells[at] for at in places]


def _cell_reader(kind: Kind, delimiter: str) -> Callable[[str], Any] | None:
    """Reads a cell: its value, a Problem, or _ABSENT; None if the cell is the value.

    An empty cell is null if the attribute is nullable, otherwise the value is absent.
    """
    if kind.cell_is_value and not kind.allow_none:
        return None
    from_cell, empty = kind.from_cell, None if kind.allow_none else _ABSENT
    if isinstance(kind, Email):
        return lambda cell: from_cell(cell) or empty
    if isinstance(kind, Decimal) and delimiter == ";":  # the locale may have decimal commas
        return lambda cell: from_cell(cell.replace(",", ".", 1)) if cell else empty
    return lambda cell: from_cell(cell) if cell else empty


def _counting(names: _Names) -> Callable[[csv.Cells], int]:
    """Counts the known columns of a header."""
    return lambda cells: sum(1 for cell in cells if names.attribute(cell))


class _Header:
    """The header row of a CSV file, whose first line is `line`."""

    def __init__(
        self, row: Row[csv.Cells] | None, names: _Names, line: str, delimiter: str
    ) -> None:
        if row is None or row.content is None:
            raise Invalid([Violation("the first line", _no_header(row))])
        if line.lstrip().startswith(("{", "[{")):
            detail = "must be a header row. The file seems to be JSON: use --format jsonl"
            raise Invalid([Violation("the first line", Problem("no_header", detail))])
        self.cells = row.content
        self._names = names
        self._line = line
        self._delimiter = delimiter

    def check(
        self, resource: Resource, required: Collection[str], options: ReadOptions
    ) -> list[str]:
        """The attribute, or the other known name, of each column; empty for unknown ones."""
        columns = [self._names.attribute(cell) for cell in self.cells]
        unknown = [
            cell
            for cell, name in zip(self.cells, columns, strict=True)
            if not name and _normal(cell)
        ]
        if unknown:
            self._check_delimiter()
        headers = set(map(_normal, self.cells))
        missing = [name for name in required if name not in columns and name not in options.columns]
        wrong = [
            *(Violation(name, _MISSING) for name in missing),
            *(
                Violation(_plain(header), Problem("missing", f"must be a column, for {name}"))
                for name, header in options.columns.items()
                if _normal(header) not in headers
            ),
            *(Violation(*each) for each in self._repeated(columns)),
        ]
        if unknown and not options.ignore_unknown:
            raise UnknownColumns(unknown, resource, missing, wrong)
        if wrong:
            raise Invalid(wrong)
        return columns

    def _check_delimiter(self) -> None:
        """Raises Invalid if the delimiter is the reason why columns are unknown."""
        other = delimiters.find_better(self._line, self._delimiter, _counting(self._names))
        if other is not None:
            detail = (
                f"has more known columns if its delimiter is {_plain(other)} instead of "
                f"{_plain(self._delimiter)}. Use --delimiter {_plain(other)}"
            )
            raise Invalid([Violation("the header row", Problem("wrong_delimiter", detail))])

    def _repeated(self, columns: Sequence[str | None]) -> Iterator[tuple[str, Problem]]:
        """The names that several columns have."""
        places: dict[str, list[int]] = {}
        for at, name in enumerate(columns):
            if name:
                places.setdefault(name, []).append(at)
        for name in sorted(places):
            headers = list(dict.fromkeys(self.cells[at] for at in places[name]))
            if len(places[name]) > 1:
                detail = "is the name of two columns"
                if len(headers) > 1:
                    detail = f"is two columns: {_plain(headers[0])} and {_plain(headers[1])}"
                yield name, Problem("repeated_attribute", detail)


def _no_header(row: Row[csv.Cells] | None) -> Problem:
    """Why there is no header row."""
    detail = "must be a header row in UTF-8"
    if row is None:
        detail += ". The file is empty"
    elif isinstance(row.problem, NotUtf8):
        detail = f"must be a header row, but it {row.problem.detail}"
    elif row.problem:
        detail += f", and {row.problem.detail}"
    return Problem("no_header", detail)


def _plain(name: str) -> str:
    """A text that someone chose, in quotes and safe to be shown."""
    return repr(name[:_MAX_NAME])


class JsonRecords(Records):
    """The records of a file of JSON Lines, or of one JSON array."""

    def __init__(
        self,
        file: BinaryIO,
        resource: Resource,
        _: Collection[str],
        options: ReadOptions = _RECOGNISE,
    ) -> None:
        source = Source(file, options.encoding)
        names = _Names(resource, options)
        _check_json(source.head, names)
        self._rows = jsonl.read_text(source, source.offset)
        self._encode = encoder(source.encoding)
        self._names = names
        self._ignore_unknown = options.ignore_unknown
        self._settable = resource.settable.keys()
        ignored = {"id", *resource.attributes, *ERROR_COLUMNS} - resource.settable.keys()
        self._ignored = ignored - names.mapped.keys()
        self._exact = frozenset(resource.settable) - names.mapped.keys()
        self._converted = [
            (name, each.field)
            for name, each in resource.settable.items()
            if not each.field.json_is_value
        ]
        self._emails = [
            name for name, each in resource.settable.items() if isinstance(each.field, Email)
        ]

    def __iter__(self) -> Iterator[Record]:
        for row in self._rows:
            if row.content is None:
                yield Record(row.line, {}, {"text": row.text}, row.problem, row.item)
                continue
            ignored, problem = self._ignored, None
            attributes = {k: v for k, v in row.content.items() if k not in ignored}
            if not self._exact.issuperset(attributes):
                attributes, problem = self._renamed(attributes)
            for name in self._emails:
                if isinstance(value := attributes.get(name), str):
                    attributes[name] = strip_invisible(value)
            for name, kind in self._converted:
                if name in attributes:
                    # An invalid value is left for the domain, which says what is wrong.
                    with suppress(ValidationError):
                        attributes[name] = kind.deserialize(attributes[name])
            yield Record(row.line, attributes, row.content, problem, row.item)

    def _renamed(self, members: Mapping[str, Any]) -> tuple[dict[str, Any], Problem | None]:
        """The members by the names of the attributes that they mean.

        An exact name comes first. Another member for the same attribute keeps its own name, so
        that it is unknown.
        """
        attributes = {name: value for name, value in members.items() if name in self._exact}
        for name, value in members.items():
            if name in self._exact:
                continue
            attribute = self._names.attribute(name)
            if not attribute:
                if not self._ignore_unknown:
                    attributes[name] = value
            elif attribute in self._settable:
                if attribute in attributes and _normal(name) in self._names.mapped:
                    detail = f"has two members for {attribute}: one of them is {_plain(name)}"
                    return {}, Problem("repeated_attribute", detail)
                attributes[name if attribute in attributes else attribute] = value
        return attributes, None

    def header(self) -> bytes:
        return b""

    def rejected_row(self, bad: RejectedRecord) -> bytes:
        source: Any = bad.record.source
        attributes = {
            name: value
            for name, value in source.items()
            if self._names.attribute(name) not in ERROR_COLUMNS
        }
        notes = {"line": bad.record.line, "errors": [str(error) for error in bad.errors]}
        (line,) = jsonl.write([notes | attributes])
        return self._encode(line.decode("utf-8"))


def _check_json(head: bytes, names: _Names) -> None:
    """Raises Invalid if the first line shows that the file is not JSON Lines."""
    line = head.split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    if line == "{":
        detail = "must have a whole object, or the file must be one array of objects"
        raise Invalid([Violation("each line", Problem("malformed_json", detail))])
    if not line.startswith(("{", "[")) and any(
        _counting(names)(csv.split_line(line, delimiter)) > 1 for delimiter in delimiters.KNOWN
    ):
        detail = "seems to be CSV, not JSON. Use --format csv"
        raise Invalid([Violation("the file", Problem("malformed_json", detail))])


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOptions:
    """What is written of each entity, and how.

    `fields` are the attributes next to the id; None means all. `byte_order_mark` and `protection`
    are for CSV alone.
    """

    fields: Collection[str] | None = None
    byte_order_mark: bool = False
    protection: "SpreadsheetProtection | None" = None

    def selected(self, resource: Resource) -> "dict[str, Kind]":
        """The attributes to write, in the order of their declaration."""
        return {
            name: each.field
            for name, each in resource.attributes.items()
            if self.fields is None or name in self.fields
        }


_EVERYTHING: Final = WriteOptions()


class SpreadsheetProtection:
    """Protects cells that a spreadsheet program would evaluate or convert, and counts them."""

    def __init__(self) -> None:
        self.count = 0

    def rows(self, rows: Iterable[Sequence[str]], kinds: Sequence[Kind]) -> Iterator[list[str]]:
        """The rows with protected cells. Each row is an id, and a cell of each kind."""
        protectors = [_protector(kind) for kind in kinds]
        for row in rows:
            id_, *cells = row
            protected = [protect(cell) for protect, cell in zip(protectors, cells, strict=True)]
            self.count += sum(map(str.__ne__, cells, protected))
            yield [id_, *protected]


def _protector(kind: Kind) -> Callable[[str], str]:
    """Protects a cell. Booleans, dates, and numbers that fit are for the program to recognise."""
    if isinstance(kind, Boolean | Date | Timestamp):
        return str
    if isinstance(kind, Integer | Decimal):
        return lambda cell: f"'{cell}" if sum(map(str.isdigit, cell)) > _MOST_DIGITS else cell
    return spreadsheets.protect


class CsvExporter(Protocol):
    """A store that may write all entities of a resource by itself, as write_csv does."""

    @property
    def available(self) -> bool:
        """Whether the store can do it."""

    def write(self, names: Sequence[str], file: "Written") -> None:
        """The attributes of those names in rows by id, the first of them, each in one write."""


class Written(Protocol):
    """What takes the parts of a file."""

    def write(self, data: bytes, /) -> object: ...


def copy_csv(
    exporter: CsvExporter, resource: Resource, file: Written, options: WriteOptions = _EVERYTHING
) -> None:
    """What write_csv gives of all entities by id, in a fraction of its time.

    There is no protection from spreadsheets.
    """
    names = ["id", *options.selected(resource)]
    file.write(_csv_header(names, options))
    exporter.write(names, _ProtectingAgain(file))


class _ProtectingAgain:
    """Writes rows to a file; a cell that looks protected gets one more apostrophe."""

    def __init__(self, file: Written) -> None:
        self._write = file.write

    def write(self, row: bytes, /) -> object:
        """Write a row. Hardly any has an apostrophe in front of a cell."""
        if b"'" in row and spreadsheets.PROTECTED.search(row.decode()):
            (each,) = csv.read(BytesIO(row))
            row = b"".join(csv.write([[*map(spreadsheets.protect_again, each.content or ())]]))
        return self._write(row)


def write_csv(
    entities: Iterable[Any], resource: Resource, options: WriteOptions = _EVERYTHING
) -> Iterator[bytes]:
    """The header, then the id and the attributes of each.

    A cell that looks protected gets one more apostrophe, so that an import removes that one.
    """
    fields = options.selected(resource)
    yield _csv_header(["id", *fields], options)
    rows: Iterable[Sequence[str]] = map(resource.csv_row, entities)
    if options.fields is not None:
        rows = map(_picking([0, *_positions(resource, fields)]), rows)
    if options.protection:
        yield from csv.write(options.protection.rows(rows, [*fields.values()]))
    else:
        yield from csv.write(rows, protect=spreadsheets.protect_again)


def _csv_header(names: Sequence[str], options: WriteOptions) -> bytes:
    mark = BYTE_ORDER_MARK if options.byte_order_mark else b""
    return mark + b"".join(csv.write([names]))


def _positions(resource: Resource, fields: Collection[str]) -> Iterator[int]:
    """The positions of the fields in the rows of a resource."""
    return (at for at, name in enumerate(resource.attributes, 1) if name in fields)


def write_jsonl(
    entities: Iterable[Any], resource: Resource, options: WriteOptions = _EVERYTHING
) -> Iterator[bytes]:
    """The id and the attributes of each, with the values that JSON:API documents have."""
    fields = options.selected(resource)
    readers = [
        ("id", _json_reader("id", resource.id)),
        *((name, _json_reader(name, each)) for name, each in fields.items()),
    ]
    return jsonl.write({name: read(entity) for name, read in readers} for entity in entities)


def _json_reader(name: str, field: Kind) -> Callable[[Any], Any]:
    """Gives the JSON form of an entity's attribute."""
    read = attrgetter(name)
    if field.json_is_value:
        return read

    def json_form(entity: Any) -> Any:
        value = read(entity)
        return None if value is None else field.to_json(value)

    return json_form


@dataclass(frozen=True, slots=True)
class Format:
    """How a kind of file is read and written."""

    read: Callable[..., Records]
    write: Callable[..., Iterator[bytes]]


FORMATS: Final[Mapping[str, Format]] = {
    "csv": Format(CsvRecords, write_csv),
    "jsonl": Format(JsonRecords, write_jsonl),
}
