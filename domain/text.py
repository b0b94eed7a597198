"""Rules for text that several aggregates share. A length is a number of code points."""

import re
import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache, partial
from typing import Final

import email_validator
from email_validator import EmailNotValidError, validate_email

from domain.errors import Problem

# Roster accepts every domain with a dot, including .test and .local. The library has no parameter
# for this: its documentation recommends editing its list of reserved names.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()

NOT_TEXT = Problem("wrong_type", "must be text")
EMAIL_LENGTH: Final = 250
MAX_FOLDED_INPUT: Final = 1000
"""The maximum number of characters to fold. Normalization sorts the combining marks of a text,
which takes time that grows with the square of their number."""

DEFAULT_IGNORABLE: Final = (
    *((0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5)),
    *((0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164)),
    *((0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8)),
    *((0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)),
)
"""The first and the last code point of each range of Default_Ignorable_Code_Point
(DerivedCoreProperties.txt of Unicode 16.0): code points that are not displayed."""

BLANK_SYMBOL: Final = 0x2800
"""BRAILLE PATTERN BLANK: its category is symbol, but it is displayed as a space."""

_SEPARATORS = "\u2028\u2029"  # the line separator and the paragraph separator
_SLUG = re.compile(r"[a-z][a-z0-9_-]*")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_IGNORABLE_CLASS = "".join(f"{chr(first)}-{chr(last)}" for first, last in DEFAULT_IGNORABLE)
_IGNORABLE = re.compile(f"[{_IGNORABLE_CLASS}]+")
_VISIBLE = re.compile(f"[^{_IGNORABLE_CLASS}{chr(BLANK_SYMBOL)} ]")
# Addresses that are valid without further checks. In 64 characters, neither the local part nor a
# label is too long. Without two hyphens in a row, no label is Punycode.
_PLAIN_LENGTH = 64
_PLAIN_EMAIL = re.compile(
    r"[a-zA-Z0-9_+-]++(?:\.[a-zA-Z0-9_+-]++)*+"
    r"@(?:[a-zA-Z0-9]++(?:-[a-zA-Z0-9]++)*+\.)++[a-zA-Z]++"
)


def fold(text: str) -> str:
    """Returns the folded text: NFKC, case folding, NFKC. Texts with the same form are equal.

    It is computed here and stored, because every database folds differently. Raises ValueError if
    the text has more than MAX_FOLDED_INPUT characters: callers check the length first.
    """
    if len(text) > MAX_FOLDED_INPUT:
        raise ValueError(f"a text of more than {MAX_FOLDED_INPUT} characters must not be folded")
    if text.isascii():
        return text.lower()
    once = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", once)


def strip_invisible(text: str) -> str:
    """Returns the text without white space and invisible characters at its ends."""
    text = text.strip()
    return text if text.isascii() else text.strip(_invisible())


@cache
def _invisible() -> str:
    """Returns all white space and all invisible characters."""
    white_space = filter(str.isspace, map(chr, range(0x3001)))
    ignorable = (chr(c) for first, last in DEFAULT_IGNORABLE for c in range(first, last + 1))
    return "".join((*white_space, *ignorable, chr(BLANK_SYMBOL)))


def email_key(email: str, *, max_length: int = EMAIL_LENGTH) -> str:
    """Returns the key that identifies a mailbox: emails with the same key are equal.

    The local part is folded, without default-ignorable code points; the domain is an A-label
    (UTS 46). The rule for emails requires a key of at most `max_length` characters. For an email
    that was stored before this rule and has no such key, returns the folded email. Raises
    ValueError if `fold` does.
    """
    if email.isascii():
        return email.lower()  # the same result: UTS 46 only lowers the case of an ASCII domain
    return _key(email, max_length) or fold(email)


def storable(value: str) -> Problem | None:
    """Rejects NUL and lone surrogates, which databases and UTF-8 do not accept."""
    if _UNSTORABLE.search(value):
        return Problem("forbidden_character", "must not contain NUL or a lone surrogate")
    return None


def single_line(value: object, *, max_length: int) -> Problem | None:
    """Requires one line of 1 to `max_length` characters: one visible, no control characters."""
    return _check(value, max_length, _line)


def folded_line(value: object, *, max_length: int) -> Problem | None:
    """Requires one line as `single_line`, whose folded form is also at most `max_length` long.

    The length is checked first, because the time of folding grows faster than the length.
    """
    problem = single_line(value, max_length=max_length)
    if problem is None and isinstance(value, str) and not value.isascii():
        return _folded_too_long(max_length) if len(fold(value)) > max_length else None
    return problem


def multiple_lines(value: object, *, max_length: int) -> Problem | None:
    """Requires 1 to `max_length` characters: one visible, no control characters except line breaks.

    Line feed, carriage return and tab are accepted; U+2028 and U+2029 are not.
    """
    return _check(value, max_length, _lines)


