"""Reads files that refer to an entity on each line."""

from collections.abc import Iterator
from typing import BinaryIO

from adapters.tabular.lines import TOO_LONG, NotUtf8, blocks
from adapters.tabular.source import Source
from application.imports import Record
from application.link_import import REFERENCE
from domain.text import strip_invisible


def read_lines(file: BinaryIO) -> Iterator[Record]:
    """Yields a record for each line, with its text as REFERENCE. Skips blank lines.

    White space and invisible characters at both ends of a line are ignored. Raises Invalid if the
    file is not text.
    """
    source = Source(file)
    for block in blocks(source, source.offset):
        if block.cut:
            yield Record(block.number, {REFERENCE: ""}, problem=TOO_LONG)
            continue
        offset = block.offset
        for number, line in enumerate(block.data.split(b"\n"), block.number):
            try:
                text = strip_invisible(line.decode())
            except UnicodeDecodeError as error:
                problem = NotUtf8.at(offset + error.start, number, line[error.start])
                yield Record(number, {REFERENCE: ""}, problem=problem)
            else:
                if text:
                    yield Record(number, {REFERENCE: text})
            offset += len(line) + 1
