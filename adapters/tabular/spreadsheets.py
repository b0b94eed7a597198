"""Cells that spreadsheet programs would change: they evaluate formulas and convert numbers.

An apostrophe in front protects such a cell: programs then keep it as text. A file that is read
loses exactly one apostrophe from such a cell, so files that are written always get one more in
front of a cell that has both already. https://owasp.org/www-community/attacks/CSV_Injection lists
the characters.
"""

import re
from typing import Final

_BLANKS: Final = " \t\n\v\f\r\u00a0\u200b\ufeff"
_SIGNS: Final = "=+@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212"
_TRUTH: Final = "[tT][rR][uU][eE]|[fF][aA][lL][sS][eE]"

_CHANGED: Final = rf"(?:[{_BLANKS}]*[-{_SIGNS}]|[\t\n\r]|[0-9.,][-0-9.,:/%eE +]*\Z|(?:{_TRUTH})\Z)"
"""A regular expression that matches, at their beginning, the cells that programs change."""
PROTECTED: Final = re.compile(rf"'(?<!\w')[-{_BLANKS}{_SIGNS}0-9.,tTfF]")
"""Finds whatever could be a protected cell in a text with many cells."""

_PROTECTABLE: Final = re.compile(f"'*{_CHANGED}")
_PROTECTED_CELL: Final = re.compile(f"'+{_CHANGED}")


def protect(cell: str) -> str:
    """The cell with an apostrophe in front if a program would change it or it looks protected."""
    return f"'{cell}" if _PROTECTABLE.match(cell) else cell


def protect_again(cell: str) -> str:
    """The cell with one more apostrophe in front if it looks protected."""
    return f"'{cell}" if _PROTECTED_CELL.match(cell) else cell


def unprotect(cell: str) -> str:
    """The cell without the apostrophe that protects it."""
    return cell[1:] if _PROTECTED_CELL.match(cell) else cell
