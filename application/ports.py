"""What the use cases need from outside, in their own words. Adapters keep these promises."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeVar

from application.access import Principal
from application.audit import AuditLog
from application.search import Page, Search
from domain.errors import Conflict, RosterError
from domain.users import NewUser, User

T = TypeVar("T")

Clock = Callable[[], datetime]
"""The time: UTC, whole milliseconds."""


class Unavailable(RosterError):
    """The store can't do it now. Nothing happened, but for OutcomeUnknown.

    `reason` is the cause for the operator's terminal and log, if it is known. Clients of the API
    never see it.
    """

    code = "unavailable"
    reason: str | None = None

    def __init__(self, detail: str = "The directory can't be reached now; try again.") -> None:
        super().__init__(detail)

    @property
    def explanation(self) -> str:
        """The message for the operator: the detail, and the reason if it is known."""
        if self.reason is None:
            return self.detail
        if type(self) is Unavailable:  # its detail says no more than the reason
            return self.reason
        return f"{self.detail.rstrip('.')}: {self.reason}"


class ConcurrentUpdate(Unavailable):
    """Another unit of work changed the same thing first; nothing happened, and it may run again."""

    code = "overtaken"

    def __init__(self) -> None:
        super().__init__("Others kept changing the same thing; try again.")


class OutcomeUnknown(Unavailable):
    """The answer to a commit was lost: all of it happened, or nothing."""

    code = "outcome_unknown"

    def __init__(self) -> None:
        super().__init__("The answer of the database was lost: look whether it happened.")


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


class Users(Protocol):
    """The users that exist, as one unit of work sees them, and tells its trail of each change."""

    def add(self, new: NewUser, *, at: datetime) -> User:
        """Store it, with an id never given before, at version 1.

        Raises EmailTaken if another user has an email with the same key.
        """

    def add_many(self, new: Sequence[NewUser], *, at: datetime) -> Collection[int]:
        """Store them in their order, all but those whose email is held, by one before them too.

        Gives the positions of those that were left out. A few statements, however many they are:
        meant for up to a thousand or so.
        """

    def find_by_emails(self, emails: Collection[str]) -> Mapping[str, User]:
        """The users who have any of the emails, by the keys of their emails."""

    def get(self, user_id: int) -> User:
        """The user as it stands. UserNotFound if there is none."""

    def save(self, user: User, *, before: User) -> User:
        """Store it if the stored version still is the one before.

        ConcurrentUpdate if not, or if the user is gone; EmailTaken as for add.
        """

    def remove(self, user: User) -> None:
        """Delete it if the stored version still is this one; ConcurrentUpdate if not."""


IDEMPOTENCY_TTL: Final = timedelta(hours=24)
STORED_BYTES: Final = 16 * 1024**2
"""How many bytes of responses are stored for one principal in that time, unless a setting says
otherwise."""

Subject = tuple[str, int]
"""A resource: its type and its id."""


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """The response to a request. `subjects` are the resources that it contains, or may contain.

    Status and headers have a meaning only for the adapter that creates the response.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    subjects: frozenset[Subject] = field(default=frozenset(), compare=False)


class KeyReused(RosterError):
    """The idempotency key was used for a different request."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("The idempotency key was used for a different request. Use a new key.")


class KeyInUse(Conflict):
    """The first request with the idempotency key has no response yet."""

    code = "idempotency_key_in_use"

    def __init__(self) -> None:
        super().__init__(
            "The first request with the idempotency key is still running. Try again later."
        )


class ResponseErased(Conflict):
    """The response to the first request with the key contained a resource that was erased."""

    code = "response_erased"

    def __init__(self) -> None:
        super().__init__(
            "The request with the idempotency key was executed before, and its response was "
            "erased. Use a new key for another request."
        )


class TooManyStoredResponses(RosterError):
    """The responses that are stored for the principal take all the space that it has.

    `retry_after` is the number of seconds until one of them expires.
    """

    code = "too_many_stored_responses"

    def __init__(self, retry_after: int) -> None:
        super().__init__(
            "The responses stored for your idempotency keys of the last 24 hours take all the "
            "space that one principal has. Nothing was done. Try again later, or without a key."
        )
        self.retry_after = max(1, retry_after)


class IdempotencyStore(Protocol):
    """The stored responses to requests that may be repeated, as one unit of work sees them.

    They expire after IDEMPOTENCY_TTL.
    """

    def reserve(self, key: str, digest: str, *, owner: str, at: datetime) -> StoredResponse | None:
        """Reserve the key for this unit, which then must keep a response; or return the stored one.

        `owner` identifies the principal. While another unit has the key, it waits, but not until
        the very end of the deadline. Raises KeyInUse if that unit is still open then, KeyReused
        if the key was used with another digest, ResponseErased if its response was erased,
        ConcurrentUpdate if its response was deleted meanwhile, and TooManyStoredResponses if the
        owner has no space left.
        """

    def store(self, key: str, answer: StoredResponse) -> None:
        """Store the response for a key that was reserved.

        Raises TooManyStoredResponses if the owner has not enough space left.
        """

    def erase(self, subject_type: str, subject_id: int) -> int:
        """Erase the responses that may contain the resource, and return their number.

        Their keys stay in use. The unit must hold or have removed the resource, so that no open
        unit has read it.
        """

    def delete_expired(self, until: datetime) -> int:
        """Delete some of the responses that were stored until then, and return their number.

        Those that another unit holds are left. None is left to delete if it returns 0.
        """


class UnitOfWork(Protocol):
    """What happens wholly or not at all."""

    @property
    def context(self) -> Context: ...

    @property
    def now(self) -> datetime:
        """The one time that everything it writes bears."""

    @property
    def users(self) -> Users: ...

    @property
    def idempotency(self) -> IdempotencyStore: ...

    @property
    def audit(self) -> AuditLog:
        """What happens in it."""

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


class UserReader(Protocol):
    """The reading side: no unit of work, no locks. Raises Unavailable."""

    def get(self, user_id: int) -> User:
        """The user as it stands. UserNotFound if there is none."""

    def page(self, search: Search) -> Page[User]:
        """The users that the search asks for, at its place."""


SECRET_BYTES: Final = 32


class Secrets(Protocol):
    """Random secrets of the installation, which all of its processes share."""

    def get_or_create(self, name: str) -> bytes:
        """Return the secret of that name; if it does not exist, create SECRET_BYTES random bytes.

        Every caller gets the same value, also when several create it at the same time. Raises
        Unavailable if the secret can be neither read nor created.
        """
