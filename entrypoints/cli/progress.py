"""Shows the progress of long work on a terminal."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from time import monotonic
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import click

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

T = TypeVar("T")

_ITEMS_PER_UPDATE = 1000


class Progress:
    """A context manager that shows a count and its rate, and the time left if `end` is known.

    Print other lines with `say` meanwhile. Nothing is shown if the result of the work is printed to
    a terminal itself (`result_to`).
    """

    def __init__(
        self, description: str, *, end: int | None = None, result_to: BinaryIO | None = None
    ) -> None:
        self._description = description
        self._end = end
        self._shown = sys.stderr.isatty() and not (result_to and result_to.isatty())
        self._bar: Bar | None = None
        self._stack = ExitStack()

    def __enter__(self) -> "Progress":
        if self._shown:
            self._bar = self._stack.enter_context(_bar())
            self._bar.add_task(self._description, total=self._end, count=0, rate=0.0)
            self._start = monotonic()
        return self

    def __exit__(self, *raised: object) -> None:
        self._stack.close()

    def watched(self, items: Iterable[T], file: BinaryIO | None = None) -> Iterator[T]:
        """Yields the items, and counts them. If they come from a file, `end` is its size."""
        count = 0
        for count, item in enumerate(items, start=1):
            if self._bar and count % _ITEMS_PER_UPDATE == 0:
                self.show(count, file.tell() if file and self._end is not None else count)
            yield item
        if self._bar:
            self.show(count, self._end if self._end is not None else count)

    def counted(self, file: BinaryIO) -> "BinaryIO | Counted":
        """The file; if progress is shown, each write to it counts as an item."""
        return Counted(self, file) if self._bar else file

    def show(self, count: int, done: int) -> None:
        """Shows the number of items, and how much of `end` is done."""
        assert self._bar
        rate = count / max(monotonic() - self._start, 0.001)
        self._bar.update(self._bar.task_ids[0], completed=done, count=count, rate=rate)

    def reach(self, done: int, end: int) -> None:
        """Shows how much is done, if the end was not known at first."""
        if self._bar:
            self._bar.update(self._bar.task_ids[0], total=end)
            self.show(done, done)

    def say(self, line: str) -> None:
        """Prints a line on standard error, without disturbing the progress bar."""
        if self._bar:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(line, err=True)


class Counted:
    """A file whose writes are shown as progress."""

    def __init__(self, progress: Progress, file: BinaryIO) -> None:
        self._progress = progress
        self._file = file
        self._count = 0

    def write(self, data: bytes, /) -> int:
        """Writes the data, and counts the write."""
        self._count += 1
        if self._count % _ITEMS_PER_UPDATE == 0:
            self._progress.show(self._count, self._count)
        return self._file.write(data)


def _bar() -> "Bar":
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    return Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[count]:,}, {task.fields[rate]:,.0f} a second"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
