"""Runners of units of work: in separate transactions, or nested in an open unit."""

from collections.abc import Callable
from typing import TypeVar

from application.ports import Begin, ConcurrentUpdate, Context, UnitOfWork, UnitRunner

T = TypeVar("T")

MAX_RETRIES = 3


def retrying(begin: Begin) -> UnitRunner:
    """Returns a runner that retries a unit of work up to MAX_RETRIES times after ConcurrentUpdate.

    Each attempt has its own transaction. The first attempt takes no locks. Retries lock the data
    that they read, so that many concurrent changes of one entity all succeed.
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
    """Returns a runner whose units are part of an open unit, and are committed with it."""

    def run(
        _: Context,
        unit: Callable[[UnitOfWork], T],
        /,
        *,
        for_update: bool = False,  # noqa: ARG001 (the open unit has its own)
    ) -> T:
        return unit(work)

    return run
