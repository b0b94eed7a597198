"""Prints tables for people. They fit the terminal; without one, they are as wide as needed."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from entrypoints.cli.files import standard_output, standard_output_errors
from entrypoints.cli.output import printable

if TYPE_CHECKING:
    from rich.console import Console

    from adapters.jsonapi.kinds import Kind
    from adapters.jsonapi.resource import Resource

ROWS_OF_A_TABLE: Final = 1000
"""A longer list is shown as several tables, so that memory does not grow with it."""

_GAP: Final = 2
_MIN_WIDTH: Final = 16
"""The minimum number of characters of a shortened text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The layout of a table.

    - `columns` are the columns that the user chose. They are shown in this order and never dropped.
    - `wide` shows everything: no columns are dropped and no texts are shortened.
    - `dropped_first` are the columns to drop first if the terminal is too narrow. By default, these
      are the read-only attributes, from the last one.
    """

    columns: Sequence[str] | None = None
    wide: bool = False
    dropped_first: Sequence[str] | None = None


@dataclass(slots=True)
class _Column:
    """A column: the texts of its cells, and its width."""

    name: str
    kind: "Kind"
    cells: list[str] = field(default_factory=list)
    width: int = 0

    @property
    def min_width(self) -> int:
        """The minimum width. Only text and JSON can be narrower than the content."""
        from adapters.jsonapi.kinds import Json, Text

        if not isinstance(self.kind, Text | Json):
            return self.width
        return max(len(self.name), min(self.width, _MIN_WIDTH))

    @property
    def wraps(self) -> bool:
        """True if a long text continues on the next line, instead of being shortened."""
        from adapters.jsonapi.kinds import Json

        return isinstance(self.kind, Json)


def show_list(resource: "Resource", entities: Iterable[Any], layout: Layout) -> tuple[str, ...]:
    """Prints a table with a row for each entity. Returns the columns that were dropped."""
    kinds = _kinds(resource)
    names = [*(kinds if layout.columns is None else layout.columns)]
    width = None if layout.wide else _terminal_width()
    dropped: tuple[str, ...] | None = None
    remaining = iter(entities)
    while True:
        rows = list(islice(remaining, ROWS_OF_A_TABLE))
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
    """Prints all attributes of an entity: in a row, or if that is too wide, one on each line."""
    kinds = _kinds(resource)
    columns = [_column(name, kind, [entity]) for name, kind in kinds.items()]
    width = _terminal_width()
    if width is None or _total(columns) <= width:
        _print(columns)
        return
    longest = max(map(len, kinds))
    for each in columns:
        _show(_console(None), _bold(each.name.ljust(longest + _GAP)), end="")
        _show(_console(None), _text(each.cells[0]), soft_wrap=True)


def show_texts(names: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints rows of texts. A text that does not fit continues on the next line."""
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
    """Returns the id, the attributes and the ids in references, with their kinds."""
    attributes = {name: each.field for name, each in resource.attributes.items()}
    return {"id": resource.id, **attributes, **dict.fromkeys(resource.references, resource.id)}


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
    """The columns that may be dropped before a text is shortened, in the order of dropping."""
    if layout.columns is not None:
        return []
    if layout.dropped_first is not None:
        return [*layout.dropped_first]
    return [name for name, each in reversed([*resource.attributes.items()]) if each.read_only]


def _fitting(columns: Sequence[_Column], width: int, droppable: Sequence[str]) -> list[_Column]:
    """The columns that fit.

    First drops the droppable columns, until the others fit unchanged. Then drops other columns,
    from the last one, until the others fit with shortened texts. This second step needs droppable
    columns, and it keeps the first two columns.
    """
    shown = list(columns)
    for name in droppable:
        if _total(shown) <= width:
            return shown
        shown = [each for each in shown if each.name != name]
    while droppable and len(shown) > 2 and _min_total(shown) > width:
        shown.pop()
    return shown


def _min_total(columns: Sequence[_Column]) -> int:
    return sum(each.min_width for each in columns) + _GAP * (len(columns) - 1)


def _shorten(columns: Sequence[_Column], width: int) -> None:
    """Narrows the widest columns until all columns fit, or have their minimum width."""
    for each in columns:
        each.width = min(each.width, max(each.min_width, width))
    while _total(columns) > width:
        can_narrow = [each for each in columns if each.width > each.min_width]
        if not can_narrow:
            return
        max(can_narrow, key=lambda each: each.width).width -= 1


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
    _show(_console(_total(columns)), shown)


def _show(console: "Console", content: Any, **options: Any) -> None:
    """Prints to the console at once. Raises FileFailed if standard output is full."""
    with standard_output_errors():
        console.print(content, **options)
        console.file.flush()


def _text(cell: str) -> Any:
    """The text of a cell, without interpreting it as markup of rich."""
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
