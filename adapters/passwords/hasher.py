"""Hashes passwords with argon2id, and verifies imported hashes."""

import os
import re
from base64 import b64decode, b64encode
from contextlib import AbstractContextManager, suppress
from functools import partial
from hmac import compare_digest
from typing import Final

from adapters.passwords.argon2_memory import TAG_BYTES, Argon2id
from adapters.passwords.bounded_threads import BoundedThreads
from adapters.passwords.formats import Verify, parse
from application.ports.passwords import Busy, PasswordHasher, UnsupportedHash

_SALT_BYTES: Final = 16
_SALT_AND_TAG: Final = r"([A-Za-z0-9+/]{22})\$([A-Za-z0-9+/]{43})"


class Argon2Hasher(PasswordHasher):
    """Hashes with argon2id in `threads`. A hash costs `memory` KiB, `passes` and `lanes`.

    The global interpreter lock is released during a hash, so other requests continue.
    """

    def __init__(self, *, memory: int, passes: int, lanes: int, threads: BoundedThreads) -> None:
        self._argon2id = Argon2id(memory=memory, passes=passes, lanes=lanes)
        self._threads = threads
        self._prefix = f"$argon2id$v=19$m={memory},t={passes},p={lanes}$"
        self._own_hash = re.compile(re.escape(self._prefix) + _SALT_AND_TAG)
        # No password has this hash. Verifying it takes as long as verifying a stored one.
        self._dummy = partial(self._verify, os.urandom(_SALT_BYTES), os.urandom(TAG_BYTES))

    def admission(self) -> AbstractContextManager[None]:
        return self._threads.admission()

    def hash(self, password: str) -> str:
        encoded, salt = _encode(password), os.urandom(_SALT_BYTES)
        tag = self._threads.run(lambda: self._tag(encoded, salt))
        return f"{self._prefix}{_base64(salt)}${_base64(tag)}"

    def verify(self, password: str, password_hash: str | None) -> bool:
        encoded, verify = _encode(password), self._verifier(password_hash)
        return self._threads.run(lambda: verify(encoded))

    def is_outdated(self, password_hash: str) -> bool:
        return not password_hash.startswith(self._prefix)

    def _verifier(self, password_hash: str | None) -> Verify:
        if password_hash is not None:
            if match := self._own_hash.fullmatch(password_hash):
                return partial(self._verify, _bytes(match[1]), _bytes(match[2]))
            with suppress(UnsupportedHash):  # it was not stored by Roster
                return parse(password_hash)
        return self._dummy

    def _verify(self, salt: bytes, tag: bytes, password: bytes) -> bool:
        return compare_digest(self._tag(password, salt), tag)

    def _tag(self, password: bytes, salt: bytes) -> bytes:
        try:
            return self._argon2id.tag(password, salt)
        except MemoryError:
            raise Busy("argon2 lacks memory, or cannot start its threads") from None


def _encode(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")


def _base64(content: bytes) -> str:
    return b64encode(content).decode("ascii").rstrip("=")


def _bytes(text: str) -> bytes:
    return b64decode(text + "=" * (-len(text) % 4))
