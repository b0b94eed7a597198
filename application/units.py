"""How a unit of work runs: by itself, or as a part of another."""

from collections.abc import Callable
from typing import TypeVar

from application.ports import Begin, Context, Overtaken, Run, UnitOfWork

T = TypeVar("T")

REPETITIONS = 3


def repeating(begin: Begin) -> Run:
    """Runs a unit of work in a transaction of its own, again if another one overtook it.

    At most three times again. A first try takes no locks; the later ones hold what they read, so
    that a user whom many change at once still gets every change.
    """

    def run(context: Context, unit: Callable[[UnitOfWork], T], /, *, holding: bool = False) -> T:
        for attempt in range(REPETITIONS):
            try:
                with begin(context, holding=holding or attempt > 0) as work:
                    return unit(work)
            except Overtaken:
                continue
        with begin(context, holding=True) as work:
            return unit(work)

    return run


def joining(work: UnitOfWork) -> Run:
    """Runs units as parts of one that is open: they happen with it, or not at all."""

    def run(
        _: Context,
        unit: Callable[[UnitOfWork], T],
        /,
        *,
        holding: bool = False,  # noqa: ARG001 (as the open unit does)
    ) -> T:
        return unit(work)

    return run
