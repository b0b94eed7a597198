"""Writes entities as CSV and as JSON Lines."""

import codecs
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, Protocol

from adapters.files.protection import SpreadsheetProtection
from adapters.jsonapi.kinds import Kind
from adapters.jsonapi.resource import Resource
from adapters.tabular import csv, jsonl, spreadsheets


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOptions:
    """The options for writing a file.

    `fields` are the attributes that are written in addition to the id; None means all.
    `byte_order_mark` and `protection` apply to CSV only.
    """

    fields: Collection[str] | None = None
    byte_order_mark: bool = False
    protection: SpreadsheetProtection | None = None

    def selected(self, resource: Resource) -> dict[str, Kind]:
        """Returns the attributes to write, in the order of their declaration."""
        return {
            name: each.field
            for name, each in resource.attributes.items()
            if self.fields is None or name in self.fields
        }


_DEFAULT_WRITE_OPTIONS: Final = WriteOptions()


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
    file.write(csv_header(names, byte_order_mark=options.byte_order_mark))
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
    yield csv_header(["id", *fields], byte_order_mark=options.byte_order_mark)
    rows: Iterable[Sequence[str]] = map(resource.csv_row, entities)
    if options.fields is not None:
        rows = map(csv.cell_getter([0, *_indexes_of(resource, fields)]), rows)
    if options.protection:
        yield from csv.write(options.protection.rows(rows, [resource.id, *fields.values()]))
    else:
        yield from csv.write(rows, protect=spreadsheets.protect_again)


def csv_header(names: Sequence[str], *, byte_order_mark: bool) -> bytes:
    """Returns the header row, which is the beginning of a CSV file."""
    mark = codecs.BOM_UTF8 if byte_order_mark else b""
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
