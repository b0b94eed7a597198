"""Protection of cells from spreadsheet programs."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from adapters.jsonapi.kinds import Boolean, Date, Decimal, Integer, Kind, Timestamp
from adapters.tabular import spreadsheets

_MAX_DIGITS: Final = 15
"""Spreadsheet programs round numbers that have more digits."""


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
