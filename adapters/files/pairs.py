"""Writes files of pairs: a row or an object for each pair, with a value for each side."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from adapters.files.protection import SpreadsheetProtection
from adapters.files.writing import csv_header
from adapters.jsonapi.kinds import Text
from adapters.tabular import csv, jsonl, spreadsheets

Pair = tuple[str, str]
_KINDS: Final = (Text(), Text())


def write_csv(
    pairs: Iterable[Pair],
    names: Sequence[str],
    *,
    byte_order_mark: bool = False,
    protection: SpreadsheetProtection | None = None,
) -> Iterator[bytes]:
    """Yields the header row, and a row for each pair.

    Adds an apostrophe to cells that look protected, because an import removes one.
    """
    yield csv_header(names, byte_order_mark=byte_order_mark)
    if protection:
        yield from csv.write(protection.rows(pairs, _KINDS))
    else:
        yield from csv.write(pairs, protect=spreadsheets.protect_again)


def write_jsonl(pairs: Iterable[Pair], names: Sequence[str], **_: object) -> Iterator[bytes]:
    """Yields a line with an object for each pair."""
    return jsonl.write(dict(zip(names, pair, strict=True)) for pair in pairs)


WRITERS: Final[Mapping[str, Callable[..., Iterator[bytes]]]] = {
    "csv": write_csv,
    "jsonl": write_jsonl,
}
