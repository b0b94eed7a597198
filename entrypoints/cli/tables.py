"""Tables for people: as wide as a terminal, or as wide as their content where there is none."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from entrypoints.cli.files import standard_output
from entrypoints.cli.output import printable

if TYPE_CHECKING:
    from rich.console import Console

    from adapters.jsonapi.kinds import Kind
    from adapters.jsonapi.resource import Resource

ROWS_OF_A_TABLE: Final = 1000
"""A longer list is shown as several tables, so that it need not be held whole."""

_GAP: Final = 2
_LEAST_WIDTH: Final = 16
"""A text that is shortened keeps at least so many characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a table is laid out.

    `columns` are chosen by the user: they are shown in this order, and none is dropped. `wide`:
    nothing is dropped or shortened. `dropped_first` are the columns that go first if the terminal
    is too narrow; by default the read-only attributes, from the last one.
    """

    columns: Sequence[str] | None = None
    wide: bool = False
    dropped_first: Sequence[str] | None = None


@dataclass(slots=True)
class _Column:
    """A column with the texts of its cells, and the width that it gets."""

    name: str
    kind: "Kind"
    cells: list[str] = field(default_factory=list)
    width: int = 0

    @property
    def least(self) -> int:
        """The least width; that of its content unless it is text or JSON, which can be cut."""
        from adapters.jsonapi.kinds import Json, Text

        if not isinstance(self.kind, Text | Json):
            return self.width
        return max(len(self.name), min(self.width, _LEAST_WIDTH))

    @property
    def wraps(self) -> bool:
        """Whether what does not fit continues on the next line, instead of being cut."""
        from adapters.jsonapi.kinds import Json

        return isinstance(self.kind, Json)


def show_list(resource: "Resource", entities: Iterable[Any], layout: Layout) -> tuple[str, ...]:
    """Print a table with a row for each entity. Returns the columns that were dropped."""
    kinds = _kinds(resource)
    names = [*(kinds if layout.columns is None else layout.columns)]
    width = None if layout.wide else _terminal_width()
    dropped: tuple[str, ...] | None = None
    left = iter(entities)
    while True:
        rows = list(islice(left, ROWS_OF_A_TABLE))
        columns = [_column(name, kinds[name], rows) for name in names]
        if width is not None:
            if dropped is None:
                shown = _fitting(columns, width, _drop_order(resource, layout))
                dropped = tuple(each.name for each in columns if each not in shown)
                names = [each.name for each in shown]
                columns = shown
            _shorten(columns, width)
        _print(columns)
        if len(rows) < ROWS_OF_A_TABLE:
            return dropped or ()


def show_one(resource: "Resource", entity: Any) -> None:
    """Print all attributes of an entity: in a row, or one on each line if a row does not fit."""
    kinds = _kinds(resource)
    columns = [_column(name, kind, [entity]) for name, kind in kinds.items()]
    width = _terminal_width()
    if width is None or _total(columns) <= width:
        _print(columns)
        return
    longest = max(map(len, kinds))
    for each in columns:
        _console(None).print(_bold(each.name.ljust(longest + _GAP)), end="")
        _console(None).print(_text(each.cells[0]), soft_wrap=True)


def show_texts(names: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows of texts. What does not fit continues on the next line."""
    from adapters.jsonapi.kinds import Json

    cells = [[printable(cell) for cell in row] for row in rows]
    columns = [
        _measured(_Column(name, Json(), [row[position] for row in cells]))
        for position, name in enumerate(names)
    ]
    if (width := _terminal_width()) is not None:
        _shorten(columns, width)
    _print(columns)


def _kinds(resource: "Resource") -> "dict[str, Kind]":
    """The id and the attributes, with their kinds."""
    return {"id": resource.id, **{name: a.field for name, a in resource.attributes.items()}}


def _column(name: str, kind: "Kind", rows: Sequence[Any]) -> _Column:
    cells = [printable(kind.to_display(getattr(entity, name))) for entity in rows]
    return _measured(_Column(name, kind, cells))


def _measured(column: _Column) -> _Column:
    """The column, as wide as its content."""
    from rich.cells import cell_len

    column.width = max(len(column.name), *map(cell_len, column.cells), 0)
    return column


def _total(columns: Sequence[_Column]) -> int:
    return sum(each.width for each in columns) + _GAP * (len(columns) - 1)


def _drop_order(resource: "Resource", layout: Layout) -> list[str]:
    """The columns that may be dropped before a text is shortened, the first one first."""
    if layout.columns is not None:
        return []
    if layout.dropped_first is not None:
        return [*layout.dropped_first]
    return [name for name, each in reversed([*resource.attributes.items()]) if each.read_only]


def _fitting(columns: Sequence[_Column], width: int, droppable: Sequence[str]) -> list[_Column]:
    """The columns without those that do not fit.

    First the droppable ones go, until the rest fits as it is. Then others go, from the last one,
    until the rest fits if its texts are shortened; but only if any are droppable, and never the
    first two.
    """
    shown = list(columns)
    for name in droppable:
        if _total(shown) <= width:
            return shown
        shown = [each for each in shown if each.name != name]
    while droppable and len(shown) > 2 and _least_total(shown) > width:
        shown.pop()
    return shown


def _least_total(columns: Sequence[_Column]) -> int:
    return sum(each.least for each in columns) + _GAP * (len(columns) - 1)


def _shorten(columns: Sequence[_Column], width: int) -> None:
    """Make the widest texts narrower until all columns fit, or none can be narrower."""
    for each in columns:
        each.width = min(each.width, max(each.least, width))
    while _total(columns) > width:
        wide = [each for each in columns if each.width > each.least]
        if not wide:
            return
        max(wide, key=lambda each: each.width).width -= 1


def _print(columns: Sequence[_Column]) -> None:
    from rich.table import Table

    shown = Table(box=None, pad_edge=False, header_style="bold")
    for each in columns:
        shown.add_column(
            each.name,
            width=each.width,
            no_wrap=not each.wraps,
            overflow="fold" if each.wraps else "ellipsis",
        )
    for row in zip(*(each.cells for each in columns), strict=True):
        shown.add_row(*map(_text, row))
    _console(_total(columns)).print(shown)


def _text(cell: str) -> Any:
    """A cell as it is: a name may look like the markup of rich."""
    from rich.text import Text

    return Text(cell)


def _bold(text: str) -> Any:
    from rich.text import Text

    return Text(text, style="bold")


def _terminal_width() -> int | None:
    """The width of the terminal, or that of COLUMNS; None if the output is not a terminal."""
    console = _console(None)
    return console.width if sys.stdout.isatty() else None


def _console(width: int | None) -> "Console":
    from rich.console import Console

    standard_output()
    return Console(width=width, soft_wrap=False)
