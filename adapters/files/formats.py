"""The formats of files, by their names."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from adapters.files.csv_records import CsvRecords
from adapters.files.json_records import JsonRecords
from adapters.files.reading import Records
from adapters.files.writing import write_csv, write_jsonl


@dataclass(frozen=True, slots=True)
class Format:
    """The reader and the writer of a file format."""

    read: Callable[..., Records]
    write: Callable[..., Iterator[bytes]]


FORMATS: Final[Mapping[str, Format]] = {
    "csv": Format(CsvRecords, write_csv),
    "jsonl": Format(JsonRecords, write_jsonl),
}
