"""Hashes passwords with argon2id, and verifies imported hashes."""

import os
from base64 import b64encode
from contextlib import AbstractContextManager
from typing import Final

from argon2.exceptions import HashingError
from argon2.low_level import Type, hash_secret

from adapters.passwords.formats import parse
from adapters.passwords.hash_queue import HashQueue
from application.ports.accounts import Busy, PasswordHasher, UnsupportedHash

_SALT_BYTES: Final = 16
_TAG_BYTES: Final = 32


class Argon2Hasher(PasswordHasher):
    """Hashes with argon2id: `memory` KiB, `passes` and `lanes`. `queue` bounds concurrency.

    The global interpreter lock is released during a hash, so other requests continue.
    """

    def __init__(self, *, memory: int, passes: int, lanes: int, queue: HashQueue) -> None:
        self._memory = memory
        self._passes = passes
        self._lanes = lanes
        self._queue = queue
        self._prefix = f"$argon2id$v=19$m={memory},t={passes},p={lanes}$"
        # No password has this hash. To verify it takes as long as another.
        self._dummy = parse(
            f"{self._prefix}{_base64(os.urandom(_SALT_BYTES))}${_base64(os.urandom(_TAG_BYTES))}"
        )

    def admission(self) -> AbstractContextManager[None]:
        return self._queue.admission()

    def hash(self, password: str) -> str:
        encoded = _encode(password)
        try:
            with self._queue:
                return hash_secret(
                    encoded,
                    os.urandom(_SALT_BYTES),
                    time_cost=self._passes,
                    memory_cost=self._memory,
                    parallelism=self._lanes,
                    hash_len=_TAG_BYTES,
                    type=Type.ID,
                ).decode("ascii")
        except HashingError:  # there is not enough memory
            raise Busy from None

    def verify(self, password: str, password_hash: str | None) -> bool:
        encoded = _encode(password)
        try:
            verify = self._dummy if password_hash is None else parse(password_hash)
        except UnsupportedHash:  # it was not stored by Roster
            verify = self._dummy
        with self._queue:
            return verify(encoded)

    def is_outdated(self, password_hash: str) -> bool:
        return not password_hash.startswith(self._prefix)

    def check_supported(self, password_hash: str) -> None:
        parse(password_hash)


def _encode(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")


def _base64(text: bytes) -> str:
    return b64encode(text).decode("ascii").rstrip("=")
