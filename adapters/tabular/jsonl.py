"""JSON Lines (jsonlines.org): on each line an object, in JSON that means one thing only.

One array of objects is read as well, on one line or over many.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO, Final

import orjson

from adapters.strict_json import DEEPEST, NotStrict, parse
from adapters.tabular.lines import (
    LONGEST,
    TOO_LONG,
    NotUtf8,
    Row,
    blocks,
    chunks,
    in_parts,
    lossless,
)
from domain.errors import Problem

_MOST_MEMBERS: Final = 500
"""Members and elements of a line. A batch of records is in memory at once."""
_NO_OBJECT: Final = Problem("wrong_json_type", "must be a JSON object")
_NO_END: Final = Problem(
    "malformed_json",
    "The array or its last item has no end. Look for an unpaired quote or bracket in this item.",
)
_TOO_DEEP: Final = Problem(
    "too_deep", f"The item is nested more than {DEEPEST} levels deep. The rest is not read."
)
_AFTER_END: Final = Problem("malformed_json", "There is text after the end of the array.")

_ARRAY: Final = re.compile(rb"[ \t\r\n]*\[[ \t\r\n]*[{\]]")
_MAY_BE_ARRAY: Final = re.compile(rb"[ \t\r\n]*(?:\[[ \t\r\n]*)?\Z")
_SPACES: Final = re.compile(rb"[ \t\r\n]*")
_FLAT: Final = re.compile(
    rb'\{[^][{}"]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^][{}"]*+)*+\}(?=[ \t\r\n]*+[],])', re.DOTALL
)
"""An object without arrays or objects in it, in an array."""
_OUTSIDE: Final = re.compile(rb'["\[\]{},]')
_NESTED: Final = re.compile(rb'["\[\]{}]')
_IN_STRING: Final = re.compile(rb'["\\]')
_SHOWN_TEXT: Final = 1000


def read(file: BinaryIO) -> Iterator[Row[dict[str, Any]]]:
    """The objects of a file in UTF-8; blank lines are skipped."""
    return read_text(chunks(file))


def read_text(text: Iterable[bytes], offset: int = 0) -> Iterator[Row[dict[str, Any]]]:
    """The objects of a text in UTF-8. `offset` is the offset of its first byte in the file."""
    source = iter(text)
    head = b""
    while _MAY_BE_ARRAY.match(head) and len(head) <= LONGEST and (chunk := next(source, b"")):
        head += chunk
    if _ARRAY.match(head):
        return _Array(head, source, offset).rows()
    return _lines(_followed(head, source), offset)


def _followed(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield from in_parts(head)
    yield from rest


def _lines(text: Iterable[bytes], offset: int) -> Iterator[Row[dict[str, Any]]]:
    for block in blocks(text, offset):
        if block.cut:
            yield Row(block.number, None, lossless(block.data), TOO_LONG)
            continue
        start = block.offset
        for number, line in enumerate(block.data.split(b"\n"), block.number):
            if line and not line.isspace():
                content, problem = _read(line, start, number)
                yield Row(number, content, lossless(line.rstrip()) if problem else "", problem)
            start += len(line) + 1


def _read(line: bytes, offset: int, number: int) -> tuple[dict[str, Any] | None, Problem | None]:
    try:
        content = parse(line, most=_MOST_MEMBERS)
    except NotStrict as error:
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as undecoded:
            at = undecoded.start
            number += line.count(b"\n", 0, at)
            return None, NotUtf8.at(offset + at, number, line[at], error.code)
        return None, Problem(error.code, error.detail)
    return (content, None) if isinstance(content, dict) else (None, _NO_OBJECT)


class _Array:
    """The items of one array, of any number. Each has at most LONGEST bytes."""

    def __init__(self, head: bytes, source: Iterator[bytes], offset: int) -> None:
        self._source = source
        self._text = head
        self._at = 0
        self._line = 1
        self._offset = offset

    def rows(self) -> Iterator[Row[dict[str, Any]]]:
        """A row for each item. An item that cannot be read does not affect the others."""
        self._next_byte()
        self._at += 1  # [
        item, last = 0, self._next_byte() == b"]"
        while not last:
            self._next_byte()
            item += 1
            line, offset = self._line, self._offset + self._at
            if isinstance(text := self._item(), Problem):
                yield Row(line, None, "", text, item)
                return
            if len(text) > LONGEST:
                yield Row(line, None, lossless(text[:LONGEST]), TOO_LONG, item)
            else:
                content, problem = _read(text, offset, line)
                yield Row(line, content, lossless(text) if problem else "", problem, item)
            last = self._next_byte() == b"]"
            self._at += not last  # a comma
        self._at += 1
        if self._next_byte():
            rest = lossless(self._text[self._at :][:_SHOWN_TEXT])
            yield Row(self._line, None, rest, _AFTER_END, item + 1)

    def _more(self) -> bool:
        """Read more text after what is not used yet. False at the end."""
        if not (chunk := next(self._source, b"")):
            return False
        self._offset += self._at
        self._text = self._text[self._at :] + chunk
        self._at = 0
        return True

    def _next_byte(self) -> bytes:
        """The next byte after white space; empty at the end."""
        while True:
            end = _SPACES.match(self._text, self._at).end()  # type: ignore[union-attr]
            self._line += self._text.count(b"\n", self._at, end)
            self._at = end
            if end < len(self._text) or not self._more():
                return self._text[end : end + 1]

    def _item(self) -> bytes | Problem:
        """The text of an item, up to a comma or the end of the array; a problem if it has no end.

        Of an item that is too long, only the beginning is held.
        """
        if flat := _FLAT.match(self._text, self._at):
            self._at = flat.end()
            self._line += flat[0].count(b"\n")
            return flat[0]
        held, at, depth, in_string = b"", self._at, 0, False
        while True:
            pattern = _IN_STRING if in_string else _NESTED if depth else _OUTSIDE
            found = pattern.search(self._text, at)
            if found is None or (found[0] == b"\\" and found.end() == len(self._text)):
                held = self._used(held, found.start() if found else len(self._text))
                if not self._more():
                    return _NO_END
                at = 0
                continue
            at, token = found.end(), found[0]
            if in_string:
                at += token == b"\\"  # what follows it is not the end of the string
                in_string = token == b"\\"
            elif token == b'"':
                in_string = True
            elif token in b"[{":
                depth += 1
                if depth > DEEPEST:
                    return _TOO_DEEP
            elif depth == 0:
                return self._used(held, found.start()).rstrip()
            else:
                depth -= 1

    def _used(self, held: bytes, end: int) -> bytes:
        """The held text of an item with what follows, up to one byte more than it may have."""
        part = self._text[self._at : end]
        self._line += part.count(b"\n")
        self._at = end
        return (held + part)[: LONGEST + 1]


def write(objects: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """A line for each."""
    for each in objects:
        yield _written(each) + b"\n"


def _written(value: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:  # a lone surrogate, or a number of more than 64 bits
        return json.dumps(value).encode("ascii")
