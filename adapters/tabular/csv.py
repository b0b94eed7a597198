"""CSV (RFC 4180): cells are separated by delimiters.

Cells that contain delimiters, quotes or line ends are quoted. The delimiter is a comma, or another
character.
"""

import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Final

from adapters.tabular.lines import (
    MAX_RECORD_BYTES,
    TOO_LONG,
    Block,
    NotUtf8,
    Row,
    blocks,
    lossless,
)
from adapters.tabular.spreadsheets import PROTECTED
from domain.errors import Problem

MALFORMED: Final = Problem(
    "malformed_csv", "must be cells separated by delimiters, with paired quotes"
)

Cells = tuple[str, ...]

_LINE_END: Final = "\r\n"
_MAX_REREAD_BYTES: Final = 16 * MAX_RECORD_BYTES
_MAX_RECORD_LINES: Final = 100
"""The limit for the lines of a record after more than _MAX_REREAD_BYTES were read repeatedly.

Lines are read again after an unpaired quote. Without a limit, each line of a file could make the
reader scan 64 KiB.
"""

csv.field_size_limit(MAX_RECORD_BYTES)


class Reader:
    """Iterates over the rows of a text in UTF-8, including the header row. Skips blank lines.

    If the quotes of a row are not paired, only its first line is malformed, and the next row begins
    with the next line. So an unpaired quote does not affect later rows.

    Set `delimiter` before you read the first row. `offset` is the offset of the text in its file.
    `protected` is true if the last row may have cells that are protected from spreadsheets. A chunk
    of the text has at most MAX_RECORD_BYTES bytes.
    """

    def __init__(self, text: Iterable[bytes], offset: int = 0) -> None:
        self.delimiter = ","
        self.protected = False
        self._blocks = blocks(text, offset)
        self._lines: deque[tuple[int, str]] = deque()  # with their numbers
        self._problems: dict[int, Problem] = {}  # by line number
        self._record_lines: list[tuple[int, str]] = []  # the lines of the current record
        self._record_bytes = 0
        self._reread_bytes = 0

    def peek(self) -> str | None:
        """Returns the next line without its line end, or None at the end. Does not consume it."""
        if (line := self._pop_line()) is None:
            return None
        self._lines.appendleft(line)
        return _strip_line_end(line[1])

    def peek_record(self) -> str | None:
        """Returns the lines of the next record without its line end, or None at the end.

        Returns only the next line if no later line ends its quotes. Does not consume the lines.
        """
        lines: list[tuple[int, str]] = []
        quotes = 0
        while len(lines) < _MAX_RECORD_LINES and (numbered := self._pop_line()):
            lines.append(numbered)
            quotes += numbered[1].count('"')
            if quotes % 2 == 0:
                break
        self._lines.extendleft(reversed(lines))
        record = lines[: 1 if quotes % 2 else None]
        return _strip_line_end("".join(line for _, line in record)) if lines else None

    def skip(self) -> None:
        """Skips the next line."""
        self._pop_line()

    def __iter__(self) -> Iterator[Row[Cells]]:
        yield from self._rows()
        for block in self._blocks:
            text = self._decode(block)
            self.protected = PROTECTED.search(text) is not None
            if self._problems or (lines := _split_plain(text)) is None:
                self._lines.extend(_numbered_lines(text, block.number))
                yield from self._rows()
                continue
            delimiter = self.delimiter
            for number, line in enumerate(lines, block.number):
                if line:
                    yield Row(number, tuple(line.split(delimiter)))

    def _decode(self, block: Block) -> str:
        """Returns the text of a block, and records the problems of its lines."""
        if block.cut:
            self._problems[block.number] = TOO_LONG
        else:
            try:
                return block.data.decode("utf-8")
            except UnicodeDecodeError:
                self._find_undecodable(block)
        return lossless(block.data)

    def _find_undecodable(self, block: Block) -> None:
        offset = block.offset
        for number, line in enumerate(block.data.split(b"\n"), block.number):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                start = error.start
                self._problems[number] = NotUtf8.at(offset + start, number, line[start])
            offset += len(line) + 1

    def _rows(self) -> Iterator[Row[Cells]]:
        """Yields the rows of the pending lines."""
        reader = csv.reader(_LineIterator(self._next_line), strict=True, delimiter=self.delimiter)
        while self._lines:
            number, line = self._lines.popleft()
            record = _strip_line_end(line)
            if '"' in record or "\r" in record or number in self._problems:
                self._lines.appendleft((number, line))
                self._record_lines.clear()
                self._record_bytes = 0
                yield from self._read_record(reader)
            elif record:
                yield Row(number, tuple(record.split(self.delimiter)))

    def _read_record(self, reader: Iterator[list[str]]) -> Iterator[Row[Cells]]:
        """Yields the record that begins with the next line, unless it is blank."""
        try:
            cells = next(reader)
        except csv.Error:
            yield self._reject_first_line()
            return
        row = self._make_row(cells)
        if cells:
            yield row

    def _pop_line(self) -> tuple[int, str] | None:
        """Returns the next line with its number and line end, or None at the end."""
        while not self._lines:
            if (block := next(self._blocks, None)) is None:
                return None
            text = self._decode(block)
            self.protected = self.protected or PROTECTED.search(text) is not None
            self._lines.extend(_numbered_lines(text, block.number))
        return self._lines.popleft()

    def _next_line(self) -> str:
        """Returns the next line of the current record.

        Raises csv.Error if the record is too long. Then all lines except the first can be read
        again.
        """
        if self._record_bytes > MAX_RECORD_BYTES or self._exceeds_line_limit():
            raise csv.Error("the quotes do not end")
        if (numbered := self._pop_line()) is None:
            raise StopIteration
        number, line = numbered
        self._record_lines.append(numbered)
        self._record_bytes += _byte_count(line)
        if self._problems.get(number) is TOO_LONG:
            raise csv.Error("the line is cut")
        return line

    def _exceeds_line_limit(self) -> bool:
        return (
            self._reread_bytes > _MAX_REREAD_BYTES and len(self._record_lines) >= _MAX_RECORD_LINES
        )

    def _make_row(self, cells: Sequence[str]) -> Row[Cells]:
        """Returns the row of the current record, with a problem if a line is not UTF-8."""
        number = self._record_lines[0][0]
        problems = [self._problems.pop(line, None) for line, _ in self._record_lines]
        if not any(problems):
            return Row(number, tuple(cells))
        text = "".join(line for _, line in self._record_lines)
        return Row(number, None, text.rstrip("\r\n"), next(filter(None, problems)))

    def _reject_first_line(self) -> Row[Cells]:
        """Returns a malformed row of the first line. The other lines are read again."""
        (number, line), *others = self._record_lines
        self._reread_bytes += self._record_bytes - _byte_count(line)
        self._lines.extendleft(reversed(others))
        cut = self._problems.pop(number, None) is TOO_LONG
        return Row(number, None, line.rstrip("\r\n"), TOO_LONG if cut else MALFORMED)


