"""JSON Lines (jsonlines.org): on each line an object, in JSON that means one thing only."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO, Final

import orjson

from adapters.strict_json import NotStrict, parse
from adapters.tabular.lines import LONGEST, TOO_LONG, Row, lines, lossless
from domain.errors import Problem

_MOST_MEMBERS: Final = 500
"""Members and elements of a line. A batch of records is in memory at once."""
_NO_OBJECT: Final = Problem("wrong_json_type", "must be a JSON object")


def read(file: BinaryIO) -> Iterator[Row[dict[str, Any]]]:
    """The objects of a file; blank lines are none."""
    for number, line in lines(file):
        if not line.strip():
            continue
        content, problem = _read(line)
        text = lossless(line[:LONGEST].rstrip(b"\r\n")) if problem else ""
        yield Row(number, content, text, problem)


def _read(line: bytes) -> tuple[dict[str, Any] | None, Problem | None]:
    if len(line) > LONGEST:
        return None, TOO_LONG
    try:
        content = parse(line, most=_MOST_MEMBERS)
    except NotStrict as error:
        return None, Problem(error.code, error.detail)
    return (content, None) if isinstance(content, dict) else (None, _NO_OBJECT)


def write(objects: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """A line for each."""
    for each in objects:
        yield _written(each) + b"\n"


def _written(value: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:  # a lone surrogate, or a number of more than 64 bits
        return json.dumps(value).encode("ascii")
