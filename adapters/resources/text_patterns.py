"""Patterns of text in JSON Schema, for the rules `single_line` and `multiple_lines` of the domain.

The patterns do not exclude invisible characters beyond U+FFFF, because dialects of regular
expressions write such characters differently.
"""

from typing import Final

from adapters.jsonapi.kinds import WHITE_SPACE
from domain.text import BLANK_SYMBOL, DEFAULT_IGNORABLE

_CONTROL: Final = r"\u0000-\u001f\u007f-\u009f"
_CONTROL_IN_LINES: Final = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f"
_LINE_SEPARATORS: Final = r"\u2028\u2029"
_IGNORABLE: Final = "".join(
    rf"\u{first:04x}-\u{last:04x}" for first, last in DEFAULT_IGNORABLE if last <= 0xFFFF
)
_INVISIBLE: Final = rf"{_CONTROL}{WHITE_SPACE}{_IGNORABLE}\u{BLANK_SYMBOL:04x}"


def _visible_without(excluded: str, invisible: str = _INVISIBLE) -> str:
    """Returns the pattern of a text with a visible character and without those excluded."""
    return f"[^{excluded}]*[^{invisible}][^{excluded}]*"


LINE: Final = _visible_without(_CONTROL + _LINE_SEPARATORS)
LISTED_LINE: Final = _visible_without(f"{_CONTROL}{_LINE_SEPARATORS},", f"{_INVISIBLE},")
"""The pattern of a line in a list that is separated by commas."""

LINES: Final = _visible_without(_CONTROL_IN_LINES + _LINE_SEPARATORS)
LISTED_LINES: Final = _visible_without(f"{_CONTROL_IN_LINES}{_LINE_SEPARATORS},", f"{_INVISIBLE},")
"""The pattern of several lines in a list that is separated by commas."""
