"""JSON that means one thing only (RFC 8259, and I-JSON's RFC 7493 on names): no duplicate names,
no NaN, no number that can't be held, bounded depth."""

import json
import math
import re
from typing import Any, Final, NoReturn

DEEPEST: Final = 64
MOST_DIGITS: Final = 400

# Possessive, and content without its end, so that no body is gone over twice.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)


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


def _too_deep(text: bytes) -> bool:
    if text.count(b"[") + text.count(b"{") <= DEEPEST:
        return False
    depth = 0
    for bracket in re.findall(rb"[][{}]", _STRING.sub(b"", text)):
        depth += 1 if bracket in b"[{" else -1
        if depth > DEEPEST:
            return True
    return False


def parse(text: bytes) -> Any:
    """The value of the text. NotStrict says what is wrong, in no library's words."""
    if text.startswith(b"\xef\xbb\xbf"):
        _refuse("malformed_json", "The document begins with a byte order mark.")
    if _too_deep(text):
        _refuse("too_deep", f"The document is nested more than {DEEPEST} levels deep.")
    try:
        return _DECODER.decode(text.decode("utf-8"))
    except UnicodeDecodeError:
        _refuse("malformed_json", "The document is not UTF-8.")
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        _refuse("malformed_json", f"The document is not JSON; look at {place}.")
