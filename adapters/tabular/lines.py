"""The lines of a file, with their numbers and a limit for their length."""

from collections.abc import Iterable, Iterator
from typing import ClassVar, Final, Generic, NamedTuple, TypeVar

from adapters.tabular.remedies import Remedy, SolvableProblem
from domain.errors import Problem

T = TypeVar("T")

MAX_RECORD_BYTES: Final = 2**16
"""The limit for the bytes of a line, and of a record of several lines."""

TOO_LONG: Final = Problem("record_too_long", f"must have at most {MAX_RECORD_BYTES} bytes")


class NotUtf8(SolvableProblem):
    """Bytes that are not UTF-8. All such records of a file usually have the same cause.

    `brief` is the detail without the position.
    """

    __slots__ = ()
    brief: ClassVar[str] = "must be text in UTF-8"

    @classmethod
    def at(cls, offset: int, line: int, byte: int, code: str = "not_utf_8") -> "NotUtf8":
        """Returns the problem of a byte at an offset from the start of the file."""
        return cls(
            code,
            f"{cls.brief}; byte 0x{byte:02x} at offset {offset} (line {line}) is not",
            (Remedy("encoding"),),
        )


class Row(NamedTuple, Generic[T]):
    """A record of a file, and the number of the line on which it begins. A tuple, for its speed.

    If there is a problem, `content` is None and `text` is the original text of the record. Bytes
    that are not UTF-8 are lone surrogates in it (PEP 383). `item` is the position of an item of
    an array, from 1, or 0 if there is no array.
    """

    line: int
    content: T | None
    text: str = ""
    problem: Problem | None = None
    item: int = 0


class Block(NamedTuple):
    """Complete lines with their line ends. The last line of a file can lack its line end.

    `number` is the number of the first line, and `offset` the offset of its first byte. If `cut` is
    true, the block is the beginning of one line that is too long.
    """

    number: int
    data: bytes
    offset: int
    cut: bool = False


def prepend(head: bytes, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yields the head, in chunks of at most MAX_RECORD_BYTES bytes, and then the other chunks."""
    yield from split_chunks(head)
    yield from chunks


def split_chunks(data: bytes) -> Iterator[bytes]:
    """Yields the bytes in chunks of at most MAX_RECORD_BYTES bytes."""
    for start in range(0, len(data), MAX_RECORD_BYTES):
        yield data[start : start + MAX_RECORD_BYTES]


def blocks(chunks: Iterable[bytes], offset: int) -> Iterator[Block]:
    """Yields the lines of a file in blocks. `offset` is the offset of the first byte.

    A chunk may have at most MAX_RECORD_BYTES bytes. If a line is longer, its block has the first
    MAX_RECORD_BYTES bytes, and the others are skipped.
    """
    number, carried = 1, b""
    source = iter(chunks)
    for chunk in source:
        end = chunk.rfind(b"\n") + 1
        if carried:
            first = chunk.find(b"\n") + 1
            if len(carried) + (first or len(chunk)) > MAX_RECORD_BYTES:
                beginning = (carried + chunk)[:MAX_RECORD_BYTES]
                chunk, skipped_bytes = _skip_line(chunk, source)
                yield Block(number, beginning, offset, cut=True)
                number += 1
                offset += len(carried) + skipped_bytes
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
    """Skips the rest of a line, which begins with the chunk.

    Returns the bytes after the line in its last chunk, and the number of skipped bytes.
    """
    skipped_bytes = 0
    while not (end := chunk.find(b"\n") + 1):
        skipped_bytes += len(chunk)
        if (next_chunk := next(source, None)) is None:
            return b"", skipped_bytes
        chunk = next_chunk
    return chunk[end:], skipped_bytes + end


def lossless(line: bytes) -> str:
    """Decodes a line without loss: bytes that are not UTF-8 become lone surrogates (PEP 383)."""
    return line.decode("utf-8", "surrogateescape")
