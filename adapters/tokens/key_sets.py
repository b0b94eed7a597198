"""Reads the keys that an issuer publishes, and refreshes them."""

import os
from collections.abc import Callable
from pathlib import Path
from threading import Lock, Thread
from time import monotonic
from typing import Final

import structlog

from adapters.https_client import FetchError, get
from adapters.tokens.keys import PUBLIC, Key, NoUsableKey, UnusableKeySet, read_keys
from application.access import KEY_SET
from application.deadlines import time_left
from application.ports import Unavailable

MAX_BYTES: Final = 256 * 1024
FETCH_SECONDS: Final = 5.0
REFRESH_SECONDS: Final = 300.0
"""The lifespan of keys: the number of seconds for which they are used without another read."""
STALE_SECONDS: Final = 3600.0
"""The number of seconds for which the last good keys are used if the set cannot be read."""
MIN_REFRESH_SECONDS: Final = 10.0
"""The minimum number of seconds between two attempts to read a set."""
_EARLY_SECONDS: Final = 0.8 * REFRESH_SECONDS
"""The age of keys at which the set is read early, so that no request has to wait."""
_WAIT_FOR_REFRESH: Final = FETCH_SECONDS + 1
_WAIT_FOR_NEW_KEY: Final = 2.0

_log = structlog.get_logger("roster.tokens")


class UnreachableKeySet(UnusableKeySet):
    """The key set cannot be read now."""


def read_file(path: str) -> bytes:
    """Reads a file. Raises UnreachableKeySet if that fails, UnusableKeySet if it is too long."""
    try:
        with Path(path).open("rb") as file:
            return _bounded(file.read(MAX_BYTES + 1))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise UnreachableKeySet(f"cannot read the file: {reason}") from None
    except ValueError:
        raise UnreachableKeySet("cannot read the file: its name is not valid") from None


def fetch(url: str, *, seconds: float = FETCH_SECONDS) -> bytes:
    """Fetches an https URL. Raises UnreachableKeySet if that fails, UnusableKeySet if too long."""
    accept = "application/jwk-set+json, application/json"
    try:
        return _bounded(get(url, accept=accept, seconds=seconds, max_bytes=MAX_BYTES))
    except FetchError as error:
        raise UnreachableKeySet(f"cannot fetch the key set: {error}") from None


def _bounded(text: bytes) -> bytes:
    if len(text) > MAX_BYTES:
        raise UnusableKeySet(f"it is longer than {MAX_BYTES} bytes")
    return text


class KeySet:
    """The usable keys of a published set, which may change.

    The set is read again, in a thread, if keys are requested late in their lifespan, or if a token
    needs an unknown key. There are at least `floor` seconds between two attempts.

    Keys older than REFRESH_SECONDS are used only if another attempt to read the set failed.
    Requests wait for that attempt. So a withdrawn key works for at most REFRESH_SECONDS while the
    set can be read. The last good keys are used until they are `stale` seconds old.

    Times are those of `clock`. No thread runs between attempts, so the process may fork.
    """

    kind: Final = KEY_SET
    algorithms: Final = PUBLIC

    def __init__(
        self,
        read: Callable[[], bytes],
        *,
        stale: float = STALE_SECONDS,
        floor: float = MIN_REFRESH_SECONDS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._read = read
        self._stale = stale
        self._floor = floor
        self._clock = clock
        self._keys: tuple[Key, ...] = ()
        self._read_at = float("-inf")
        self._tried_at = float("-inf")
        self._failed_at = float("-inf")
        self._failure = "it was not read yet"
        self._lock = Lock()
        self._thread: Thread | None = None

    def load(self) -> None:
        """Reads the set now. Raises UnusableKeySet if that fails or no key is usable.

        If a valid set has no usable key, all keys are withdrawn.
        """
        started = self._tried_at = self._clock()
        try:
            keys = read_keys(self._read())
        except UnusableKeySet as error:
            self._failure = str(error)
            self._failed_at = started
            if isinstance(error, NoUsableKey):
                self._keys, self._read_at = (), started
            raise
        if keys != self._keys:  # otherwise the same object: callers compare by identity
            self._keys = keys
        self._read_at, self._failed_at = started, float("-inf")

    def try_load(self) -> None:
        """Loads the set now. Logs the reason if that fails."""
        try:
            self.load()
        except UnusableKeySet as error:
            _log.warning("key set not renewed", reason=str(error))

    def current_keys(self) -> tuple[Key, ...]:
        """The keys that may be used now. It is the same object until the keys change.

        It is empty until the set has been read, and after the keys are stale. If the keys are older
        than their lifespan, the method waits for an attempt to read the set.
        """
        age = self._clock() - self._read_at
        if age < _EARLY_SECONDS:
            return self._keys
        attempt = self._refresh()
        if age >= REFRESH_SECONDS and not self._fails():
            _join(attempt, _WAIT_FOR_REFRESH)
        return self._usable()

    def refreshed_keys(self) -> tuple[Key, ...]:
        """The keys after another attempt, for a token that matches none of `current_keys`.

        Waits a short time for the attempt. Raises Unavailable if there are no keys at all.
        """
        _join(self._refresh(), _WAIT_FOR_NEW_KEY)
        if keys := self._usable():
            return keys
        reason = UnreachableKeySet(f"ROSTER_JWT_JWKS: {self._failure}")
        raise Unavailable("The keys that verify tokens are not available; try again.") from reason

    def _usable(self) -> tuple[Key, ...]:
        """The keys within their lifespan, or within `stale` if the set could not be read again.

        Otherwise empty: an attempt is in progress, and the keys may have been withdrawn.
        """
        age = self._clock() - self._read_at
        return self._keys if age < (self._stale if self._fails() else REFRESH_SECONDS) else ()

    def _fails(self) -> bool:
        """Returns True if a recent attempt failed. Then requests do not wait for further ones."""
        return self._clock() - self._failed_at < REFRESH_SECONDS

    def _refresh(self) -> Thread | None:
        """Returns the thread of the current or last attempt. Starts a new one if it is time.

        Returns None if there is no thread. If no thread can be started, the attempt has failed.
        """
        with self._lock:
            # After a fork, the thread of the parent process does not run here.
            idle = self._thread is None or not self._thread.is_alive()
            if idle and self._clock() - self._tried_at >= self._floor:
                self._tried_at = self._clock()
                thread = Thread(target=self.try_load, name="roster-key-set", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # the system permits no other thread now
                    self._failure, self._failed_at = "no thread can be started", self._tried_at
                    _log.warning("key set not renewed", reason=self._failure)
                    return None
                self._thread = thread
            return self._thread


def _join(thread: Thread | None, seconds: float) -> None:
    """Waits until the thread ends, at most for `seconds` and until the deadline."""
    if thread:
        left = time_left()
        thread.join(seconds if left is None else min(seconds, left))
