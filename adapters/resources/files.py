"""Resources in files, a record each: which columns there are, and what is read of them.

Both ways in know the same two formats:

    csv     a header row, then a row for each; every cell is text
    jsonl   an object on each line
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, BinaryIO, Final, Protocol

from marshmallow import ValidationError

from adapters.jsonapi.kinds import Kind
from adapters.jsonapi.resource import Resource
from adapters.tabular import csv, jsonl
from adapters.tabular.lines import Row
from application.record_import import Record, RejectedRecord
from domain.errors import Invalid, Problem, Violation

ERROR_COLUMNS: Final = ("line", "errors")
"""What a file of bad records says beside them; whoever reads one again reads past these."""

_UNKNOWN: Final = Problem("unknown_attribute", "is no column that can be imported")
_REPEATED: Final = Problem("repeated_attribute", "is the name of two columns")
_MISSING: Final = Problem("missing", "must be a column")
_NO_HEADER: Final = Problem("no_header", "must be a header row in UTF-8")
_CELLS: Final = Problem("wrong_number_of_cells", "must have as many cells as the header row")
_MOST_CELLS: Final = 500
"""Of a row with more cells, only the text is held: a batch of rows is in memory at once."""


class Records(Protocol):
    """The records of a file, each of which may be kept for its mending when it proves bad."""

    def __iter__(self) -> Iterator[Record]: ...

    def header(self) -> bytes:
        """What comes before the bad ones."""

    def rejected_row(self, bad: RejectedRecord) -> bytes:
        """A bad one with its line and its errors, in the format of the file."""


class CsvRecords(Records):
    """The records of a CSV file.

    The header is read at once: Invalid where it names a column that is not the resource's, or one
    twice, or not all that are required.
    """

    def __init__(self, file: BinaryIO, resource: Resource, required: Collection[str]) -> None:
        self._rows = csv.read(file)
        self._columns = _header(next(self._rows, None), resource, required)
        self._names = [name for name in self._columns if name in resource.settable]
        self._places = [self._columns.index(name) for name in self._names]
        self._readers = [
            (name, at, _cell_reader(field))
            for name, at in zip(self._names, self._places, strict=True)
            if not (field := resource.settable[name].field).text_is_value or field.allow_none
        ]
        self._notes = {at for at, name in enumerate(self._columns) if name in ERROR_COLUMNS}

    def __iter__(self) -> Iterator[Record]:
        for row in self._rows:
            cells = row.content
            if cells is None:
                yield Record(row.line, {}, (row.text,), row.problem)
            elif len(cells) > _MOST_CELLS:
                text = _csv_row(cells).decode("utf-8", "surrogateescape").rstrip("\n")
                yield Record(row.line, {}, (text,), _CELLS)
            elif len(cells) != len(self._columns):
                yield Record(row.line, {}, self._without_notes(cells), _CELLS)
            else:
                yield Record(row.line, self._attributes(cells), cells)

    def _attributes(self, cells: csv.Cells) -> dict[str, object]:
        """What cells say of attributes. What can't be read stays text, for the domain to judge."""
        attributes: dict[str, object] = dict(
            zip(self._names, map(cells.__getitem__, self._places), strict=True)
        )
        for name, at, read in self._readers:
            if not isinstance(value := read(cells[at]), Problem):
                attributes[name] = value
        return attributes

    def header(self) -> bytes:
        return _csv_row([*ERROR_COLUMNS, *self._without_notes(self._columns)])

    def rejected_row(self, bad: RejectedRecord) -> bytes:
        cells: Any = bad.record.source
        if bad.record.problem is None:
            cells = self._without_notes(cells)
        return _csv_row([str(bad.record.line), "; ".join(map(str, bad.faults)), *cells])

    def _without_notes(self, cells: csv.Cells) -> csv.Cells:
        return tuple(cell for at, cell in enumerate(cells) if at not in self._notes)


def _csv_row(cells: Sequence[str]) -> bytes:
    return b"".join(csv.write([cells]))


