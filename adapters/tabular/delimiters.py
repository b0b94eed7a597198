"""The delimiter of a CSV file, recognised by its first lines."""

import re
from collections.abc import Callable
from itertools import islice
from typing import Final

from adapters.tabular.csv import Cells, Reader, cells_of

KNOWN: Final = (",", ";", "\t")
"""The delimiters that are recognised."""
NAMES: Final = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
"""Other words for delimiters."""

_DECLARED: Final = re.compile(r'"?sep=([^"])"?', re.IGNORECASE)
_SEPARATOR: Final = re.compile(r"[^\w\"\s-]")
_NOT_BETWEEN_CELLS: Final = '"\r\n\0'
_MAX_CANDIDATES: Final = 20


def usable(delimiter: str) -> bool:
    """Whether it is one character that can be between cells."""
    return (
        len(delimiter) == 1 and delimiter not in '"\r\n\0' and not "\ud800" <= delimiter < "\ue000"
    )


def set_delimiter(
    reader: Reader, chosen: str | None, count_known: Callable[[Cells], int]
) -> str | None:
    """Set the delimiter of a reader that has read nothing yet, and skip a first line `sep=;`.

    A choice comes first, then such a line. Otherwise it is the one by which the header has the most
    known columns, then the most columns. Returns the line `sep=;`, if there is one.
    """
    line = _next_with_text(reader)
    declared = _DECLARED.fullmatch(line.strip(" ")) if line else None
    if declared:
        reader.skip()
        line = _next_with_text(reader)
    if chosen is None and declared and usable(declared[1]):
        chosen = declared[1]
    reader.delimiter = chosen or _recognised(line or "", count_known)
    return f"sep={declared[1]}" if declared else None


def better(line: str, used: str, count_known: Callable[[Cells], int]) -> str | None:
    """Another delimiter by which a header has more known columns, and not only one."""
    others = dict.fromkeys((*KNOWN, *_SEPARATOR.findall(line)))
    counts = {each: count_known(cells_of(line, each)) for each in islice(others, _MAX_CANDIDATES)}
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] > max(1, count_known(cells_of(line, used))) else None


def _next_with_text(reader: Reader) -> str | None:
    """The next line in which there is more than delimiters."""
    while (line := reader.peek()) is not None and not line.strip(' \t,;"'):
        reader.skip()
    return line


def _recognised(line: str, count_known: Callable[[Cells], int]) -> str:
    def goodness(delimiter: str) -> tuple[int, int]:
        cells = cells_of(line, delimiter)
        return count_known(cells), len(cells)

    return max(KNOWN, key=goodness)
