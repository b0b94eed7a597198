"""The lines of a file, numbered and bounded."""

from collections.abc import Iterator
from typing import BinaryIO, Final, Generic, NamedTuple, TypeVar

from domain.errors import Problem

T = TypeVar("T")

LONGEST: Final = 2**16
"""Bytes of a line, and of a record that goes over several lines."""

TOO_LONG: Final = Problem("record_too_long", f"must have at most {LONGEST} bytes")
NOT_UTF_8: Final = Problem("not_utf_8", "must be text in UTF-8")

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class Row(NamedTuple, Generic[T]):
    """A record of a file, and the number of the line on which it begins. A tuple, for its speed.

    Where there is a problem, `content` is None and `text` is the record as it stands there; bytes
    that are not UTF-8 are lone surrogates in it (PEP 383).
    """

    line: int
    content: T | None
    text: str = ""
    problem: Problem | None = None


def lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Each line with its number, from 1, and its end; without a byte order mark.

    Of a line that is longer than LONGEST comes so much that its reader can tell.
    """
    number = 0
    while line := file.readline(LONGEST + 1):
        rest = line
        while len(rest) > LONGEST and not rest.endswith(b"\n"):
            rest = file.readline(LONGEST + 1)
        number += 1
        if number == 1:
            line = line.removeprefix(_BYTE_ORDER_MARK)
        yield number, line


def lossless(line: bytes) -> str:
    """The text of a line, whatever is in it."""
    return line.decode("utf-8", "surrogateescape")
