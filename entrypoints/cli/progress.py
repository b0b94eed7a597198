"""How far long work is: on a terminal, and nowhere else."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from time import monotonic
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import click

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

T = TypeVar("T")

_BETWEEN_LOOKS = 1000


class Progress:
    """Counts what passes, and shows it with its rate; with the time left where the end is known.

    Used as a context. What is to be said meanwhile on standard error goes through `say`.
    Where the work's result goes to a terminal itself, as `result_to` tells, nothing is shown.
    """

    def __init__(
        self, what: str, *, end: int | None = None, result_to: BinaryIO | None = None
    ) -> None:
        self._what = what
        self._end = end
        self._shown = sys.stderr.isatty() and not (result_to and result_to.isatty())
        self._bar: Bar | None = None
        self._stack = ExitStack()

    def __enter__(self) -> "Progress":
        if self._shown:
            self._bar = self._stack.enter_context(_bar())
            self._bar.add_task(self._what, total=self._end, count=0, rate=0.0)
            self._began = monotonic()
        return self

    def __exit__(self, *raised: object) -> None:
        self._stack.close()

    def watched(self, items: Iterable[T], file: BinaryIO | None = None) -> Iterator[T]:
        """The items; `end` is a number of them, or of bytes where they come out of a file."""
        count = 0
        for count, item in enumerate(items, start=1):
            if self._bar and count % _BETWEEN_LOOKS == 0:
                self.show(count, file.tell() if file and self._end is not None else count)
            yield item
        if self._bar:
            self.show(count, self._end if self._end is not None else count)

    def counted(self, file: BinaryIO) -> "BinaryIO | Counted":
        """The file; where that is shown, each write to it counts as an item."""
        return Counted(self, file) if self._bar else file

    def show(self, count: int, done: int) -> None:
        """So many items, and so much of the end, on the terminal."""
        assert self._bar
        rate = count / max(monotonic() - self._began, 0.001)
        self._bar.update(self._bar.task_ids[0], completed=done, count=count, rate=rate)

    def reach(self, done: int, end: int) -> None:
        """Show that so much is done, of an end that was not known at first."""
        if self._bar:
            self._bar.update(self._bar.task_ids[0], total=end)
            self.show(done, done)

    def say(self, line: str) -> None:
        """A line on standard error, beside what is shown there."""
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
        """Write it, and count it."""
        self._count += 1
        if self._count % _BETWEEN_LOOKS == 0:
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
