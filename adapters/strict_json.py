"""Parses unambiguous JSON (RFC 8259, and I-JSON's RFC 7493 on names).

Duplicate names, NaN and numbers that are too large are errors. The depth and the number of members
and elements are limited.
"""

import json
import math
import re
from itertools import islice
from typing import Any, Final, NoReturn

MAX_DEPTH: Final = 64
MAX_DIGITS: Final = 400
MAX_MEMBERS: Final = 100_000
"""The default limit of the number of members and elements."""
ESCAPES_PER_MEMBER: Final = 4
"""The permitted number of backslashes for each permitted member and element.

The decoder creates a temporary object for each backslash, which is up to fifty times as large.
"""

# Possessive, and the closing quote is optional, so that no part of a body is scanned twice.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_BRACKET = re.compile(rb"[][{}]")


class NotStrict(ValueError):
    """The text is not JSON, or is ambiguous. `code` is stable."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def _fail(code: str, detail: str) -> NoReturn:
    raise NotStrict(code, detail)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        _fail("duplicate_member", "An object of the document has two members with the same name.")
    return members


def _check_length(digits: str) -> None:
    if len(digits) > MAX_DIGITS:
        _fail("number_too_long", f"A number of the document has more than {MAX_DIGITS} digits.")


def _integer(digits: str) -> int:
    _check_length(digits)
    return int(digits)


def _number(digits: str) -> float:
    _check_length(digits)
    if not math.isfinite(number := float(digits)):
        _fail("number_out_of_range", "A number of the document is too large.")
    return number


def _constant(name: str) -> NoReturn:
    _fail("malformed_json", f"{name} is not JSON.")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_int=_integer,
    parse_float=_number,
    parse_constant=_constant,
)


def _check_shape(text: bytes | bytearray, max_members: int, escapes: int) -> None:
    """Checks the limits before decoding, because decoding takes much time and memory.

    Each member or element follows a comma or an opening bracket. Only if a text has many of these,
    inside or outside of strings, are its strings removed and the others counted.
    """
    if len(text) > escapes // ESCAPES_PER_MEMBER and text.count(b"\\") > escapes:
        _fail(
            "too_many_escapes",
            f"The strings of the document have more than {escapes} backslashes.",
        )
    openings = _openings(text)
    few = len(text) <= max_members or openings + text.count(b",") <= max_members
    if few and openings <= MAX_DEPTH:
        return
    # Each member has a name and a value. The document itself may also be a string.
    max_strings = 2 * max_members + 1
    bare, strings = _STRING.subn(b"", text, max_strings + 1)
    if strings <= max_strings and _too_deep(bare, 2 * max_members):
        _fail("too_deep", f"The document is nested more than {MAX_DEPTH} levels deep.")
    if strings > max_strings or _openings(bare) + bare.count(b",") > max_members:
        _fail(
            "too_many_members",
            f"The document has more than {max_members} members and elements in total.",
        )


def _openings(text: bytes | bytearray) -> int:
    return text.count(b"[") + text.count(b"{")


def _too_deep(bare: bytes, max_brackets: int) -> bool:
    """Returns True if the first `max_brackets` brackets nest too deeply. `bare` has no strings."""
    depth = 0
    for bracket in islice(_BRACKET.finditer(bare), max_brackets):
        depth += 1 if bracket[0] in b"[{" else -1
        if depth > MAX_DEPTH:
            return True
        if depth < 0:
            return False  # the decoder fails at this bracket
    return False


def parse(
    text: bytes | bytearray, *, max_members: int = MAX_MEMBERS, escapes: int | None = None
) -> Any:
    """Parses a text with at most `max_members` members and elements in total.

    Its strings have at most `escapes` backslashes: by default, ESCAPES_PER_MEMBER for each member.
    Raises NotStrict if it is invalid. The detail contains no message of a library.
    """
    if text.startswith(b"\xef\xbb\xbf"):
        _fail("malformed_json", "The document begins with a byte order mark.")
    max_escapes = ESCAPES_PER_MEMBER * max_members if escapes is None else escapes
    _check_shape(text, max_members, max_escapes)
    try:
        return _DECODER.decode(text.decode("utf-8"))
    except UnicodeDecodeError:
        _fail("malformed_json", "The document is not UTF-8.")
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        _fail("malformed_json", f"The document is not valid JSON at {place}.")
