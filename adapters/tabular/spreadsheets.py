"""Protection of cells that spreadsheet programs would evaluate as formulas or convert to numbers.

An apostrophe before such a cell protects it: programs then treat it as text. An import removes
exactly one apostrophe from a protected cell. So an export always adds an apostrophe to a cell that
looks protected. https://owasp.org/www-community/attacks/CSV_Injection lists the characters.
"""

import re
from typing import Final

_BLANKS: Final = " \t\n\v\f\r\u00a0\u200b\ufeff"
_SIGNS: Final = "=+@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212"
_BOOLEAN: Final = "[tT][rR][uU][eE]|[fF][aA][lL][sS][eE]"

_CHANGED: Final = (
    rf"(?:[{_BLANKS}]*[-{_SIGNS}]|[\t\n\r]|[0-9.,][-0-9.,:/%eE +]*\Z|(?:{_BOOLEAN})\Z)"
)
"""A regular expression that matches the beginning of the cells that programs change."""
PROTECTED: Final = re.compile(rf"'(?<!\w')[-{_BLANKS}{_SIGNS}0-9.,tTfF]")
"""Finds possible protected cells in a text of many cells, to skip the check of each cell."""

_PROTECTABLE: Final = re.compile(f"'*{_CHANGED}")
_PROTECTED_CELL: Final = re.compile(f"'+{_CHANGED}")
_CELL: Final = re.compile(r'"((?:[^"]++|"")*+)"|[^,"\n]+')
"""A cell of CSV that is not empty. If it is quoted, the group is the text between the quotes."""


def protect(cell: str) -> str:
    """Adds an apostrophe before the cell if a program would change it or it looks protected."""
    return f"'{cell}" if _PROTECTABLE.match(cell) else cell


def protect_again(cell: str) -> str:
    """Adds an apostrophe before the cell if it looks protected."""
    return f"'{cell}" if _PROTECTED_CELL.match(cell) else cell


def protect_row_again(row: str) -> str:
    """Adds an apostrophe before each cell of a row of CSV that looks protected."""
    return _CELL.sub(_protect_cell_again, row)


def _protect_cell_again(match: re.Match[str]) -> str:
    quoted = match[1]
    cell = match[0] if quoted is None else quoted.replace('""', '"')
    if not _PROTECTED_CELL.match(cell):
        return match[0]
    return f"'{cell}" if quoted is None else f'"\'{quoted}"'


def unprotect(cell: str) -> str:
    """Removes the apostrophe that protects the cell, if there is one."""
    return cell[1:] if _PROTECTED_CELL.match(cell) else cell
