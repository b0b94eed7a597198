"""What commands print: tables for people, documents for programs."""

import sys
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import click

from entrypoints.cli.files import standard_output

if TYPE_CHECKING:
    from application.audit import Event

# Joiners of letters and of emoji: they belong to names and change nothing around them.
_JOINERS = "\u200c\u200d"


def printable(text: str) -> str:
    """The text with escapes for what could command the terminal, or reorder what it shows."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in _JOINERS else ascii(c)[1:-1] for c in text)


def line(text: str) -> None:
    """A line of text. Raises FileFailed if standard output is closed."""
    standard_output()
    click.echo(text)


def document(text: bytes) -> None:
    """The document, byte by byte as over HTTP, and the end of a line."""
    stream([text])


def meta(content: Mapping[str, Any]) -> None:
    """A document that has only meta-information."""
    import orjson

    document(orjson.dumps({"jsonapi": {"version": "1.1"}, "meta": content}))


def data(resources: Sequence[Mapping[str, Any]]) -> None:
    """A document of several resources that are no page of a list."""
    import orjson

    document(orjson.dumps({"jsonapi": {"version": "1.1"}, "data": resources}))


def stream(parts: Iterable[bytes]) -> None:
    """A document in parts."""
    _write(chain(parts, (b"\n",)))


def _write(parts: Iterable[bytes]) -> None:
    """Write JSON. On a terminal with escapes, as `printable`; they are JSON, too."""
    out = standard_output()
    for part in _harmless(parts) if sys.stdout.isatty() else parts:
        out.write(part)
    out.flush()


def _harmless(parts: Iterable[bytes]) -> Iterator[bytes]:
    """JSON without control characters and without those that reorder text: all are in strings."""
    import json

    decoder = getincrementaldecoder("utf-8")()
    for part in parts:
        text = decoder.decode(part)
        if text.isprintable():
            yield text.encode()
            continue
        yield "".join(
            c if c.isprintable() or c in _JOINERS + "\n" else json.dumps(c)[1:-1] for c in text
        ).encode()


def events(found: "Iterable[tuple[int, Event]]") -> None:
    """Events with their positions, a JSON object on each line."""
    import orjson

    from adapters.jsonapi.kinds import write_timestamp

    def lines() -> Iterator[bytes]:
        for position, event in found:
            fields = event._asdict()
            fields["time"] = write_timestamp(event.time)
            for key in ("id", "subject_id"):
                fields[key] = fields[key] and str(fields[key])
            yield orjson.dumps({"position": position, **fields}) + b"\n"

    _write(lines())
