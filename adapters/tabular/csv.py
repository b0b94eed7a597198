"""CSV (RFC 4180): cells between delimiters, quoted if they contain delimiters, quotes or line ends.

The delimiter is a comma, or another one that programs write.
"""

import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO, Final

from adapters.tabular.lines import LONGEST, TOO_LONG, Block, NotUtf8, Row, blocks, chunks, lossless
from adapters.tabular.spreadsheets import PROTECTED
from domain.errors import Problem

MALFORMED: Final = Problem("malformed_csv", "must be cells between delimiters, with paired quotes")

Cells = tuple[str, ...]

_END: Final = "\r\n"
_MOST_READ_AGAIN: Final = 16 * LONGEST
_LINES_OF_A_RECORD: Final = 100
"""How many lines a record may have once more than _MOST_READ_AGAIN bytes were read again because of
unpaired quotes. Otherwise each line of a file could make the reader look through 64 KiB."""

csv.field_size_limit(LONGEST)


def read(file: BinaryIO, delimiter: str = ",") -> Iterator[Row[Cells]]:
    """The rows of a file in UTF-8, including its header; blank lines are skipped.

    After a row whose quotes don't pair, reading continues with the very next line: one stray quote
    must not swallow what follows.
    """
    reader = Reader(chunks(file))
    reader.delimiter = delimiter
    return iter(reader)


class Reader:
    """The rows of a text in UTF-8. Set the delimiter before the first row is read.

    `protected`: the row that was read last may have cells that are protected from spreadsheets.
    """

    def __init__(self, text: Iterable[bytes], offset: int = 0) -> None:
        self.delimiter = ","
        self.protected = False
        self._blocks = blocks(text, offset)
        self._lines: deque[tuple[int, str]] = deque()
        self._problems: dict[int, Problem] = {}  # of lines, by their numbers
        self._taken: list[tuple[int, str]] = []
        self._size = 0
        self._read_again = 0

    def peek(self) -> str | None:
        """The next line without its end; None at the end. It is still read as a row."""
        if (line := self._take()) is None:
            return None
        self._lines.appendleft(line)
        return _without_end(line[1])

    def skip(self) -> None:
        """Skip the next line."""
        self._take()

    def __iter__(self) -> Iterator[Row[Cells]]:
        yield from self._rows()
        for block in self._blocks:
            text = self._decoded(block)
            self.protected = PROTECTED.search(text) is not None
            if self._problems or (lines := _plain_lines(text)) is None:
                self._lines.extend(_numbered(text, block.number))
                yield from self._rows()
                continue
            delimiter = self.delimiter
            for number, line in enumerate(lines, block.number):
                if line:
                    yield Row(number, tuple(line.split(delimiter)))

    def _decoded(self, block: Block) -> str:
        """The text of a block. The problems of its lines are noted."""
        if block.cut:
            self._problems[block.number] = TOO_LONG
        else:
            try:
                return block.data.decode("utf-8")
            except UnicodeDecodeError:
                self._find_undecoded(block)
        return lossless(block.data)

    def _find_undecoded(self, block: Block) -> None:
        offset = block.offset
        for number, line in enumerate(block.data.split(b"\n"), block.number):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                at = error.start
                self._problems[number] = NotUtf8.at(offset + at, number, line[at])
            offset += len(line) + 1

    def _rows(self) -> Iterator[Row[Cells]]:
        """The rows of the lines that were taken from blocks."""
        reader = csv.reader(_Lines(self._next_line), strict=True, delimiter=self.delimiter)
        while self._lines:
            number, line = self._lines.popleft()
            record = _without_end(line)
            if '"' in record or "\r" in record or number in self._problems:
                self._lines.appendleft((number, line))
                self._taken.clear()
                self._size = 0
                yield from self._read(reader)
            elif record:
                yield Row(number, tuple(record.split(self.delimiter)))

    def _read(self, reader: Iterator[list[str]]) -> Iterator[Row[Cells]]:
        """The record that begins with the next line, unless it is blank."""
        try:
            cells = next(reader)
        except csv.Error:
            yield self._unreadable()
            return
        row = self._row(cells)
        if cells:
            yield row

    def _take(self) -> tuple[int, str] | None:
        """The next line with its end; None at the end."""
        while not self._lines:
            if (block := next(self._blocks, None)) is None:
                return None
            text = self._decoded(block)
            self.protected = self.protected or PROTECTED.search(text) is not None
            self._lines.extend(_numbered(text, block.number))
        return self._lines.popleft()

    def _next_line(self) -> str:
        """The next line of the record that is being read; those beyond its first can be read again.

        Raises csv.Error if the record is too long.
        """
        if self._size > LONGEST or self._has_too_many_lines():
            raise csv.Error("the quotes do not end")
        if (taken := self._take()) is None:
            raise StopIteration
        self._taken.append(taken)
        self._size += _size(taken[1])
        if self._problems.get(taken[0]) is TOO_LONG:
            raise csv.Error("the line is cut")
        return taken[1]

    def _has_too_many_lines(self) -> bool:
        return self._read_again > _MOST_READ_AGAIN and len(self._taken) >= _LINES_OF_A_RECORD

    def _row(self, cells: Sequence[str]) -> Row[Cells]:
        """The row that its lines make; none if they are not all UTF-8."""
        number = self._taken[0][0]
        problems = [self._problems.pop(line, None) for line, _ in self._taken]
        if not any(problems):
            return Row(number, tuple(cells))
        text = "".join(line for _, line in self._taken)
        return Row(number, None, text.rstrip("\r\n"), next(filter(None, problems)))

    def _unreadable(self) -> Row[Cells]:
        """The first line by itself."""
        (number, line), *others = self._taken
        self._read_again += self._size - _size(line)
        self._lines.extendleft(reversed(others))
        cut = self._problems.pop(number, None) is TOO_LONG
        return Row(number, None, line.rstrip("\r\n"), TOO_LONG if cut else MALFORMED)


