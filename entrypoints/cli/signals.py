"""Signals that end a command."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from signal import SIG_DFL, SIGHUP, SIGTERM, getsignal, signal

_ENDED_BY_SIGNAL = 128
"""The exit status of a shell for a command that a signal ended, without the signal's number."""


@contextmanager
def exit_on_signals() -> Iterator[None]:
    """Makes SIGTERM and SIGHUP raise SystemExit, so that the block removes its temporary files."""

    def end(number: int, _: object) -> None:
        sys.exit(_ENDED_BY_SIGNAL + number)

    signals = [each for each in (SIGTERM, SIGHUP) if getsignal(each) is SIG_DFL]
    for each in signals:
        signal(each, end)
    try:
        yield
    finally:
        for each in signals:
            signal(each, SIG_DFL)
