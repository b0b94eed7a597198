"""Writes files of pairs: a row or an object for each pair, with a value for each side."""

import codecs
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from adapters.tabular import csv, jsonl, spreadsheets

Pair = tuple[str, str]


class PairProtection:
    """Protects cells that a spreadsheet program would evaluate or convert, and counts them."""

    def __init__(self) -> None:
        self.count = 0

    def rows(self, pairs: Iterable[Pair]) -> Iterator[list[str]]:
        """Yields the rows with protected cells."""
        for pair in pairs:
            row = [*map(spreadsheets.protect, pair)]
            self.count += sum(map(str.__ne__, pair, row))
            yield row


def write_csv(
    pairs: Iterable[Pair],
    names: Sequence[str],
    *,
    byte_order_mark: bool = False,
    protection: PairProtection | None = None,
) -> Iterator[bytes]:
    """Yields the header row, and a row for each pair.

    Adds an apostrophe to cells that look protected, because an import removes one.
    """
    yield (codecs.BOM_UTF8 if byte_order_mark else b"") + b"".join(csv.write([names]))
    if protection:
        yield from csv.write(protection.rows(pairs))
    else:
        yield from csv.write(pairs, protect=spreadsheets.protect_again)


def write_jsonl(pairs: Iterable[Pair], names: Sequence[str], **_: object) -> Iterator[bytes]:
    """Yields a line with an object for each pair."""
    return jsonl.write(dict(zip(names, pair, strict=True)) for pair in pairs)


WRITERS: Final[Mapping[str, Callable[..., Iterator[bytes]]]] = {
    "csv": write_csv,
    "jsonl": write_jsonl,
}
