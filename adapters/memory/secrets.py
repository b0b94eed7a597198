"""Secrets in memory."""

from secrets import token_bytes
from threading import Lock

from application.ports import SECRET_BYTES, Secrets


class MemorySecrets(Secrets):
    """Random secrets, which are lost when the process ends."""

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}
        self._lock = Lock()

    def get_or_create(self, name: str) -> bytes:
        with self._lock:
            if name not in self._values:
                self._values[name] = token_bytes(SECRET_BYTES)
            return self._values[name]