class _LineIterator:
    """The lines for csv.reader.

    The reader continues after an error. A generator would have ended with the error.
    """

    def __init__(self, next_line: Callable[[], str]) -> None:
        self._next_line = next_line

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        return self._next_line()


def _split_plain(text: str) -> list[str] | None:
    """Returns the lines of a text without quotes, where each line is a record; otherwise None.

    Such lines do not need csv.reader, which is much slower.
    """
    if "\r" in text and text.count("\r") == text.count("\r\n"):
        text = text.replace("\r\n", "\n")
    return None if '"' in text or "\r" in text else text.split("\n")


def _numbered_lines(text: str, first: int) -> Iterator[tuple[int, str]]:
    """Returns the lines of a text with their line ends, and numbers from `first`."""
    lines = [f"{line}\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return enumerate(lines if lines[-1] else lines[:-1], first)


def _strip_line_end(line: str) -> str:
    return line.removesuffix("\n").removesuffix("\r")


def _byte_count(line: str) -> int:
    """Returns the number of bytes of a line in UTF-8."""
    return len(line) if line.isascii() else len(line.encode("utf-8", "surrogateescape"))


def split_record(record: str, delimiter: str) -> Cells:
    """Returns the cells of a record, or none if it cannot be split. Its quotes may be unpaired."""
    try:
        return tuple(next(csv.reader([record], delimiter=delimiter), ()))
    except csv.Error:
        return ()


def cell_getter(indexes: Sequence[int]) -> Callable[[Sequence[str]], Sequence[str]]:
    """Returns a function that gets the cells at these indexes."""
    if len(indexes) > 1:  # with a single index, itemgetter returns no tuple
        return itemgetter(*indexes)
    return lambda cells: [cells[index] for index in indexes]


def encode_utf_8(text: str) -> bytes:
    """Encodes the text in UTF-8. Lone surrogates become the bytes that they represent (PEP 383)."""
    return text.encode("utf-8", "surrogateescape")


def write(
    rows: Iterable[Sequence[str]],
    *,
    delimiter: str = ",",
    encode: Callable[[str], bytes] = encode_utf_8,
    protect: Callable[[str], str] | None = None,
) -> Iterator[bytes]:
    """Yields one or more lines for each row.

    `protect` is applied to each cell of a row that contains an apostrophe.
    """
    written: list[str] = []
    # With this line end, the writer quotes cells that contain CR or LF.
    writer = csv.writer(_TextSink(written), lineterminator=_LINE_END, delimiter=delimiter)
    for row in rows:
        writer.writerow(row)
        text = written.pop()
        if protect and "'" in text:
            writer.writerow(list(map(protect, row)))
            text = written.pop()
        yield encode(text.removesuffix(_LINE_END) + "\n")


class _TextSink:
    """A file for csv.writer, which appends each text to a list."""

    def __init__(self, written: list[str]) -> None:
        self._written = written

    def write(self, text: str) -> None:
        self._written.append(text)
