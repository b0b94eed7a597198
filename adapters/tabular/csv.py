"""CSV (RFC 4180): cells between commas, quoted where they hold commas, quotes or line ends."""

import csv
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, Final

from adapters.tabular.lines import LONGEST, NOT_UTF_8, TOO_LONG, Row, lines, lossless
from domain.errors import Problem

MALFORMED: Final = Problem("malformed_csv", "must be cells between commas, with paired quotes")

Cells = tuple[str, ...]

_END: Final = "\r\n"
_MOST_READ_AGAIN: Final = 16 * LONGEST
_LINES_OF_A_RECORD: Final = 100
"""How many lines a record may have once more than _MOST_READ_AGAIN bytes were read again because of
unpaired quotes. Otherwise each line of a file could make the reader look through 64 KiB."""

csv.field_size_limit(LONGEST)


def read(file: BinaryIO) -> Iterator[Row[Cells]]:
    """The rows of a file, its header among them; blank lines are none.

    After a row whose quotes don't pair, it goes on with the very next line: one stray quote must
    not swallow what follows.
    """
    source = _Lines(file)
    reader = csv.reader(source, strict=True)
    for number, line in iter(source.take, None):
        if (cells := _plain(line)) is None:
            source.begin(number, line)
            yield from _read(source, reader)
        elif cells:
            yield Row(number, cells)


def _plain(line: bytes) -> Cells | None:
    """The cells of a line that is a record as it stands, read in a fifth of the time; else None."""
    record = line.removesuffix(b"\n").removesuffix(b"\r")
    if b'"' in record or b"\r" in record or len(line) > LONGEST:
        return None
    try:
        return tuple(record.decode("utf-8").split(",")) if record else ()
    except UnicodeDecodeError:
        return None


def _read(source: "_Lines", reader: Iterator[list[str]]) -> Iterator[Row[Cells]]:
    """The record that was begun, unless it is blank."""
    try:
        cells = next(reader)
    except csv.Error:
        yield source.unreadable()
        return
    if cells:
        yield source.row(cells)


class _Lines:
    """The lines of the record that is being read; those beyond its first can be read again."""

    def __init__(self, file: BinaryIO) -> None:
        self._lines = lines(file)
        self._again: deque[tuple[int, bytes]] = deque()
        self._taken: list[tuple[int, bytes]] = []
        self._size = 0
        self._read_again = 0

    def take(self) -> tuple[int, bytes] | None:
        """The next line; None at the end."""
        return self._again.popleft() if self._again else next(self._lines, None)

    def begin(self, number: int, line: bytes) -> None:
        """A new record, whose first line this is."""
        self._again.appendleft((number, line))
        self._taken.clear()
        self._size = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._size > LONGEST or self._has_too_many_lines():
            raise csv.Error("the quotes do not end")
        if (taken := self.take()) is None:
            raise StopIteration
        self._taken.append(taken)
        self._size += len(taken[1])
        if len(taken[1]) > LONGEST:
            raise csv.Error("the line is cut")
        return lossless(taken[1])

    def _has_too_many_lines(self) -> bool:
        return self._read_again > _MOST_READ_AGAIN and len(self._taken) >= _LINES_OF_A_RECORD

    def row(self, cells: Sequence[str]) -> Row[Cells]:
        """The row that its lines make; none if they are not all UTF-8."""
        number = self._taken[0][0]
        if all(_is_utf_8(line) for _, line in self._taken):
            return Row(number, tuple(cells))
        text = "".join(lossless(line) for _, line in self._taken)
        return Row(number, None, text.rstrip("\r\n"), NOT_UTF_8)

    def unreadable(self) -> Row[Cells]:
        """The first line by itself."""
        (number, line), *others = self._taken
        self._read_again += self._size - len(line)
        self._again.extendleft(reversed(others))
        text = lossless(line[:LONGEST]).rstrip("\r\n")
        return Row(number, None, text, TOO_LONG if len(line) > LONGEST else MALFORMED)


def _is_utf_8(line: bytes) -> bool:
    if line.isascii():
        return True
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def write(rows: Iterable[Sequence[str]]) -> Iterator[bytes]:
    """A line, or more, for each row. Lone surrogates become the bytes that they stand for."""
    written: list[str] = []
    writer = csv.writer(_Into(written), lineterminator=_END)  # has it quote cells with either
    for row in rows:
        writer.writerow(row)
        yield written.pop().removesuffix(_END).encode("utf-8", "surrogateescape") + b"\n"


class _Into:
    """What a writer of the standard library wants of a file."""

    def __init__(self, written: list[str]) -> None:
        self._written = written

    def write(self, text: str) -> None:
        self._written.append(text)
