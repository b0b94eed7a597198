"""Reads request bodies, and limits their length, their time to arrive and their memory."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from threading import Lock
from time import monotonic, thread_time
from typing import TYPE_CHECKING, Final

from adapters.web.progress import PROGRESS
from application.deadlines import acquire, restart_deadline

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Body = bytes | bytearray

STEP: Final = 64 * 1024
SMALL: Final = 16 * 1024
"""The size up to which a body does not count towards the memory of bodies.

The number of connections limits these bodies.
"""
MAX_DRAINED_BYTES: Final = 32 * 1024 * 1024
"""The maximum length of the unread part of a body that is discarded.

Some clients send everything before they read. They receive the response only if the server reads
the body.
"""
READING_SECONDS: Final = 1.0
"""The processor time for reading a chunked body.

With chunks of a single byte, a body takes hundreds of times as much as without chunks.
"""
DISCARDING_SECONDS: Final = 0.2
"""The processor time for discarding a chunked body."""

_ARRIVAL: Final = "roster.body.arrival"
_HELD: Final = "roster.body.held"


class BodyTooLarge(Exception):
    """The body is longer than its limit."""


class BodyIncomplete(Exception):
    """The body ended before its Content-Length."""


class BodyTooSlow(Exception):
    """The body did not arrive in time."""


class BodyMemoryExceeded(Exception):
    """The bodies of all requests together need more memory than their limit."""


class BodyMemory:
    """The memory that request bodies share in a process.

    It is allocated as bytes arrive, so a client holds no more than it has sent. If there is too
    little, the largest incomplete body loses its memory. The body that needs memory is rejected
    only if it is itself the largest. So slow clients cannot block others.

    Large bodies are validated one at a time, because decoding takes several times their size.
    Parallel threads would not be faster, because they share the interpreter lock.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._used = 0
        self._lock = Lock()
        self._incomplete: set[HeldBody] = set()
        self._validation = Lock()

    @property
    def used(self) -> int:
        """The bytes that are currently allocated."""
        return self._used

    def hold(self) -> "HeldBody":
        """Registers a new, empty body. The caller must release it."""
        held = HeldBody(self)
        with self._lock:
            self._incomplete.add(held)
        return held

    def extend(self, held: "HeldBody", part: bytes) -> None:
        """Adds a part to a body. Raises BodyMemoryExceeded if the body has lost its memory."""
        with self._lock:
            if held not in self._incomplete or not self._make_room(held, len(part)):
                self._drop(held)
                raise BodyMemoryExceeded
            held.content += part
            self._used += len(part)

    def _make_room(self, held: "HeldBody", size: int) -> bool:
        while self._used + size > self._total:
            largest = max(self._incomplete, key=lambda each: len(each.content))
            if len(largest.content) <= len(held.content) + size:
                return False
            self._drop(largest)
        return True

    def _drop(self, held: "HeldBody") -> None:
        self._incomplete.discard(held)
        self._used -= len(held.content)
        held.content.clear()  # in place, so that other references to it do not keep the memory

    def complete(self, held: "HeldBody") -> None:
        """Records that a body has arrived. Raises BodyMemoryExceeded if it has lost its memory."""
        with self._lock:
            if held not in self._incomplete:
                raise BodyMemoryExceeded
            self._incomplete.discard(held)

    def release(self, held: "HeldBody") -> None:
        """Releases the memory of a body."""
        with self._lock:
            self._drop(held)
        self.end_validation(held)

    def begin_validation(self, held: "HeldBody") -> None:
        """Waits until no other large body is being validated.

        Raises BodyMemoryExceeded if the deadline of the request passes first.
        """
        if not acquire(self._validation):
            raise BodyMemoryExceeded
        held.validating = True

    def end_validation(self, held: "HeldBody") -> None:
        """Lets another large body be validated. The body keeps its memory."""
        if held.validating:
            held.validating = False
            self._validation.release()


class HeldBody:
    """The body of one request in the shared memory."""

    __slots__ = ("content", "memory", "validating")

    def __init__(self, memory: BodyMemory) -> None:
        self.memory = memory
        self.content = bytearray()
        self.validating = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """The limits of requests, which all inbound adapters share.

    - `body_bytes`: the maximum size of a body.
    - `body_seconds`: the time limit for receiving a body.
    - `seconds`: the time limit for handling a request, counted from the end of its body.
    - `parameters`: the maximum number of query parameters.
    - `memory`: the memory of all bodies of the process.
    """

    body_bytes: int
    body_seconds: float
    seconds: float
    parameters: int
    memory: BodyMemory

    def read_body(self, environ: "WSGIEnvironment", *, max_bytes: int | None = None) -> Body:
        """Reads the body of a request, then restarts its deadline. Raises what `read_body` raises.

        `max_bytes` is the limit of this URL, if it has one of its own.
        """
        limit = self.body_bytes if max_bytes is None else max_bytes
        body = read_body(environ, limit=limit, seconds=self.body_seconds, memory=self.memory)
        restart_deadline(self.seconds)
        return body


class _Arrival:
    """The progress of reading the body of a request."""

    received = 0
    complete = False
    broken = False