def slug(value: object, *, max_length: int) -> Problem | None:
    """Requires a name for programs: a-z, 0-9, _ and -, starting with a letter."""
    return _check(value, max_length, _slug)


def email(value: object, *, max_length: int) -> Problem | None:
    """Requires the syntax of an email address (RFC 5321, 6531).

    Does not query DNS, and accepts reserved names. Rejects a quoted local part, an address literal
    and a domain without a dot. Neither the folded form nor the key may be longer than `max_length`.
    The length is checked first, because the time of the other checks grows faster than the length.
    """
    if isinstance(value, str) and _is_plain(value, max_length):
        return None  # the library's result, in a fiftieth of the time
    return _check(value, max_length, partial(_email, max_length=max_length))


def boolean(value: object) -> Problem | None:
    """Requires True or False; rejects 0, 1 and text."""
    if not isinstance(value, bool):
        return Problem("wrong_type", "must be true or false")
    return None


def _check(value: object, max_length: int, rule: Callable[[str], Problem | None]) -> Problem | None:
    if not isinstance(value, str):
        return NOT_TEXT
    if not value.isprintable() and (problem := storable(value)):
        return problem
    if len(value) > max_length:
        return Problem("too_long", f"must have at most {max_length} characters")
    return rule(value)


def _line(text: str) -> Problem | None:
    if text.isprintable():  # the only code point of the categories Z and C is the space
        return None if _VISIBLE.search(text) else _BLANK
    if _has_control_character(text):
        return Problem("control_character", "must not contain control characters or line breaks")
    return _BLANK if _is_blank(text) else None


def _lines(text: str) -> Problem | None:
    without = text.translate(_WITHOUT_LINE_BREAKS)
    if _has_control_character(without):
        return Problem(
            "control_character", "must not contain control characters except tab and line breaks"
        )
    return _BLANK if _is_blank(without) else None


def _has_control_character(text: str) -> bool:
    return any(unicodedata.category(c) == "Cc" or c in _SEPARATORS for c in text)


def _is_blank(text: str) -> bool:
    return all(unicodedata.category(c)[0] in "ZC" or not _VISIBLE.match(c) for c in text)


_WITHOUT_LINE_BREAKS: Final = dict.fromkeys(map(ord, "\t\n\r"))
_BLANK: Final = Problem("blank", "must contain at least one visible character")


def _folded_too_long(max_length: int) -> Problem:
    return Problem("too_long", f"must have at most {max_length} characters when folded")


def _slug(text: str) -> Problem | None:
    if not _SLUG.fullmatch(text):
        return Problem(
            "invalid_format", "must start with a letter a-z, followed by a-z, 0-9, _ or -"
        )
    return None


def _is_plain(text: str, max_length: int) -> bool:
    return len(text) <= min(max_length, _PLAIN_LENGTH) and _PLAIN_EMAIL.fullmatch(text) is not None


def _email(text: str, *, max_length: int) -> Problem | None:
    if not text.isascii() and len(fold(text)) > max_length:
        return _folded_too_long(max_length)
    try:
        # globally_deliverable would also require a top-level domain that ends with a letter.
        valid = validate_email(text, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError:
        return _INVALID_EMAIL
    if "." not in valid.ascii_domain or not _mailbox(text.rpartition("@")[0]):
        return _INVALID_EMAIL
    if not text.isascii() and _key(text, max_length) is None:
        detail = f"must have at most {max_length} characters with its domain in ASCII (IDNA)"
        return Problem("too_long", detail)
    return None


_INVALID_EMAIL: Final = Problem(
    "invalid_email", "must be an email address, such as ann@example.org"
)


def _key(email: str, max_length: int) -> str | None:
    if len(email) > MAX_FOLDED_INPUT:
        return None
    local, _, domain = email.rpartition("@")
    ascii_domain = domain.lower() if domain.isascii() else _a_labels(domain)
    mailbox = _mailbox(local)
    if not (mailbox and ascii_domain):
        return None
    key = f"{mailbox}@{ascii_domain}"
    return key if len(key) <= max_length else None


def _mailbox(local: str) -> str:
    """Folds a local part and removes default-ignorable code points.

    Returns no text if the folded text, which can be 18 times as long, is too long to fold again.
    """
    folded = fold(local)
    if not _IGNORABLE.search(folded):
        return folded
    visible = _IGNORABLE.sub("", folded)
    if len(visible) > MAX_FOLDED_INPUT:
        return ""
    return fold(visible)  # characters that are now adjacent may compose


@lru_cache(1024)
def _a_labels(domain: str) -> str | None:
    """Returns a domain in ASCII (A-labels), or None if it is invalid.

    Cached, because most emails of a directory share a few domains.
    """
    try:
        valid = validate_email(
            f"a@{domain}", check_deliverability=False, globally_deliverable=False
        )
    except EmailNotValidError:
        return None
    return valid.ascii_domain
