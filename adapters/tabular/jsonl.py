"""JSON Lines (jsonlines.org): each line is an object in strict JSON.

A file can also be one array of objects, on any number of lines.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import orjson

from adapters.strict_json import MAX_DEPTH, NotStrict, parse
from adapters.tabular.lines import (
    MAX_RECORD_BYTES,
    TOO_LONG,
    NotUtf8,
    Row,
    blocks,
    lossless,
    prepend,
)
from domain.errors import Problem

MAX_MEMBERS: Final = 500
"""The limit for the members and elements of a record. A batch of records is in memory at once."""
_NOT_OBJECT: Final = Problem("wrong_json_type", "must be a JSON object")
_NO_END: Final = Problem(
    "malformed_json",
    "The array or its last item has no end. Look for an unpaired quote or bracket in this item.",
)
_TOO_DEEP: Final = Problem(
    "too_deep", f"The item is nested more than {MAX_DEPTH} levels deep. The rest is not read."
)
_AFTER_END: Final = Problem("malformed_json", "There is text after the end of the array.")

_ARRAY: Final = re.compile(rb"[ \t\r\n]*\[[ \t\r\n]*[{\]]")
_MAY_BE_ARRAY: Final = re.compile(rb"[ \t\r\n]*(?:\[[ \t\r\n]*)?\Z")
_SPACES: Final = re.compile(rb"[ \t\r\n]*")
_FLAT: Final = re.compile(
    rb'\{[^][{}"]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^][{}"]*+)*+\}(?=[ \t\r\n]*+[],])', re.DOTALL
)
"""An object in an array, without nested objects or arrays."""
# The next significant byte of an item: outside of its brackets, within them, or in a string.
_OUTSIDE: Final = re.compile(rb'["\[\]{},]')
_NESTED: Final = re.compile(rb'["\[\]{}]')
_IN_STRING: Final = re.compile(rb'["\\]')
_MAX_REPORTED_BYTES: Final = 1000


def read(text: Iterable[bytes], offset: int = 0) -> Iterator[Row[dict[str, Any]]]:
    """Yields the objects of a text in UTF-8. Skips blank lines.

    `offset` is the offset of the text in its file. A chunk of the text has at most MAX_RECORD_BYTES
    bytes.
    """
    source = iter(text)
    head = b""
    while (
        _MAY_BE_ARRAY.match(head) and len(head) <= MAX_RECORD_BYTES and (chunk := next(source, b""))
    ):
        head += chunk
    if _ARRAY.match(head):
        return _Array(head, source, offset).rows()
    return _lines(prepend(head, source), offset)


def _lines(text: Iterable[bytes], offset: int) -> Iterator[Row[dict[str, Any]]]:
    for block in blocks(text, offset):
        if block.cut:
            yield Row(block.number, None, lossless(block.data), TOO_LONG)
            continue
        start = block.offset
        for number, line in enumerate(block.data.split(b"\n"), block.number):
            if line and not line.isspace():
                content, problem = _parse(line, start, number)
                yield Row(number, content, lossless(line.rstrip()) if problem else "", problem)
            start += len(line) + 1


def _parse(line: bytes, offset: int, number: int) -> tuple[dict[str, Any] | None, Problem | None]:
    try:
        content = parse(line, max_members=MAX_MEMBERS)
    except NotStrict as error:
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as undecoded:
            start = undecoded.start
            number += line.count(b"\n", 0, start)
            return None, NotUtf8.at(offset + start, number, line[start], error.code)
        return None, Problem(error.code, error.detail)
    return (content, None) if isinstance(content, dict) else (None, _NOT_OBJECT)


class _Array:
    """The items of one array, of any number. Each has at most MAX_RECORD_BYTES bytes.

    `_text` is a part of the file, and `_offset` its offset. `_position` is the index of the next
    byte in `_text`, and `_line` the number of its line.
    """

    def __init__(self, head: bytes, source: Iterator[bytes], offset: int) -> None:
        self._source = source
        self._text = head
        self._position = 0
        self._line = 1
        self._offset = offset

    def rows(self) -> Iterator[Row[dict[str, Any]]]:
        """Yields a row for each item. Ends at an item that has no end or is nested too deeply."""
        self._next_byte()
        self._position += 1  # [
        number, is_end = 0, self._next_byte() == b"]"
        while not is_end:
            self._next_byte()
            number += 1
            line, offset = self._line, self._offset + self._position
            if isinstance(text := self._next_item(), Problem):
                yield Row(line, None, "", text, number)
                return
            if len(text) > MAX_RECORD_BYTES:
                yield Row(line, None, lossless(text[:MAX_RECORD_BYTES]), TOO_LONG, number)
            else:
                content, problem = _parse(text, offset, line)
                yield Row(line, content, lossless(text) if problem else "", problem, number)
            is_end = self._next_byte() == b"]"
            self._position += not is_end  # a comma
        self._position += 1
        if self._next_byte():
            rest = lossless(self._text[self._position :][:_MAX_REPORTED_BYTES])
            yield Row(self._line, None, rest, _AFTER_END, number + 1)

    def _read_chunk(self) -> bool:
        """Drops the text before the current byte, and reads a chunk. Returns False at the end."""
        if not (chunk := next(self._source, b"")):
            return False
        self._offset += self._position
        self._text = self._text[self._position :] + chunk
        self._position = 0
        return True

    def _next_byte(self) -> bytes:
        """Returns the next byte after white space, or no byte at the end. Does not consume it."""
        while True:
            end = _SPACES.match(self._text, self._position).end()  # type: ignore[union-attr]
            self._line += self._text.count(b"\n", self._position, end)
            self._position = end
            if end < len(self._text) or not self._read_chunk():
                return self._text[end : end + 1]

    def _next_item(self) -> bytes | Problem:
        """Returns the text of an item, up to a comma or the end of the array.

        Returns a problem if the item has no end or is nested too deeply. If the item is too long,
        returns only the first MAX_RECORD_BYTES + 1 bytes.
        """
        if flat := _FLAT.match(self._text, self._position):
            self._position = flat.end()
            self._line += flat[0].count(b"\n")
            return flat[0]
        item, position, depth, in_string = b"", self._position, 0, False
        while True:
            pattern = _IN_STRING if in_string else _NESTED if depth else _OUTSIDE
            match = pattern.search(self._text, position)
            if match is None or (match[0] == b"\\" and match.end() == len(self._text)):
                item = self._consume(item, match.start() if match else len(self._text))
                if not self._read_chunk():
                    return _NO_END
                position = 0
                continue
            position, token = match.end(), match[0]
            if in_string:
                position += token == b"\\"  # the escaped byte does not end the string
                in_string = token == b"\\"
            elif token == b'"':
                in_string = True
            elif token in b"[{":
                depth += 1
                if depth > MAX_DEPTH:
                    return _TOO_DEEP
            elif depth == 0:
                return self._consume(item, match.start()).rstrip()
            else:
                depth -= 1

    def _consume(self, item: bytes, end: int) -> bytes:
        """Consumes the text before `end`. Returns the item with that text, cut if too long."""
        part = self._text[self._position : end]
        self._line += part.count(b"\n")
        self._position = end
        return (item + part)[: MAX_RECORD_BYTES + 1]


def write(objects: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """Yields a line for each object."""
    for each in objects:
        yield _encode(each) + b"\n"


def _encode(value: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:  # a lone surrogate, or a number of more than 64 bits
        return json.dumps(value).encode("ascii")
