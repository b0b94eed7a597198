"""JSON that means one thing only (RFC 8259, and I-JSON's RFC 7493 on names): no duplicate names,
no NaN, no number that can't be held, bounded depth and bounded numbers of members and elements.
"""

import json
import math
import re
from itertools import islice
from typing import Any, Final, NoReturn

DEEPEST: Final = 64
MOST_DIGITS: Final = 400
MAX_MEMBERS: Final = 100_000
"""How many members and elements a text has at most, unless its reader says otherwise."""
ESCAPES_PER_MEMBER: Final = 4
"""How many backslashes a text may have, for each member and element that it may have: the decoder
makes a temporary object of each, up to fifty times its size."""

# Possessive, and content without its end, so that no body is gone over twice.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_BRACKET = re.compile(rb"[][{}]")


class NotStrict(ValueError):
    """A text that is no JSON, or means more than one thing. `code` is stable."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def _refuse(code: str, detail: str) -> NoReturn:
    raise NotStrict(code, detail)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        _refuse("duplicate_member", "An object of the document has two members of one name.")
    return members


def _integer(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        _refuse("number_too_long", f"A number of the document has over {MOST_DIGITS} digits.")
    return int(digits)


def _number(digits: str) -> float:
    if len(digits) > MOST_DIGITS or not math.isfinite(number := float(digits)):
        _refuse("number_out_of_range", "A number of the document is too large to be held.")
    return number


def _constant(name: str) -> NoReturn:
    _refuse("malformed_json", f"{name} is not JSON.")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_int=_integer,
    parse_float=_number,
    parse_constant=_constant,
)


def _check_shape(text: bytes | bytearray, most: int) -> None:
    """Bound the work of decoding before it starts, without decoding.

    Each member or element follows a comma or the bracket that opens its object or array. Only a
    text in which there are many of them, in strings or not, is looked at more closely.
    """
    if len(text) > most and text.count(b"\\") > ESCAPES_PER_MEMBER * most:
        _refuse(
            "too_many_escapes",
            f"The strings of the document have more than {ESCAPES_PER_MEMBER * most} backslashes.",
        )
    openings = _openings(text)
    few = len(text) <= most or openings + text.count(b",") <= most
    if few and openings <= DEEPEST:
        return
    bare, strings = _STRING.subn(b"", text, 2 * most + 1)  # a name and a value for each member
    if strings <= 2 * most and _too_deep(bare, 2 * most):
        _refuse("too_deep", f"The document is nested more than {DEEPEST} levels deep.")
    if strings > 2 * most or _openings(bare) + bare.count(b",") > most:
        _refuse(
            "too_many_members", f"The document has more than {most} members and elements in all."
        )


def _openings(text: bytes | bytearray) -> int:
    return text.count(b"[") + text.count(b"{")


def _too_deep(bare: bytes, most: int) -> bool:
    """Whether the first brackets of a text without strings, at most so many, nest too deeply."""
    depth = 0
    for bracket in islice(_BRACKET.finditer(bare), most):
        depth += 1 if bracket[0] in b"[{" else -1
        if depth > DEEPEST:
            return True
        if depth < 0:
            return False  # the decoder gets no further than this
    return False


def parse(text: bytes | bytearray, *, most: int = MAX_MEMBERS) -> Any:
    """The value of the text, which has at most `most` members and elements in all.

    Raises NotStrict, with a detail that no library wrote.
    """
    if text.startswith(b"\xef\xbb\xbf"):
        _refuse("malformed_json", "The document begins with a byte order mark.")
    _check_shape(text, most)
    try:
        return _DECODER.decode(text.decode("utf-8"))
    except UnicodeDecodeError:
        _refuse("malformed_json", "The document is not UTF-8.")
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        _refuse("malformed_json", f"The document is not JSON; look at {place}.")
