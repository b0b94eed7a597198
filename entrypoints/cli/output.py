"""Prints documents and lines to standard output."""

import re
import sys
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import click

from entrypoints.cli.files import standard_output, standard_output_errors

if TYPE_CHECKING:
    from application.audit import Event

# Joiners of letters and of emoji: they occur in names and are harmless in a terminal.
_JOINERS = "\u200c\u200d"
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def printable(text: str) -> str:
    """Escapes characters that control a terminal or reorder its text."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in _JOINERS else ascii(c)[1:-1] for c in text)


def line(text: str) -> None:
    """Prints a line of text. Raises FileFailed if standard output is closed or full."""
    standard_output()
    with standard_output_errors():
        click.echo(text)


def document(text: bytes) -> None:
    """Prints a document, with the same bytes as over HTTP, and a line break."""
    stream([text])


def meta(content: Mapping[str, Any]) -> None:
    """Prints a document that has only `meta`. Bytes that are not UTF-8 become U+FFFD."""
    import json

    import orjson

    whole = {"jsonapi": {"version": "1.1"}, "meta": content}
    try:
        encoded = orjson.dumps(whole)
    except orjson.JSONEncodeError:  # a setting, or the name of a file, is not text
        encoded = _LONE_SURROGATE.sub("\ufffd", json.dumps(whole, ensure_ascii=False)).encode()
    document(encoded)


def data(resources: Sequence[Mapping[str, Any]]) -> None:
    """Prints a document with several resources, without pagination."""
    import orjson

    document(orjson.dumps({"jsonapi": {"version": "1.1"}, "data": resources}))


def stream(parts: Iterable[bytes]) -> None:
    """Prints the parts of a document."""
    _write(chain(parts, (b"\n",)))


def _write(parts: Iterable[bytes]) -> None:
    """Writes JSON. On a terminal, escapes the same characters as `printable`, in JSON syntax."""
    out = standard_output()
    for part in _escaped(parts) if sys.stdout.isatty() else parts:
        with standard_output_errors():
            out.write(part)
    with standard_output_errors():
        out.flush()


def _escaped(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Escapes characters that control a terminal. In JSON they only occur in strings."""
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


def events(entries: "Iterable[tuple[int, Event]]") -> None:
    """Prints events with their positions, one JSON object per line."""
    import orjson

    from adapters.resources.events import entry

    _write(orjson.dumps(entry(*each)) + b"\n" for each in entries)