def _cell_reader(field: Kind) -> Callable[[str], Any]:
    """Reads a cell: its value, or a Problem. Null is the empty cell."""
    read = field.from_text
    return (lambda cell: read(cell) if cell else None) if field.allow_none else read


def _header(row: Row[csv.Cells] | None, resource: Resource, required: Collection[str]) -> csv.Cells:
    if row is None or row.content is None:
        raise Invalid([Violation("the first line", _NO_HEADER)])
    names = row.content
    known = {"id", *resource.declared, *ERROR_COLUMNS}
    wrong = [
        *(Violation(name, _MISSING) for name in required if name not in names),
        *(Violation(_plain(name), _UNKNOWN) for name in dict.fromkeys(names) if name not in known),
        *(Violation(name, _REPEATED) for name in sorted(known) if names.count(name) > 1),
    ]
    if wrong:
        raise Invalid(wrong)
    return names


def _plain(name: str) -> str:
    """A name that somebody gave a column, fit to be shown."""
    return repr(name[:100])


class JsonRecords(Records):
    """The records of a file of JSON Lines."""

    def __init__(self, file: BinaryIO, resource: Resource, _: Collection[str]) -> None:
        self._rows = jsonl.read(file)
        self._ignored = {"id", *resource.attributes, *ERROR_COLUMNS} - resource.settable.keys()
        self._converted = [
            (name, each.field)
            for name, each in resource.settable.items()
            if not each.field.json_is_value
        ]

    def __iter__(self) -> Iterator[Record]:
        for row in self._rows:
            if row.content is None:
                yield Record(row.line, {}, {"text": row.text}, row.problem)
            else:
                attributes = {k: v for k, v in row.content.items() if k not in self._ignored}
                for name, field in self._converted:
                    if name in attributes:
                        # An invalid value is left for the domain, which says what is wrong.
                        with suppress(ValidationError):
                            attributes[name] = field.deserialize(attributes[name])
                yield Record(row.line, attributes, row.content)

    def header(self) -> bytes:
        return b""

    def rejected_row(self, bad: RejectedRecord) -> bytes:
        source: Any = bad.record.source
        attributes = {name: value for name, value in source.items() if name not in ERROR_COLUMNS}
        notes = {"line": bad.record.line, "errors": [str(fault) for fault in bad.faults]}
        return b"".join(jsonl.write([notes | attributes]))


class CsvExporter(Protocol):
    """A store that may write all entities of a resource by itself, as write_csv does."""

    @property
    def available(self) -> bool:
        """Whether the store can do it."""

    def write(self, names: Sequence[str], file: "Written") -> None:
        """The attributes of those names in rows by id, the first of them."""


class Written(Protocol):
    """What takes the parts of a file."""

    def write(self, data: bytes, /) -> object: ...


def copy_csv(exporter: CsvExporter, resource: Resource, file: Written) -> None:
    """What write_csv gives of all entities by id, in a fraction of its time."""
    names = ["id", *resource.attributes]
    file.write(_csv_row(names))
    exporter.write(names, file)


def write_csv(entities: Iterable[Any], resource: Resource) -> Iterator[bytes]:
    """The header, then the id and the attributes of each."""
    yield _csv_row(["id", *resource.attributes])
    yield from csv.write(map(resource.csv_row, entities))


def write_jsonl(entities: Iterable[Any], resource: Resource) -> Iterator[bytes]:
    """The id and the attributes of each, with the values that JSON:API documents have."""
    readers = [
        ("id", _json_reader("id", resource.id)),
        *((name, _json_reader(name, each.field)) for name, each in resource.attributes.items()),
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

    read: Callable[[BinaryIO, Resource, Collection[str]], Records]
    write: Callable[[Iterable[Any], Resource], Iterator[bytes]]


FORMATS: Final[Mapping[str, Format]] = {
    "csv": Format(CsvRecords, write_csv),
    "jsonl": Format(JsonRecords, write_jsonl),
}
