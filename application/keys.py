"""Keys for separate purposes, derived from one secret."""

from collections.abc import Callable
from hashlib import blake2b
from threading import Lock
from typing import Final

from application.deadlines import acquire
from application.ports import Unavailable

_PERSON: Final = b"roster keys"


class Keys:
    """Derives keys from a secret, and reads the secret once, when the first key is needed.

    The secret can be in a database that is unreachable when the process starts. If it cannot be
    read, the methods raise Unavailable, and the next call tries again.
    """

    def __init__(self, read_secret: Callable[[], bytes]) -> None:
        self._read_secret = read_secret
        self._secret: bytes | None = None
        self._derived: dict[tuple[str, int], bytes] = {}
        self._digest_key: bytes | None = None
        self._lock = Lock()

    def derive(self, purpose: str, *, size: int = 32) -> bytes:
        """Returns the key for a purpose: `size` bytes, at most 64. Raises Unavailable.

        The keys of two purposes are independent, and no key reveals the secret. Keys are cached
        without a limit, so `purpose` must be a constant of the code.
        """
        if (purpose, size) not in self._derived:
            root = blake2b(self._get_secret(), digest_size=64, person=_PERSON).digest()
            key = blake2b(purpose.encode(), key=root, digest_size=size, person=_PERSON).digest()
            self._derived[purpose, size] = key
        return self._derived[purpose, size]

    def cursor_digest_key(self) -> bytes:
        """Returns the key of the digests in cursors. Raises Unavailable.

        It does not use `derive`, because cursors of earlier releases must remain valid.
        """
        if self._digest_key is None:
            self._digest_key = blake2b(self._get_secret(), digest_size=32).digest()
        return self._digest_key

    def _get_secret(self) -> bytes:
        if self._secret is None:
            if not acquire(self._lock):
                raise Unavailable
            try:
                if self._secret is None:
                    self._secret = self._read_secret()
            finally:
                self._lock.release()
        return self._secret
