"""Protection of cells from spreadsheet programs."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from adapters.jsonapi.kinds import Boolean, Date, Decimal, Id, Integer, Kind, Timestamp
from adapters.tabular import spreadsheets

_MAX_DIGITS: Final = 15
"""Spreadsheet programs round numbers that have more digits."""


class SpreadsheetProtection:
    """Protects cells that a spreadsheet program would evaluate or convert, and counts them."""

    def __init__(self) -> None:
        self.count = 0

    def rows(self, rows: Iterable[Sequence[str]], kinds: Sequence[Kind]) -> Iterator[list[str]]:
        """Yields the rows with protected cells. A row has a cell of each kind."""
        protectors = [_protector(kind) for kind in kinds]
        for row in rows:
            protected = [protect(cell) for protect, cell in zip(protectors, row, strict=True)]
            self.count += sum(map(str.__ne__, row, protected))
            yield protected


def _protector(kind: Kind) -> Callable[[str], str]:
    """Returns a function that protects a cell of the kind.

    Spreadsheet programs should recognize booleans, dates, ids, and numbers that they do not round.
    """
    if isinstance(kind, Boolean | Date | Id | Timestamp):
        return str
    if isinstance(kind, Integer | Decimal):
        return lambda cell: f"'{cell}" if sum(map(str.isdigit, cell)) > _MAX_DIGITS else cell
    return spreadsheets.protect
