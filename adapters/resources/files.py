"""Files of resources: their columns, and the conversion of cells and members to attributes.

There are two formats:

    csv     a header row, then a row for each resource; every cell is text
    jsonl   an object on each line, or one array of objects

docs/bulk.md describes which variants of each format are recognized. Files are binary streams, so
that uploads can be read in the same way.
"""

import codecs
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from operator import attrgetter, itemgetter
from typing import Any, BinaryIO, Final, Protocol

from marshmallow import ValidationError

from adapters.jsonapi.kinds import Boolean, Date, Decimal, Email, Integer, Json, Kind, Timestamp
from adapters.jsonapi.resource import Resource
from adapters.tabular import csv, delimiters, jsonl, spreadsheets
from adapters.tabular.lines import NotUtf8, Row
from adapters.tabular.source import Source, encoder
from application.record_import import Record, RejectedRecord
from domain.errors import Invalid, Problem, Violation
from domain.text import strip_invisible

ERROR_COLUMNS: Final = ("line", "errors")
"""The first columns of a file of rejected records. Imports ignore them."""

_MISSING: Final = Problem("missing", "must be a column")
_WRONG_CELL_COUNT: Final = Problem(
    "wrong_number_of_cells", "must have as many cells as the header row"
)
_MAX_CELLS: Final = 500
"""A row with more cells is held as text, because a batch of rows is in memory at once."""
_MAX_DIGITS: Final = 15
"""Spreadsheet programs round numbers that have more digits."""
_MAX_LISTED_COLUMNS: Final = 100
_MAX_NAME_LENGTH: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """The options for reading a file.

    `encoding` and `delimiter` are recognized if they are None. `columns` maps attributes to the
    headers of the columns, or the names of the members, that have their values. `ignore_unknown`
    skips unknown columns and members.
    """

    encoding: str | None = None
    delimiter: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    ignore_unknown: bool = False


_DEFAULT_READ_OPTIONS: Final = ReadOptions()


class Records(Protocol):
    """The records of a file. Rejected records can be written to another file, with their errors."""

    def __iter__(self) -> Iterator[Record]: ...

    def header(self) -> bytes:
        """Returns the beginning of a file of rejected records."""

    def rejected_row(self, rejected: RejectedRecord) -> bytes:
        """Returns a rejected record with its line and errors, in the format of the file."""


class UnknownColumns(Invalid):
    """The header row has unknown columns, and possibly other errors.

    `columns` are the headers of the unknown columns. `missing` are the required attributes without
    a column. `others` are the other errors.
    """

    def __init__(
        self,
        columns: Sequence[str],
        resource: Resource,
        missing: Sequence[str],
        others: Iterable[Violation],
    ) -> None:
        example = _example_mapping(columns, [*resource.settable], missing)
        names = ", ".join(map(_quote, columns[:_MAX_LISTED_COLUMNS]))
        more = (
            f" and {len(columns) - _MAX_LISTED_COLUMNS:,} more"
            if len(columns) > _MAX_LISTED_COLUMNS
            else ""
        )
        known = [*resource.settable]
        ignored = ["id", *(name for name in resource.attributes if name not in known)]
        detail = (
            f"has unknown columns: {names}{more}. Known columns: {', '.join(known)}; ignored: "
            f"{', '.join(ignored)}. Map a column with --column {example}, or skip "
            "unknown ones with --ignore-unknown"
        )
        unknown = Violation("the header row", Problem("unknown_attribute", detail))
        super().__init__([unknown, *others])
        self.columns = columns
        self.missing = missing


def _example_mapping(columns: Sequence[str], known: Sequence[str], missing: Sequence[str]) -> str:
    """Returns a probable mapping of a column, or a placeholder."""
    from difflib import get_close_matches

    for column in columns[:_MAX_LISTED_COLUMNS]:
        normal = _normalize(column)[:_MAX_NAME_LENGTH]
        words = normal.replace("-", "").replace("_", " ").split()
        for name in missing or known:
            if name in words or get_close_matches(normal, [name]):
                return f"{name}={_quote(column)}"
    return "ATTR=HEADER"


