"""What commands print: tables for people, documents for programs."""

import sys
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from entrypoints.cli.files import standard_output

if TYPE_CHECKING:
    from rich.console import Console

    from adapters.jsonapi.kinds import Kind
    from adapters.jsonapi.resource import Resource
    from application.audit import Event

# Joiners of letters and of emoji: they belong to names and change nothing around them.
_JOINERS = "\u200c\u200d"

ROWS_OF_A_TABLE = 1000
"""A longer list is shown as several tables, so that it need not be held whole."""


def printable(text: str) -> str:
    """The text with escapes for what could command the terminal, or reorder what it shows."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in _JOINERS else ascii(c)[1:-1] for c in text)


def document(text: bytes) -> None:
    """The document, byte by byte as over HTTP, and the end of a line."""
    stream([text])


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


def table(
    resource: "Resource", entities: "Iterable[Any]", fields: frozenset[str] | None = None
) -> None:
    """A table as wide as the terminal; as wide as its content where that is none."""
    from rich.table import Table
    from rich.text import Text

    columns: dict[str, Kind] = {"id": resource.id}
    for name, attribute in resource.attributes.items():
        if fields is None or name in fields:
            columns[name] = attribute.field
    left = iter(entities)
    console = _console()
    while True:
        rows = list(islice(left, ROWS_OF_A_TABLE))
        shown = Table(*columns, box=None, pad_edge=False, header_style="bold")
        for entity in rows:
            # Text, since a name may look like rich's markup.
            cells = (field.to_display(getattr(entity, name)) for name, field in columns.items())
            shown.add_row(*(Text(printable(cell)) for cell in cells))
        console.print(shown)
        if len(rows) < ROWS_OF_A_TABLE:
            return


def _console() -> "Console":
    from rich.console import Console

    standard_output()
    return Console(width=None if sys.stdout.isatty() else 10_000, soft_wrap=False)
