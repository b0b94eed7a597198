"""Stored responses to requests that clients may repeat."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from domain.errors import Conflict, RosterError

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