class _Names:
    """The names of columns and members, ignoring case and surrounding space.

    `mapped` maps the normalized headers of ReadOptions.columns to their attributes.
    """

    def __init__(self, resource: Resource, options: ReadOptions) -> None:
        self.mapped = {_normalize(header): name for name, header in options.columns.items()}
        known = {"id", *resource.declared, *ERROR_COLUMNS}
        self._known = {_normalize(name): name for name in known} | self.mapped

    def attribute(self, header: str) -> str:
        """Returns the attribute or other known name of a header. Empty if the header is unknown."""
        return self._known.get(_normalize(header), "")


def _secrets(resource: Resource) -> frozenset[str]:
    """Returns the attributes that files of rejected records must not contain."""
    return frozenset(name for name, each in resource.settable.items() if each.secret)


def _normalize(name: str) -> str:
    return strip_invisible(name).casefold()


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
        options: ReadOptions = _DEFAULT_READ_OPTIONS,
    ) -> None:
        source = Source(file, options.encoding)
        names = _Names(resource, options)
        self._reader = csv.Reader(source, source.offset)
        self._sep_line = delimiters.set_delimiter(
            self._reader, options.delimiter, _known_column_counter(names)
        )
        self._encode = encoder(source.encoding)
        line = self._reader.peek() or ""
        self._rows = iter(self._reader)
        header = _Header(next(self._rows, None), names, line, self._reader.delimiter)
        columns = header.check(resource, required, options)
        self._header = header.cells
        self._columns = columns
        self._names = [name for name in columns if name in resource.settable]
        self._indexes = [columns.index(name) for name in self._names]
        self._get_cells = _cell_getter(self._indexes)
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
        self._error_column_indexes = {
            index for index, name in enumerate(columns) if name in ERROR_COLUMNS
        }
        secrets = _secrets(resource)
        self._secret_indexes = {index for index, name in enumerate(columns) if name in secrets}
        self._unnamed_indexes = [
            index
            for index, name in enumerate(columns)
            if not name and not _normalize(header.cells[index]) and not options.ignore_unknown
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
            if _normalize(cells[index]):
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
        detail = f"has the value {_quote(cells[index])} in column {index + 1}, which has no header"
        return Problem("unnamed_column", detail)

    def header(self) -> bytes:
        sep_line = self._encode(f"{self._sep_line}\n") if self._sep_line else b""
        headers = [*ERROR_COLUMNS, *self._repeated_cells(self._header)]
        return sep_line + self._encode_row(headers)

    def rejected_row(self, rejected: RejectedRecord) -> bytes:
        cells: Any = rejected.record.source
        if isinstance(cells, str):
            cells = csv.split_line(cells, self._reader.delimiter)
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


def _cell_getter(indexes: Sequence[int]) -> Callable[[Sequence[str]], Sequence[str]]:
    """Returns a function that gets the cells at these indexes."""
    if len(indexes) > 1:  # with a single index, itemgetter returns no tuple
        return itemgetter(*indexes)
    return lambda cells: [cells[index] for index in indexes]


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


def _known_column_counter(names: _Names) -> Callable[[csv.Cells], int]:
    """Returns a function that counts the known columns of a header row."""
    return lambda cells: sum(1 for cell in cells if names.attribute(cell))


class _Header:
    """The header row of a CSV file, which begins with `line`.

    The constructor raises Invalid if there is no header row.
    """

    def __init__(
        self, row: Row[csv.Cells] | None, names: _Names, line: str, delimiter: str
    ) -> None:
        if row is None or row.content is None:
            raise Invalid([Violation("the first line", _missing_header(row))])
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
        """Returns the attribute or other known name of each column. Empty for unknown columns.

        Raises Invalid if a column is unknown, repeated or missing, or if the delimiter is wrong.
        """
        columns = [self._names.attribute(cell) for cell in self.cells]
        unknown = [
            cell
            for cell, name in zip(self.cells, columns, strict=True)
            if not name and _normalize(cell)
        ]
        if unknown:
            self._check_delimiter()
        headers = set(map(_normalize, self.cells))
        missing = [name for name in required if name not in columns and name not in options.columns]
        violations = [
            *(Violation(name, _MISSING) for name in missing),
            *(
                Violation(_quote(header), Problem("missing", f"must be a column, for {name}"))
                for name, header in options.columns.items()
                if _normalize(header) not in headers
            ),
            *(Violation(*each) for each in self._repeated_columns(columns)),
        ]
        if unknown and not options.ignore_unknown:
            raise UnknownColumns(unknown, resource, missing, violations)
        if violations:
            raise Invalid(violations)
        return columns

    def _check_delimiter(self) -> None:
        """Raises Invalid if more columns are known with another delimiter."""
        other = delimiters.better_delimiter(
            self._line, self._delimiter, _known_column_counter(self._names)
        )
        if other is not None:
            detail = (
                f"has more known columns if its delimiter is {_quote(other)} instead of "
                f"{_quote(self._delimiter)}. Use --delimiter {_quote(other)}"
            )
            raise Invalid([Violation("the header row", Problem("wrong_delimiter", detail))])

    def _repeated_columns(self, columns: Sequence[str | None]) -> Iterator[tuple[str, Problem]]:
        """Yields each name that several columns have, with its problem."""
        headers_by_name: dict[str, list[str]] = {}
        for header, name in zip(self.cells, columns, strict=True):
            if name:
                headers_by_name.setdefault(name, []).append(header)
        for name in sorted(headers_by_name):
            headers = list(dict.fromkeys(headers_by_name[name]))
            if len(headers_by_name[name]) > 1:
                detail = "is the name of two columns"
                if len(headers) > 1:
                    detail = f"is two columns: {_quote(headers[0])} and {_quote(headers[1])}"
                yield name, Problem("repeated_attribute", detail)


def _missing_header(row: Row[csv.Cells] | None) -> Problem:
    """Returns the reason why there is no header row."""
    detail = "must be a header row in UTF-8"
    if row is None:
        detail += ". The file is empty"
    elif isinstance(row.problem, NotUtf8):
        detail = f"must be a header row, but it {row.problem.detail}"
    elif row.problem:
        detail += f", and {row.problem.detail}"
    return Problem("no_header", detail)


def _quote(name: str) -> str:
    """Returns a text of the file in quotes, shortened and with escapes for control characters."""
    return repr(name[:_MAX_NAME_LENGTH])


class JsonRecords(Records):
    """The records of a file of JSON Lines, or of one JSON array.

    The constructor raises Invalid if the first line shows that the file is not JSON Lines.
    """

    def __init__(
        self,
        file: BinaryIO,
        resource: Resource,
        _: Collection[str],
        options: ReadOptions = _DEFAULT_READ_OPTIONS,
    ) -> None:
        source = Source(file, options.encoding)
        names = _Names(resource, options)
        _check_json(source.head, names)
        self._rows = jsonl.read_text(source, source.offset)
        self._encode = encoder(source.encoding)
        self._names = names
        self._ignore_unknown = options.ignore_unknown
        self._settable = resource.settable.keys()
        secrets = _secrets(resource)
        self._not_repeated = {*ERROR_COLUMNS, *secrets}
        mapped = (header for header, name in names.mapped.items() if name in secrets)
        self._secret_names = [*map(_normalize, secrets), *mapped]
        ignored = {"id", *resource.attributes, *ERROR_COLUMNS} - resource.settable.keys()
        self._ignored = ignored - names.mapped.keys()
        self._exact_names = frozenset(resource.settable) - names.mapped.keys()
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
                source = {} if self._may_have_secret(row.text) else {"text": row.text}
                yield Record(row.line, {}, source, row.problem, row.item)
                continue
            ignored, problem = self._ignored, None
            attributes = {name: value for name, value in row.content.items() if name not in ignored}
            if not self._exact_names.issuperset(attributes):
                attributes, problem = self._rename_members(attributes)
            for name in self._emails:
                if isinstance(value := attributes.get(name), str):
                    attributes[name] = strip_invisible(value)
            for name, kind in self._converted:
                if name in attributes:
                    # An invalid value remains, and the domain rejects it with the reason.
                    with suppress(ValidationError):
                        attributes[name] = kind.deserialize(attributes[name])
            yield Record(row.line, attributes, row.content, problem, row.item)

    def _may_have_secret(self, text: str) -> bool:
        """Returns True if a text that is not JSON contains the name of a secret member."""
        folded = text.casefold()
        return any(name in folded for name in self._secret_names)

    def _rename_members(self, members: Mapping[str, Any]) -> tuple[dict[str, Any], Problem | None]:
        """Returns the members under the names of their attributes, or a problem.

        A member whose name equals that of the attribute takes precedence. Another member for the
        same attribute keeps its name, and is then rejected as unknown.
        """
        attributes = {name: value for name, value in members.items() if name in self._exact_names}
        for name, value in members.items():
            if name in self._exact_names:
                continue
            attribute = self._names.attribute(name)
            if not attribute:
                if not self._ignore_unknown:
                    attributes[name] = value
            elif attribute in self._settable:
                if attribute in attributes and _normalize(name) in self._names.mapped:
                    detail = f"has two members for {attribute}: one of them is {_quote(name)}"
                    return {}, Problem("repeated_attribute", detail)
                attributes[name if attribute in attributes else attribute] = value
        return attributes, None

    def header(self) -> bytes:
        return b""

    def rejected_row(self, rejected: RejectedRecord) -> bytes:
        source: Any = rejected.record.source
        attributes = {
            name: value
            for name, value in source.items()
            if self._names.attribute(name) not in self._not_repeated
        }
        errors = [str(error) for error in rejected.errors]
        (line,) = jsonl.write([{"line": rejected.record.line, "errors": errors} | attributes])
        return self._encode(line.decode("utf-8"))


def _check_json(head: bytes, names: _Names) -> None:
    """Raises Invalid if the first line shows that the file is not JSON Lines."""
    line = head.split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    if line == "{":
        detail = "must be a complete object, or the file must be one array of objects"
        raise Invalid([Violation("each line", Problem("malformed_json", detail))])
    if not line.startswith(("{", "[")) and any(
        _known_column_counter(names)(csv.split_line(line, delimiter)) > 1
        for delimiter in delimiters.KNOWN
    ):
        detail = "seems to be CSV, not JSON. Use --format csv"
        raise Invalid([Violation("the file", Problem("malformed_json", detail))])


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOptions:
    """The options for writing a file.

    `fields` are the attributes that are written in addition to the id; None means all.
    `byte_order_mark` and `protection` apply to CSV only.
    """

    fields: Collection[str] | None = None
    byte_order_mark: bool = False
    protection: "SpreadsheetProtection | None" = None

    def selected(self, resource: Resource) -> "dict[str, Kind]":
        """Returns the attributes to write, in the order of their declaration."""
        return {
            name: each.field
            for name, each in resource.attributes.items()
            if self.fields is None or name in self.fields
        }


_DEFAULT_WRITE_OPTIONS: Final = WriteOptions()


class SpreadsheetProtection:
    """Protects cells that a spreadsheet program would evaluate or convert, and counts them."""

    def __init__(self) -> None:
        self.count = 0

    def rows(self, rows: Iterable[Sequence[str]], kinds: Sequence[Kind]) -> Iterator[list[str]]:
        """Yields the rows with protected cells. A row consists of an id and a cell of each kind."""
        protectors = [_protector(kind) for kind in kinds]
        for row in rows:
            id_, *cells = row
            protected = [protect(cell) for protect, cell in zip(protectors, cells, strict=True)]
            self.count += sum(map(str.__ne__, cells, protected))
            yield [id_, *protected]


def _protector(kind: Kind) -> Callable[[str], str]:
    """Returns a function that protects a cell of the kind.

    Spreadsheet programs should recognize booleans, dates, and numbers that they do not round.
    """
    if isinstance(kind, Boolean | Date | Timestamp):
        return str
    if isinstance(kind, Integer | Decimal):
        return lambda cell: f"'{cell}" if sum(map(str.isdigit, cell)) > _MAX_DIGITS else cell
    return spreadsheets.protect


class CsvExporter(Protocol):
    """A store that can write all entities of a resource as CSV, faster than write_csv."""

    @property
    def available(self) -> bool:
        """True if the store supports it."""

    def write(self, names: Sequence[str], file: "Writable") -> None:
        """Writes a row of the named attributes for each entity, in the order of the ids.

        The first name must be "id". Each row is one call of `file.write`.
        """


class Writable(Protocol):
    """A file that can be written."""

    def write(self, data: bytes, /) -> object: ...


def copy_csv(
    exporter: CsvExporter,
    resource: Resource,
    file: Writable,
    options: WriteOptions = _DEFAULT_WRITE_OPTIONS,
) -> None:
    """Writes all entities in the order of their ids, as write_csv does, but much faster.

    Does not protect cells from spreadsheet programs.
    """
    names = ["id", *options.selected(resource)]
    file.write(_csv_header(names, options))
    exporter.write(names, _ProtectingWriter(file))


class _ProtectingWriter:
    """Writes rows to a file, and adds an apostrophe to cells that look protected."""

    def __init__(self, file: Writable) -> None:
        self._write = file.write

    def write(self, row: bytes, /) -> object:
        """Writes a row. Divides it into cells only if one may look protected."""
        if b"'" in row and spreadsheets.PROTECTED.search(text := row.decode()):
            row = spreadsheets.protect_row_again(text).encode()
        return self._write(row)


def write_csv(
    entities: Iterable[Any], resource: Resource, options: WriteOptions = _DEFAULT_WRITE_OPTIONS
) -> Iterator[bytes]:
    """Yields the header row, and a row with the id and the attributes of each entity.

    Adds an apostrophe to cells that look protected, because an import removes one.
    """
    fields = options.selected(resource)
    yield _csv_header(["id", *fields], options)
    rows: Iterable[Sequence[str]] = map(resource.csv_row, entities)
    if options.fields is not None:
        rows = map(_cell_getter([0, *_indexes_of(resource, fields)]), rows)
    if options.protection:
        yield from csv.write(options.protection.rows(rows, [*fields.values()]))
    else:
        yield from csv.write(rows, protect=spreadsheets.protect_again)


def _csv_header(names: Sequence[str], options: WriteOptions) -> bytes:
    mark = codecs.BOM_UTF8 if options.byte_order_mark else b""
    return mark + b"".join(csv.write([names]))


def _indexes_of(resource: Resource, fields: Collection[str]) -> Iterator[int]:
    """Returns the indexes of the fields in Resource.csv_row."""
    return (index for index, name in enumerate(resource.attributes, 1) if name in fields)


def write_jsonl(
    entities: Iterable[Any], resource: Resource, options: WriteOptions = _DEFAULT_WRITE_OPTIONS
) -> Iterator[bytes]:
    """Yields a line with the id and the attributes of each entity, as in JSON:API."""
    fields = options.selected(resource)
    getters = [
        ("id", _json_getter("id", resource.id)),
        *((name, _json_getter(name, field)) for name, field in fields.items()),
    ]
    return jsonl.write({name: get(entity) for name, get in getters} for entity in entities)


def _json_getter(name: str, field: Kind) -> Callable[[Any], Any]:
    """Returns a function that gets the JSON value of an entity's attribute."""
    get = attrgetter(name)
    if field.json_is_value:
        return get

    def get_json(entity: Any) -> Any:
        value = get(entity)
        return None if value is None else field.to_json(value)

    return get_json


@dataclass(frozen=True, slots=True)
class Format:
    """The reader and the writer of a file format."""

    read: Callable[..., Records]
    write: Callable[..., Iterator[bytes]]


FORMATS: Final[Mapping[str, Format]] = {
    "csv": Format(CsvRecords, write_csv),
    "jsonl": Format(JsonRecords, write_jsonl),
}
