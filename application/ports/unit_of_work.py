"""Units of work: the changes of one transaction."""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from application.access import Principal
from application.audit import AuditLog
from application.entities import AnyType, E, EntityType, N
from application.ports.accounts import AccountRecords
from application.ports.idempotency import IdempotencyStore
from application.ports.relationships import Links
from application.ports.repository import Repository
from application.relationships import ToMany
from domain.errors import Conflict

T = TypeVar("T")

Clock = Callable[[], datetime]
"""Returns the current time in UTC, in whole milliseconds."""


@dataclass(frozen=True, slots=True)
class Context:
    """The principal and the request for which a unit of work runs.

    `principal` is None on a service without access control. `link_limit` is the number of pairs
    and references that the unit may change at most; None is any number.
    """

    principal: Principal | None = None
    request_id: str | None = None
    link_limit: int | None = None

    @property
    def actor(self) -> tuple[str | None, str | None, str | None]:
        """The subject, the kind and the issuer of the principal, as in the audit log."""
        if (principal := self.principal) is None:
            return None, None, None
        return principal.subject, principal.kind, principal.issuer


@dataclass(slots=True)
class LinkCount:
    """Counts the pairs and references that a unit of work changes."""

    limit: int | None
    changed: int = 0

    def add(self, number: int) -> None:
        """Counts changes. Raises TooManyLinks if there are more than the limit."""
        self.changed += number
        if self.limit is not None and self.changed > self.limit:
            raise TooManyLinks(self.limit)


class TooManyLinks(Conflict):
    """One request changes too many pairs and references."""

    code = "too_many_memberships"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The request changes more than {limit:,} memberships. Nothing has changed. Remove "
            "them in several requests, or use the roster command."
        )


class UnitOfWork(Protocol):
    """A transaction, with the data that it can read and write."""

    @property
    def now(self) -> datetime:
        """The timestamp of all changes in the unit."""

    @property
    def clock(self) -> Clock:
        """Returns the present time. It is later than `now` if the unit has waited for a lock."""

    def repository(self, entity_type: EntityType[N, E]) -> Repository[N, E]:
        """Returns the repository of a type. Creates it when it is first used."""

    def links(self, relationship: ToMany) -> Links:
        """Returns the pairs of the relationship's association, from the end of the relationship."""

    @property
    def link_count(self) -> LinkCount:
        """The number of pairs and references that the unit has changed."""

    @property
    def idempotency(self) -> IdempotencyStore:
        """The stored responses to requests."""

    @property
    def accounts(self) -> AccountRecords:
        """The passwords, sessions, emailed links and waiting emails."""

    @property
    def audit(self) -> AuditLog:
        """The events of the unit."""

    def react_to_erasure(self, entity_type: AnyType, values: Collection[str]) -> None:
        """Calls the reaction of the type to the erasure of one or more persons.

        `values` are those that the attribute of the type's person key ever had.
        """

    def savepoint(self) -> Callable[[], None]:
        """Creates a savepoint. Returns a function that rolls back to it."""


class Begin(Protocol):
    """Opens a unit of work. Commits it at the end of the block, or rolls it back on an exception.

    With `for_update`, all data that the unit reads are locked until its end, so that no other unit
    can change them. Raises Unavailable if the unit cannot be opened. Raises ConcurrentUpdate if the
    store rolls it back because of another unit; it may run again. Raises OutcomeUnknown if the
    response to the commit is lost.
    """

    def __call__(
        self, context: Context, *, for_update: bool = False
    ) -> AbstractContextManager[UnitOfWork]: ...


class UnitRunner(Protocol):
    """Runs a unit of work and returns its result. application.units has the implementations.

    With `for_update`, even the first attempt locks all data that the unit reads.
    """

    def __call__(
        self, context: Context, unit: Callable[[UnitOfWork], T], /, *, for_update: bool = False
    ) -> T: ...