class _Lines:
    """Lines for a reader of the standard library, which goes on after an error."""

    def __init__(self, next_line: Callable[[], str]) -> None:
        self._next_line = next_line

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        return self._next_line()


def _plain_lines(text: str) -> list[str] | None:
    """The lines of a text if each is a record as it stands, read in a fraction of the time."""
    if "\r" in text and text.count("\r") == text.count("\r\n"):
        text = text.replace("\r\n", "\n")
    return None if '"' in text or "\r" in text else text.split("\n")


def _numbered(text: str, first: int) -> Iterator[tuple[int, str]]:
    """The lines of a text with their ends and numbers."""
    lines = [f"{line}\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return enumerate(lines if lines[-1] else lines[:-1], first)


def _without_end(line: str) -> str:
    return line.removesuffix("\n").removesuffix("\r")


def _size(line: str) -> int:
    """The bytes of a line."""
    return len(line) if line.isascii() else len(line.encode("utf-8", "surrogateescape"))


def cells_of(line: str, delimiter: str) -> Cells:
    """The cells of a line, whose quotes need not pair; none if it cannot be split."""
    try:
        return tuple(next(csv.reader([line], delimiter=delimiter), ()))
    except csv.Error:
        return ()


def as_utf_8(text: str) -> bytes:
    """The text in UTF-8. Lone surrogates become the bytes that they stand for."""
    return text.encode("utf-8", "surrogateescape")


def write(
    rows: Iterable[Sequence[str]],
    *,
    delimiter: str = ",",
    encode: Callable[[str], bytes] = as_utf_8,
    protect: Callable[[str], str] | None = None,
) -> Iterator[bytes]:
    """A line, or more, for each row. `protect` changes the cells of rows with an apostrophe."""
    written: list[str] = []
    # With this line end, it quotes cells that contain either character of it.
    writer = csv.writer(_Into(written), lineterminator=_END, delimiter=delimiter)
    for row in rows:
        writer.writerow(row)
        text = written.pop()
        if protect and "'" in text:
            writer.writerow(list(map(protect, row)))
            text = written.pop()
        yield encode(text.removesuffix(_END) + "\n")


class _Into:
    """What a writer of the standard library needs of a file."""

    def __init__(self, written: list[str]) -> None:
        self._written = written

    def write(self, text: str) -> None:
        self._written.append(text)
