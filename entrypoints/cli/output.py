"""What commands print: tables for people, documents for programs."""

import sys
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from domain.users import User

ROWS_OF_A_TABLE = 1000
"""A longer list is shown as several tables, so that it need not be held whole."""


def document(text: bytes) -> None:
    """The document, byte by byte as over HTTP, and the end of a line."""
    stream([text])


def stream(parts: Iterable[bytes]) -> None:
    """A document in parts."""
    out = sys.stdout.buffer
    for part in parts:
        out.write(part)
    out.write(b"\n")
    out.flush()


def table(users: "Iterable[User]", fields: frozenset[str] | None = None) -> None:
    """A table as wide as the terminal; as wide as its content where that is none."""
    from rich.table import Table
    from rich.text import Text

    from adapters.resources.users import USERS

    names = ["id", *(name for name in USERS.attributes if fields is None or name in fields)]
    left = iter(users)
    console = _console()
    while True:
        rows = list(islice(left, ROWS_OF_A_TABLE))
        shown = Table(*names, box=None, pad_edge=False, header_style="bold")
        for user in rows:
            # Text, since a name may look like rich's markup.
            shown.add_row(*(Text(_cell(getattr(user, name))) for name in names))
        console.print(shown)
        if len(rows) < ROWS_OF_A_TABLE:
            return


def _console() -> "Console":
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 10_000, soft_wrap=False)


def _cell(value: Any) -> str:
    from datetime import datetime

    from adapters.jsonapi.resource import write_instant

    if isinstance(value, bool):
        return "yes" if value else "no"
    return write_instant(value) if isinstance(value, datetime) else str(value)