def read_body(
    environ: "WSGIEnvironment", *, limit: int, seconds: float, memory: BodyMemory | None = None
) -> Body:
    """Reads the body of a request, at most `limit` bytes.

    Raises BodyTooLarge, BodyIncomplete and BodyMemoryExceeded. Raises BodyTooSlow if the body is
    not complete after `seconds`, or if reading its chunks takes READING_SECONDS. A read that
    blocks for longer can only be ended by the server.

    A chunked body that breaks off cannot be distinguished from a complete one (PEP 3333).
    """
    start = monotonic()
    length = _length(environ)
    if length is not None and length > limit:
        raise BodyTooLarge
    if length == 0:
        return b""
    arrival = environ[_ARRIVAL] = _Arrival()
    read = environ["wsgi.input"].read
    PROGRESS.begin_reading(environ)
    try:
        if length is not None and length <= SMALL:
            body: Body = _read(read, length)
            arrival.received = len(body)
        else:
            held = environ[_HELD] = (memory or BodyMemory(limit + 1)).hold()
            if length is None:
                work = thread_time() + READING_SECONDS
                _read_held(read, held, arrival, limit + 1, start + seconds, work)
            else:
                _read_held(read, held, arrival, length, start + seconds)
            body = held.content
    finally:
        PROGRESS.end_reading(environ)
    if len(body) > limit:
        raise BodyTooLarge
    if length is not None and len(body) < length:
        arrival.broken = True
        raise BodyTooSlow if monotonic() - start >= seconds else BodyIncomplete
    arrival.complete = True
    if len(body) <= SMALL and _HELD in environ:
        body = bytes(body)
        release_body(environ)
    return body


def _length(environ: "WSGIEnvironment") -> int | None:
    """The declared length of the body; None if the body is chunked."""
    declared = environ.get("CONTENT_LENGTH") or ""
    if declared.isascii() and declared.isdigit():
        return int(declared)
    return None if environ.get("wsgi.input_terminated") else 0


def _read(read: Callable[[int], bytes], size: int) -> bytes:
    """Reads `size` bytes, fewer only at the end of the stream. A single read may return fewer."""
    body = b""
    while len(body) < size and (part := read(size - len(body))):
        body = part if not body else body + part
    return body


def _read_held(
    read: Callable[[int], bytes],
    held: HeldBody,
    arrival: _Arrival,
    size: int,
    end: float,
    work: float = inf,
) -> None:
    """Reads `size` bytes into the shared memory, fewer only at the end of the stream.

    Raises BodyTooSlow after the time `end`, or if this thread's processor time exceeds `work`.
    """
    while (left := size - arrival.received) > 0 and (part := read(min(left, STEP))):
        arrival.received += len(part)
        held.memory.extend(held, part)
        if arrival.received < size and (monotonic() >= end or thread_time() >= work):
            arrival.broken = True
            raise BodyTooSlow
    held.memory.complete(held)


def begin_validation(environ: "WSGIEnvironment") -> None:
    """Waits until a large body may be validated. Raises BodyMemoryExceeded after the deadline."""
    if held := environ.get(_HELD):
        held.memory.begin_validation(held)


def end_validation(environ: "WSGIEnvironment") -> None:
    """Lets another large body be validated. The memory of this one remains allocated.

    Call it before anything that may wait, if the content is still needed.
    """
    if held := environ.get(_HELD):
        held.memory.end_validation(held)


def release_body(environ: "WSGIEnvironment") -> bool:
    """Releases the memory of the request's body. Returns False if it had none."""
    held: HeldBody | None = environ.pop(_HELD, None)
    if held is None:
        return False
    held.memory.release(held)
    return True


def is_read(environ: "WSGIEnvironment") -> bool:
    """Returns True if the body has been read completely, or is empty."""
    if environ.get("CONTENT_LENGTH", "0") in ("", "0") and "HTTP_TRANSFER_ENCODING" not in environ:
        return True
    arrival = environ.get(_ARRIVAL)
    return arrival is not None and arrival.complete


def can_be_discarded(environ: "WSGIEnvironment") -> bool:
    """Returns True if `discard` will reach the end of the body, if the client sends it."""
    unread = _unread_bytes(environ)
    return unread is not None and unread <= MAX_DRAINED_BYTES and may_follow(environ)


def discard(environ: "WSGIEnvironment", *, seconds: float) -> None:
    """Reads and discards the rest of a body: at most MAX_DRAINED_BYTES, for at most `seconds`.

    For a chunked body, the processor time is limited to DISCARDING_SECONDS. Nothing is read if the
    client waits for permission to send the body (RFC 9110 section 10.1.1).
    """
    if not may_follow(environ):
        return
    unread = _unread_bytes(environ)
    remaining = MAX_DRAINED_BYTES if unread is None else min(MAX_DRAINED_BYTES, unread)
    read, end = environ["wsgi.input"].read, monotonic() + seconds
    work = thread_time() + DISCARDING_SECONDS
    PROGRESS.begin_reading(environ)
    try:
        while remaining > 0 and monotonic() < end and (part := read(min(remaining, STEP))):
            remaining -= len(part)
            if unread is None and thread_time() >= work:
                break
    finally:
        PROGRESS.end_reading(environ)


def _unread_bytes(environ: "WSGIEnvironment") -> int | None:
    """The length of the unread part of the body; None if the body is chunked."""
    arrival: _Arrival | None = environ.get(_ARRIVAL)
    length = _length(environ)
    return length if length is None or arrival is None else length - arrival.received


def may_follow(environ: "WSGIEnvironment") -> bool:
    """Returns True if the client may still send the rest of an incomplete body."""
    arrival: _Arrival | None = environ.get(_ARRIVAL)
    if arrival is None:
        return str(environ.get("HTTP_EXPECT", "")).lower() != "100-continue"
    return not arrival.broken
