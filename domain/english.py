"""English in messages: articles, and numbers of things."""

import re
from typing import Final

_BEGINS_WITH_VOWEL: Final = re.compile(
    r"(?!eu|one\b|once\b|u[^aeiou][aeiou])[aeiou]|(?:heir|hour|honou?r)", re.IGNORECASE
)
"""Matches a word that is spoken with a vowel at its start: an invoice, but a user."""


def with_article(noun: str) -> str:
    """Returns the noun after "a" or "an"."""
    return f"{'an' if _BEGINS_WITH_VOWEL.match(noun) else 'a'} {noun}"


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Returns the number with the noun, such as "1 user" or "2,000 users".

    `plural` is the form for all numbers except 1. By default, it is the noun with an s.
    """
    return f"1 {noun}" if count == 1 else f"{count:,} {plural or f'{noun}s'}"
