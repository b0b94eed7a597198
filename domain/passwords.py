"""Rules of passwords. A length is a number of code points after NFKC."""

import unicodedata
from typing import Final

from domain.errors import Problem
from domain.text import storable

MAX_LENGTH: Final = 256
_MAX_INPUT: Final = 4 * MAX_LENGTH
"""The maximum number of characters to normalize. Normalization sorts the combining marks of a text,
which takes time that grows with the square of their number. NFKC composes at most four code points
to one, so a longer text is also too long after NFKC."""


def normalize(password: str) -> str:
    """Returns the NFKC form of a password (NIST SP 800-63B-4, section 3.1.1.2).

    Leaves a text unchanged that is too long to be normalized. No password is that long.
    """
    if password.isascii() or len(password) > _MAX_INPUT:
        return password
    return unicodedata.normalize("NFKC", password)


def violation(password: str, *, min_length: int) -> Problem | None:
    """Returns the rule that a new password breaks, or None.

    All characters are allowed except control characters, NUL and lone surrogates.
    """
    if problem := storable(password):
        return problem
    normalized = normalize(password)
    if len(normalized) > MAX_LENGTH:
        return Problem("too_long", f"must have at most {MAX_LENGTH} characters")
    if any(unicodedata.category(each) == "Cc" for each in normalized):
        return Problem("control_character", "must not contain control characters")
    if len(normalized) < min_length:
        return Problem("too_short", f"must have at least {min_length} characters")
    return None
