"""The lines of a file, numbered and bounded."""

from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, ClassVar, Final, Generic, NamedTuple, TypeVar

from domain.errors import Problem

T = TypeVar("T")

LONGEST: Final = 2**16
"""Bytes of a line, and of a record that goes over several lines."""

_MARK: Final = b"\xef\xbb\xbf"

TOO_LONG: Final = Problem("record_too_long", f"must have at most {LONGEST} bytes")


class NotUtf8(Problem):
    """Bytes that are not UTF-8. In every record of a file, the problem has the same cause.

    `brief` is its detail without the place and the remedy.
    """

    __slots__ = ()
    brief: ClassVar[str] = "must be text in UTF-8"

    @classmethod
    def at(cls, offset: int, line: int, byte: int, code: str = "not_utf_8") -> "NotUtf8":
        """The problem of a byte at an offset from the beginning of the file."""
        return cls(
            code,
            f"{cls.brief}; byte 0x{byte:02x} at offset {offset} (line {line}) is not. "
            "If the file has another encoding, name it with --encoding, such as windows-1252",
        )


class Row(NamedTuple, Generic[T]):
    """A record of a file, and the number of the line on which it begins. A tuple, for its speed.

    Where there is a problem, `content` is None and `text` is the record as it stands there; bytes
    that are not UTF-8 are lone surrogates in it (PEP 383). `item` is the position of an item of
    an array, from 1.
    """

    line: int
    content: T | None
    text: str = ""
    problem: Problem | None = None
    item: int = 0


class Block(NamedTuple):
    """Complete lines with their ends; the last line of a file may lack its end.

    `number` is the number of the first line, and `offset` the offset of its first byte. A `cut`
    block is the beginning of one line that is too long.
    """

    number: int
    data: bytes
    offset: int
    cut: bool = False


def chunks(file: BinaryIO) -> Iterator[bytes]:
    """The bytes of a file in UTF-8, without a byte order mark, as soon as they can be read."""
    read: Callable[[int], bytes] = getattr(file, "read1", file.read)
    head = b""
    while len(head) < len(_MARK) and (chunk := read(LONGEST)):
        head += chunk
    head = head.removeprefix(_MARK)
    yield from in_parts(head)
    while chunk := read(LONGEST):
        yield chunk


def in_parts(data: bytes) -> Iterator[bytes]:
    """The bytes in chunks of at most LONGEST bytes."""
    for start in range(0, len(data), LONGEST):
        yield data[start : start + LONGEST]


def blocks(chunks: Iterable[bytes], offset: int = 0) -> Iterator[Block]:
    """The lines of a file, many at a time. `offset` is the offset of the first byte.

    A chunk has at most LONGEST bytes. Of a longer line, the block has so many bytes; the others are
    skipped.
    """
    number, carried = 1, b""
    source = iter(chunks)
    for chunk in source:
        end = chunk.rfind(b"\n") + 1
        if carried:
            first = chunk.find(b"\n") + 1
            if len(carried) + (first or len(chunk)) > LONGEST:
                skipped = _skip_line(chunk, source)
                yield Block(number, (carried + chunk[:LONGEST])[:LONGEST], offset, cut=True)
                number += 1
                chunk, size = skipped
                offset += len(carried) + size
                carried = b""
                end = chunk.rfind(b"\n") + 1
        if end:
            data = carried + chunk[:end]
            yield Block(number, data, offset)
            number += data.count(b"\n")
            offset += len(data)
            carried = chunk[end:]
        else:
            carried += chunk
    if carried:
        yield Block(number, carried, offset)


def _skip_line(chunk: bytes, source: Iterator[bytes]) -> tuple[bytes, int]:
    """What follows the rest of a line in its last chunk, and how many bytes the rest has."""
    size = 0
    while not (end := chunk.find(b"\n") + 1):
        size += len(chunk)
        if (more := next(source, None)) is None:
            return b"", size
        chunk = more
    return chunk[end:], size + end


def lossless(line: bytes) -> str:
    """The text of a line, whatever is in it."""
    return line.decode("utf-8", "surrogateescape")
