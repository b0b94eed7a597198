"""Stored responses to requests that clients may retry."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from domain.errors import Conflict, RosterError

IDEMPOTENCY_TTL: Final = timedelta(hours=24)
STORED_BYTES: Final = 16 * 1024**2
"""The default limit for the stored responses of one principal, in bytes."""

Subject = tuple[str, int]
"""A resource: its type and its id."""


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """The response to a request.

    Only the adapter that creates the response interprets `status` and `headers`. `subjects` are the
    resources that the response may contain.
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
    """The stored responses of the principal have reached their size limit.

    `retry_after` is the number of seconds until one of them expires.
    """

    code = "too_many_stored_responses"

    def __init__(self, retry_after: int) -> None:
        super().__init__(
            "The responses stored for your idempotency keys of the last 24 hours have reached the "
            "size limit of a principal. Nothing was changed. Try again later, or without a key."
        )
        self.retry_after = max(1, retry_after)


class IdempotencyStore(Protocol):
    """The stored responses in a unit of work. They expire after IDEMPOTENCY_TTL."""

    def reserve(self, key: str, digest: str, *, owner: str, at: datetime) -> StoredResponse | None:
        """Returns the stored response of the key. If there is none, reserves the key for this unit.

        A unit that reserves a key must store a response. `owner` identifies the principal. If
        another unit has reserved the key, waits for its end until shortly before the deadline.

        - Raises KeyInUse if that unit is still open then.
        - Raises KeyReused if the key was used with another digest.
        - Raises ResponseErased if the response was erased.
        - Raises ConcurrentUpdate if the response is deleted meanwhile.
        - Raises TooManyStoredResponses if the owner has reached the size limit.
        """

    def store(self, key: str, response: StoredResponse) -> None:
        """Stores the response of a reserved key.

        Raises TooManyStoredResponses if the response would exceed the size limit of the owner.
        """

    def erase(self, subject_type: str, subject_id: int) -> int:
        """Erases the responses that may contain the resource, and returns their number.

        Their keys remain in use. The unit must have locked or removed the resource before, so that
        no other open unit has read it.
        """

    def delete_expired(self, until: datetime) -> int:
        """Deletes some of the responses that were stored by `until`, and returns their number.

        Skips responses that another unit has locked. Returns 0 if no others remain.
        """
