"""How a unit of work runs: by itself, or as a part of another."""

from collections.abc import Callable
from typing import TypeVar

from application.ports import Begin, ConcurrentUpdate, Context, UnitOfWork, UnitRunner

T = TypeVar("T")

MAX_RETRIES = 3


def retrying(begin: Begin) -> UnitRunner:
    """Runs a unit of work in a transaction of its own, again if another one overtook it.

    At most three times again. A first try takes no locks; the later ones hold what they read, so
    that a user whom many change at once still gets every change.
    """

    def run(context: Context, unit: Callable[[UnitOfWork], T], /, *, for_update: bool = False) -> T:
        for attempt in range(MAX_RETRIES):
            try:
                with begin(context, for_update=for_update or attempt > 0) as work:
                    return unit(work)
            except ConcurrentUpdate:
                continue
        with begin(context, for_update=True) as work:
            return unit(work)

    return run


def nested(work: UnitOfWork) -> UnitRunner:
    """Runs units as parts of one that is open: they happen with it, or not at all."""

    def run(
        _: Context,
        unit: Callable[[UnitOfWork], T],
        /,
        *,
        for_update: bool = False,  # noqa: ARG001 (as the open unit does)
    ) -> T:
        return unit(work)

    return run
