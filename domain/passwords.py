"""The rules of passwords (NIST SP 800-63B-4, section 3.1.1.2)."""

import re
import unicodedata
from typing import Final

from domain.errors import Problem
from domain.text import storable

LONGEST: Final = 256
_LONGEST_INPUT: Final = 4 * LONGEST
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")


def normalize(password: str) -> str:
    """Returns the password in NFKC, so that the same keys give the same password everywhere.

    A text that is too long for any password is only cut.
    """
    if len(password) > _LONGEST_INPUT:
        return password[:_LONGEST_INPUT]
    return unicodedata.normalize("NFKC", password)


def violation(password: str, *, min_length: int) -> Problem | None:
    """Returns the problem of a new password. None if it follows the rules."""
    if problem := storable(password):
        return problem
    normalized = normalize(password)
    if _CONTROL.search(normalized):
        return Problem("control_character", "must not contain control characters")
    if len(normalized) > LONGEST:
        return Problem("too_long", f"must have at most {LONGEST} characters")
    if len(normalized) < min_length:
        return Problem("too_short", f"must have at least {min_length} characters")
    return None
