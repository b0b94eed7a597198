"""Where an issuer's keys are kept, and when they are read again."""

import http.client
import ssl
from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any, Final
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

import structlog

from adapters.tokens.keys import Key, UnusableKeySet, read_keys

LARGEST: Final = 256 * 1024
FETCH_SECONDS: Final = 5.0
LIFESPAN: Final = 300.0
FLOOR: Final = 10.0

_log = structlog.get_logger("roster.tokens")


class UnreachableKeySet(UnusableKeySet):
    """A key set that can't be had now."""


class _NoRedirects(HTTPRedirectHandler):
    """An issuer's keys are where the setting says: elsewhere might be anywhere, and not https."""

    def redirect_request(self, *_: Any) -> None:
        return None


def read_file(path: str) -> bytes:
    """The file's content. Raises UnreachableKeySet, UnusableKeySet."""
    try:
        with Path(path).open("rb") as file:
            return _bounded(file.read(LARGEST + 1))
    except (OSError, ValueError):
        raise UnreachableKeySet("the file can't be read") from None


def fetch(url: str) -> bytes:
    """What the https URL gives. Raises UnreachableKeySet, UnusableKeySet.

    Its certificate is checked by the system's authorities, or those of SSL_CERT_FILE.
    """
    opener = build_opener(HTTPSHandler(context=ssl.create_default_context()), _NoRedirects)
    end = monotonic() + FETCH_SECONDS
    body = b""
    try:
        asked = Request(url, headers={"Accept": "application/jwk-set+json, application/json"})
        with opener.open(asked, timeout=FETCH_SECONDS) as response:
            while len(body) <= LARGEST and (part := response.read1(LARGEST)):
                body += part
                if monotonic() > end:
                    raise TimeoutError
    except (OSError, http.client.HTTPException, ValueError):
        raise UnreachableKeySet("it can't be fetched") from None
    return _bounded(body)


def _bounded(text: bytes) -> bytes:
    if len(text) > LARGEST:
        raise UnusableKeySet(f"it is longer than {LARGEST} bytes")
    return text


class KeySet:
    """The usable keys of a set that may change where it is kept.

    It is read again, by a thread of its own, when it is older than `lifespan` seconds and when a
    token asks for a key that it doesn't have; never sooner than `floor` seconds after the last
    time. What can't be read or used then leaves the last good keys in force.
    """

    def __init__(
        self, read: Callable[[], bytes], *, lifespan: float = LIFESPAN, floor: float = FLOOR
    ) -> None:
        self._read = read
        self._lifespan = lifespan
        self._floor = floor
        self._keys: tuple[Key, ...] = ()
        self._tried = float("-inf")
        self._lock = Lock()
        self._finished = Event()
        self._finished.set()

    def load(self) -> None:
        """Read it now. Raises UnusableKeySet."""
        self._tried = monotonic()
        keys = read_keys(self._read())
        if keys != self._keys:  # else the same object, by which others know that nothing changed
            self._keys = keys

    @property
    def keys(self) -> tuple[Key, ...]:
        """The keys, without waiting; none before they could be read for the first time."""
        if monotonic() - self._tried >= self._lifespan:
            self._renew()
        return self._keys

    def renewed(self, seconds: float) -> tuple[Key, ...]:
        """The keys after another look, if it is time for one and it ends within the seconds."""
        self._renew().wait(seconds)
        return self._keys

    def _renew(self) -> Event:
        with self._lock:
            if self._finished.is_set() and monotonic() - self._tried >= self._floor:
                self._tried = monotonic()
                self._finished = Event()
                Thread(target=self._look, args=(self._finished,), daemon=True).start()
            return self._finished

    def _look(self, finished: Event) -> None:
        try:
            self.load()
        except UnusableKeySet as error:
            _log.warning("key set not renewed", reason=str(error))
        finally:
            finished.set()
