"""Recognition of the delimiter of a CSV file by its first lines."""

import re
from collections.abc import Callable
from itertools import islice
from typing import Final

from adapters.tabular.csv import Cells, Reader, split_record

KNOWN: Final = (",", ";", "\t")
"""The delimiters that are recognized if no delimiter is chosen."""
NAMES: Final = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
"""Names that users can give for delimiters."""

_SEP_LINE: Final = re.compile(r'"?sep=([^"])"?', re.IGNORECASE)
_POSSIBLE_DELIMITER: Final = re.compile(r"[^\w\"\s-]")
_NOT_DELIMITERS: Final = '"\r\n\0'
_MAX_CANDIDATES: Final = 20


def is_delimiter(delimiter: str) -> bool:
    """Returns True if the text is one character that can separate cells."""
    is_surrogate = "\ud800" <= delimiter < "\ue000"
    return len(delimiter) == 1 and delimiter not in _NOT_DELIMITERS and not is_surrogate


def set_delimiter(
    reader: Reader, chosen: str | None, count_known: Callable[[Cells], int]
) -> str | None:
    """Sets the delimiter of a reader before its first row. Skips and returns a line like `sep=;`.

    The delimiter is the chosen one, or that of the `sep=` line. Otherwise it is the known delimiter
    by which the header has the most known columns. If several have as many, the one with the most
    columns is used. `count_known` returns the number of known columns of a header.
    """
    line = _next_line_with_text(reader)
    sep_line = _SEP_LINE.fullmatch(line.strip(" ")) if line else None
    if sep_line:
        reader.skip()
        line = _next_line_with_text(reader)
    if chosen is None and sep_line and is_delimiter(sep_line[1]):
        chosen = sep_line[1]
    reader.delimiter = chosen or _recognize(reader.peek_record() or "", count_known)
    return f"sep={sep_line[1]}" if sep_line else None


def better_delimiter(header: str, used: str, count_known: Callable[[Cells], int]) -> str | None:
    """Returns another delimiter by which a header has more known columns, and at least two."""
    candidates = dict.fromkeys((*KNOWN, *_POSSIBLE_DELIMITER.findall(header)))
    counts = {
        each: count_known(split_record(header, each))
        for each in islice(candidates, _MAX_CANDIDATES)
    }
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] > max(1, count_known(split_record(header, used))) else None


def _next_line_with_text(reader: Reader) -> str | None:
    """Returns the next line that has characters other than spaces, quotes and delimiters."""
    while (line := reader.peek()) is not None and not line.strip(' \t,;"'):
        reader.skip()
    return line


def _recognize(header: str, count_known: Callable[[Cells], int]) -> str:
    def score(delimiter: str) -> tuple[int, int]:
        cells = split_record(header, delimiter)
        return count_known(cells), len(cells)

    return max(KNOWN, key=score)
