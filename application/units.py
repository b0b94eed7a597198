"""Units of work of every store, and their runners: in separate transactions, or nested."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from random import uniform
from time import sleep
from typing import Any, TypeVar

from application.audit import AuditLog
from application.deadlines import time_left
from application.entities import AnyType, E, EntityType, N
from application.ports import (
    AccountRecords,
    Begin,
    Clock,
    ConcurrentUpdate,
    Context,
    IdempotencyStore,
    LinkCount,
    Links,
    Repository,
    UnitOfWork,
    UnitRunner,
)
from application.reactions import ReactingRepository, Reactions
from application.relationships import ToMany

T = TypeVar("T")

MAX_RETRIES = 15
_FIRST_PAUSE = 0.01
_MAX_PAUSE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreUnit(UnitOfWork):
    """A unit of work whose parts a store makes.

    `make_repository` is called once for each type. `reactions` are called when entities of their
    types are saved, removed or erased.
    """

    now: datetime
    clock: Clock
    make_repository: Callable[[AnyType], Any]
    make_links: Callable[[ToMany], Links]
    make_accounts: Callable[[], AccountRecords]
    idempotency: IdempotencyStore
    audit: AuditLog
    link_count: LinkCount
    savepoint: Callable[[], Callable[[], None]]
    reactions: Reactions

    repositories: dict[AnyType, Any] = field(default_factory=dict)

    def repository(self, entity_type: EntityType[N, E]) -> Repository[N, E]:
        repository: Repository[N, E] | None = self.repositories.get(entity_type)
        if repository is None:
            repository = self.repositories[entity_type] = self.make_repository(entity_type)
        if (reaction := self.reactions.get(entity_type)) is not None:
            return ReactingRepository(repository, reaction, self)
        return repository

    def react_to_erasure(self, entity_type: AnyType, values: Collection[str]) -> None:
        if (reaction := self.reactions.get(entity_type)) is not None:
            reaction.erased(self, values)

    def links(self, relationship: ToMany) -> Links:
        return self.make_links(relationship)

    @property
    def accounts(self) -> AccountRecords:
        return self.make_accounts()


def retrying(begin: Begin) -> UnitRunner:
    """Returns a runner that retries a unit of work up to MAX_RETRIES times after ConcurrentUpdate.

    Each attempt has its own transaction. The first attempt takes no locks. Retries lock the data
    that they read, so that many concurrent changes of one entity all succeed.
    """

    def run(context: Context, unit: Callable[[UnitOfWork], T], /, *, for_update: bool = False) -> T:
        def attempt(number: int) -> T:
            with begin(context, for_update=for_update or number > 0) as work:
                return unit(work)

        return retry(attempt)

    return run


def retry(attempt: Callable[[int], T]) -> T:
    """Returns the result of `attempt`, which gets its number, from 0 on.

    Calls it again after ConcurrentUpdate, up to MAX_RETRIES times and until the deadline. The nodes
    of a cluster do not wait for one another's locks. So from the second retry on, there is a pause
    of random length, or all nodes would retry, and conflict, at the same time.
    """
    for number in range(MAX_RETRIES):
        try:
            return attempt(number)
        except ConcurrentUpdate:
            if not _pause(number):
                raise
    return attempt(MAX_RETRIES)


def _pause(failures: int) -> bool:
    """Pauses after a failure, of which there were `failures` before.

    Returns False, without a pause, if it would last beyond the deadline.
    """
    if failures == 0:
        return True
    seconds = uniform(0, min(_MAX_PAUSE, _FIRST_PAUSE * 2**failures))
    left = time_left()
    if left is not None and left <= seconds:
        return False
    sleep(seconds)
    return True


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
