"""Caches verified tokens, so that each is verified once."""

from dataclasses import dataclass
from sys import getsizeof
from threading import Lock
from typing import Final

from adapters.tokens.keys import CurrentKeys, Key
from application.access import Principal

MAX_TOKENS: Final = 4096
MAX_BYTES: Final = 8 * 1024 * 1024
_ENTRY_BYTES: Final = 512
"""The bytes of an entry without the strings of its principal."""


@dataclass(frozen=True, slots=True)
class Verified:
    """The principal of a token. It is valid until `end`, and while its source has these keys."""

    principal: Principal
    end: float
    source: CurrentKeys
    keys: tuple[Key, ...]


class VerifiedTokens:
    """Verified tokens by their digests, at most MAX_TOKENS with MAX_BYTES in total.

    Beyond these limits, the oldest entries are removed.
    """

    def __init__(self) -> None:
        self._entries: dict[bytes, Verified] = {}
        self._bytes = 0
        self._lock = Lock()
        self.get = self._entries.get

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def total_bytes(self) -> int:
        """An estimate of the memory that the entries take."""
        return self._bytes

    def add(self, digest: bytes, verified: Verified) -> None:
        """Stores an entry. It replaces an entry with the same digest."""
        with self._lock:
            self._remove(digest)
            self._entries[digest] = verified
            self._bytes += _size(verified.principal)
            while self._entries and (len(self._entries) > MAX_TOKENS or self._bytes > MAX_BYTES):
                self._remove(next(iter(self._entries)))

    def _remove(self, digest: bytes) -> None:
        if removed := self._entries.pop(digest, None):
            self._bytes -= _size(removed.principal)


def _size(principal: Principal) -> int:
    session = principal.session.session_id if principal.session else ""
    names = (*principal.scopes, principal.issuer or "", principal.subject or "", session)
    return _ENTRY_BYTES + getsizeof(principal.scopes) + sum(map(getsizeof, names))
