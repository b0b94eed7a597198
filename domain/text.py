"""Rules of text that several aggregates share. Lengths count code points."""

import re
import unicodedata
from collections.abc import Callable

import email_validator
from email_validator import EmailNotValidError, validate_email

from domain.errors import Problem

# Roster takes every name that has a dot (.test, .local): the library's list of reserved names is
# meant to be edited by those who use it, and there is no argument for it.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()

NOT_TEXT = Problem("wrong_type", "must be a string")
_LINE_ENDS = "\u2028\u2029"
_SLUG = re.compile(r"[a-z][a-z0-9_-]*")
# Addresses that need not be looked at any closer: in 64 characters neither a local part nor a
# label is too long, and without two hyphens in a row no label is Punycode.
_PLAIN_LENGTH = 64
_PLAIN_EMAIL = re.compile(
    r"[a-zA-Z0-9_+-]++(?:\.[a-zA-Z0-9_+-]++)*+"
    r"@(?:[a-zA-Z0-9]++(?:-[a-zA-Z0-9]++)*+\.)++[a-zA-Z]++"
)


def fold(text: str) -> str:
    """The form under which two texts count as the same: NFKC, case folding, NFKC.

    Computed here and stored, since no two databases fold alike.
    """
    if text.isascii():
        return text.lower()
    once = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", once)


def storable(value: str) -> Problem | None:
    """NUL and lone surrogates are no text: databases and UTF-8 refuse them."""
    if "\0" in value or (not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value)):
        return Problem("forbidden_character", "must not hold NUL or a lone surrogate")
    return None


def line(value: object, *, longest: int) -> Problem | None:
    """A single line that shows something: 1 to `longest` characters, no control characters."""
    return _judged(value, longest, _line)


def slug(value: object, *, longest: int) -> Problem | None:
    """A short name for programs: a-z, 0-9, _ and -, beginning with a letter."""
    return _judged(value, longest, _slug)


def email(value: object, *, longest: int) -> Problem | None:
    """An address by its syntax (RFC 5321, 6531): no look-up, no list of reserved names.

    A quoted local part, an address literal and a domain without a dot are refused. The folded
    form may be no longer than `longest` either.
    """
    if (
        isinstance(value, str)
        and (longest < len(value) or not value.isascii())
        and (longest < len(fold(value)))
    ):
        return Problem("too_long", f"must have at most {longest} characters, also once folded")
    return _judged(value, longest, _email)


def truth(value: object) -> Problem | None:
    """True or false, and nothing that only looks like it."""
    if not isinstance(value, bool):
        return Problem("wrong_type", "must be true or false")
    return None


def _judged(value: object, longest: int, rule: Callable[[str], Problem | None]) -> Problem | None:
    if not isinstance(value, str):
        return NOT_TEXT
    if not value.isprintable() and (problem := storable(value)):
        return problem
    if len(value) > longest:
        return Problem("too_long", f"must have at most {longest} characters")
    return rule(value)


def _line(text: str) -> Problem | None:
    if text.isprintable() and text.strip():
        return None  # such a text has nothing of the categories Z and C but spaces
    categories = {unicodedata.category(character) for character in text}
    if "Cc" in categories or any(end in text for end in _LINE_ENDS):
        return Problem("control_character", "must not hold control characters or line ends")
    if all(category[0] in "ZC" for category in categories):
        return Problem("blank", "must not be blank")
    return None


def _slug(text: str) -> Problem | None:
    if not _SLUG.fullmatch(text):
        return Problem(
            "invalid_format", "must begin with a letter a-z and go on with a-z, 0-9, _ or -"
        )
    return None


def _email(text: str) -> Problem | None:
    if len(text) <= _PLAIN_LENGTH and _PLAIN_EMAIL.fullmatch(text):
        return None  # as the library would say, in a fiftieth of the time
    try:
        # globally_deliverable would also want a top-level name that ends with a letter.
        found = validate_email(text, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError:
        found = None
    if found is None or "." not in found.ascii_domain:
        return Problem("invalid_email", "must be an e-mail address, such as ann@example.org")
    return None
