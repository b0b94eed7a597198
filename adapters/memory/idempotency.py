"""Stored responses in a dict."""

from collections.abc import MutableMapping
from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil

from application.ports import (
    IDEMPOTENCY_TTL,
    IdempotencyStore,
    KeyReused,
    ResponseErased,
    StoredResponse,
    TooManyStoredResponses,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A request, identified by its digest, and its stored response.

    `response` is None while the request's unit of work is open, and after an erasure.
    """

    digest: str
    at: datetime
    owner: str
    response: StoredResponse | None = None

    @property
    def size(self) -> int:
        """The number of bytes that count towards the limit of its owner."""
        if self.response is None:
            return 0
        return len(self.response.body) + len(str(dict(self.response.headers)))


class MemoryIdempotencyStore(IdempotencyStore):
    """The stored responses in an open unit of work.

    Units of work run one at a time, so no key is in use by another one. `limit` is the number of
    bytes of one owner per day.
    """

    def __init__(self, rows: MutableMapping[str, Entry], limit: int) -> None:
        self._rows = rows
        self._limit = limit

    def reserve(self, key: str, digest: str, *, owner: str, at: datetime) -> StoredResponse | None:
        self.delete_expired(at - IDEMPOTENCY_TTL)
        entry = self._rows.get(key)
        if entry is None:
            self._rows[key] = Entry(digest, at, owner)
            self._check_limit(self._rows[key], required=1)
            return None
        if entry.response is None:
            raise ResponseErased
        if entry.digest != digest:
            raise KeyReused
        return entry.response

    def store(self, key: str, response: StoredResponse) -> None:
        self._rows[key] = replace(self._rows[key], response=response)
        self._check_limit(self._rows[key])

    def erase(self, subject_type: str, subject_id: int) -> int:
        subject = subject_type, subject_id
        erased = [
            key
            for key, entry in self._rows.items()
            if entry.response is not None and subject in entry.response.subjects
        ]
        for key in erased:
            self._rows[key] = replace(self._rows[key], digest="", response=None)
        return len(erased)

    def delete_expired(self, until: datetime) -> int:
        expired = [key for key, entry in self._rows.items() if entry.at <= until]
        for key in expired:
            del self._rows[key]
        return len(expired)

    def _check_limit(self, new: Entry, *, required: int = 0) -> None:
        """Raises TooManyStoredResponses if the owner has fewer than `required` bytes left."""
        of_owner = [entry for entry in self._rows.values() if entry.owner == new.owner]
        if sum(entry.size for entry in of_owner) + required > self._limit:
            oldest = min(entry.at for entry in of_owner)
            raise TooManyStoredResponses(ceil((oldest + IDEMPOTENCY_TTL - new.at).total_seconds()))
