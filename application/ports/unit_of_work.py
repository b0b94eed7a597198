"""A unit of work: what happens in one transaction, and how it is opened."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from application.access import Principal
from application.audit import AuditLog
from application.entities import E, EntityType, N
from application.ports.idempotency import IdempotencyStore
from application.ports.repository import Repository

T = TypeVar("T")

Clock = Callable[[], datetime]
"""The time: UTC, whole milliseconds."""


@dataclass(frozen=True, slots=True)
class Context:
    """The principal and the request for which a unit of work runs.

    `principal` is None on a service without access control.
    """

    principal: Principal | None = None
    request_id: str | None = None

    @property
    def actor(self) -> tuple[str | None, str | None, str | None]:
        """Subject, kind and issuer of the principal, as the audit log records them."""
        who = self.principal
        return (who.subject, who.kind, who.issuer) if who else (None, None, None)


class UnitOfWork(Protocol):
    """A transaction, with what can be read and written in it."""

    @property
    def context(self) -> Context: ...

    @property
    def now(self) -> datetime:
        """The time of everything that the unit writes."""

    def repository(self, entity_type: EntityType[N, E]) -> Repository[N, E]:
        """The entities of the type. It is created when it is first used."""

    @property
    def idempotency(self) -> IdempotencyStore: ...

    @property
    def audit(self) -> AuditLog:
        """The changes that the unit makes."""

    def savepoint(self) -> Callable[[], None]:
        """Create a savepoint. Returns a function that rolls back to it."""


class Begin(Protocol):
    """Opens a unit of work. A clean exit commits it; any other exit rolls it back.

    With `for_update`, everything that the unit reads is locked until its end, so that no other
    unit can change it. Raises Unavailable if the unit cannot be opened, ConcurrentUpdate if the
    store rolled it back because of another unit (it may run again), and OutcomeUnknown if the
    response to the commit was lost.
    """

    def __call__(
        self, context: Context, *, for_update: bool = False
    ) -> AbstractContextManager[UnitOfWork]: ...


class UnitRunner(Protocol):
    """Runs a unit of work to its end and returns its result; see application.units.

    With `for_update`, the first attempt already locks everything that the unit reads.
    """

    def __call__(
        self, context: Context, unit: Callable[[UnitOfWork], T], /, *, for_update: bool = False
    ) -> T: ...
