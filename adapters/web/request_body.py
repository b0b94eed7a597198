"""Bounds on request bodies: their length, the time they take to arrive, and their memory."""

from collections.abc import Callable
from math import inf
from threading import Lock
from time import monotonic, thread_time
from typing import TYPE_CHECKING, Final

from adapters.web.progress import PROGRESS
from application.deadlines import time_left

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Body = bytes | bytearray

STEP: Final = 64 * 1024
SMALL: Final = 16 * 1024
"""Bodies up to this size do not count against the memory of bodies: connections bound them."""
MAX_DRAINED_BYTES: Final = 32 * 1024 * 1024
"""How much of an unread body is read and discarded, so that a client that sends everything before
it reads receives the response instead of a broken connection."""
READING_SECONDS: Final = 1.0
"""How much processor time is spent on reading a body in chunks: if each has a single byte, it takes
hundreds of times as much as a body in one piece."""
DISCARDING_SECONDS: Final = 0.2
"""How much processor time is spent on discarding a body in chunks."""

_ARRIVAL: Final = "roster.body.arrival"
_HELD: Final = "roster.body.held"


class BodyTooLarge(Exception):
    """The body is over its limit."""


class BodyIncomplete(Exception):
    """The body ended before its Content-Length."""


class BodyTooSlow(Exception):
    """The body took longer to arrive than it may."""


class BodyMemoryExceeded(Exception):
    """The bodies of all requests together take as much memory as they may."""


class BodyMemory:
    """The memory that request bodies share in a process.

    It is taken as bytes arrive, so that a client holds no more than it has sent. If there is too
    little, the largest incomplete body gives its memory up; the body that needs memory is refused
    only if it is itself the largest. So clients that send slowly cannot keep others out.

    Large bodies are validated one at a time: decoding takes several times the size of a body, and
    threads that share one interpreter lock would not be faster together.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._used = 0
        self._lock = Lock()
        self._incomplete: set[HeldBody] = set()
        self._validation = Lock()

    @property
    def used(self) -> int:
        """The bytes that are taken now."""
        return self._used

    def hold(self) -> "HeldBody":
        """A body of which nothing has arrived yet. The caller releases it."""
        held = HeldBody(self)
        with self._lock:
            self._incomplete.add(held)
        return held

    def extend(self, held: "HeldBody", part: bytes) -> None:
        """Add a part to a body. Raises BodyMemoryExceeded if the body has lost its memory."""
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
        held.content.clear()  # in place, so that other references hold nothing

    def complete(self, held: "HeldBody") -> None:
        """Record that a body has arrived. Raises BodyMemoryExceeded if it has lost its memory."""
        with self._lock:
            if held not in self._incomplete:
                raise BodyMemoryExceeded
            self._incomplete.discard(held)

    def release(self, held: "HeldBody") -> None:
        """Give the memory of a body back."""
        with self._lock:
            self._drop(held)
        if held.validating:
            held.validating = False
            self._validation.release()

    def begin_validation(self, held: "HeldBody") -> None:
        """Wait until no other large body is being validated.

        Raises BodyMemoryExceeded if the deadline of the request passes first.
        """
        left = time_left()
        if not self._validation.acquire(timeout=-1 if left is None else left):
            raise BodyMemoryExceeded
        held.validating = True


class HeldBody:
    """What one request holds of the memory of bodies."""

    __slots__ = ("content", "memory", "validating")

    def __init__(self, memory: BodyMemory) -> None:
        self.memory = memory
        self.content = bytearray()
        self.validating = False


class _Arrival:
    """How far the body of a request has been read."""

    received = 0
    complete = False
    broken = False


def read_body(
    environ: "WSGIEnvironment", *, limit: int, seconds: float, memory: BodyMemory | None = None
) -> Body:
    """The body of a request, at most `limit` bytes.

    Raises BodyTooLarge, BodyIncomplete, BodyMemoryExceeded, and BodyTooSlow if the body is not
    complete after `seconds`, or if its chunks are so small that they take READING_SECONDS. It
    cannot end a read that blocks for longer; the server does.

    PEP 3333 does not tell where a chunked body breaks off: it looks as if it ended there.
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
    """The length of the body by its head; None if only its end on the wire shows it."""
    declared = environ.get("CONTENT_LENGTH") or ""
    if declared.isascii() and declared.isdigit():
        return int(declared)
    return None if environ.get("wsgi.input_terminated") else 0


def _read(read: Callable[[int], bytes], size: int) -> bytes:
    """The next `size` bytes, fewer only at the end of the stream; one read may give fewer."""
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
    """Read `size` bytes, fewer only at the end of the stream, into the shared memory.

    Raises BodyTooSlow after `end`, or once this thread's processor time is `work`.
    """
    while (left := size - arrival.received) > 0 and (part := read(min(left, STEP))):
        arrival.received += len(part)
        held.memory.extend(held, part)
        if arrival.received < size and (monotonic() >= end or thread_time() >= work):
            arrival.broken = True
            raise BodyTooSlow
    held.memory.complete(held)


def begin_validation(environ: "WSGIEnvironment") -> None:
    """Wait for the turn of a large body to be validated. Raises BodyMemoryExceeded."""
    if held := environ.get(_HELD):
        held.memory.begin_validation(held)


def release_body(environ: "WSGIEnvironment") -> bool:
    """Give back the memory that the body of a request holds. Returns whether it held any."""
    held: HeldBody | None = environ.pop(_HELD, None)
    if held is None:
        return False
    held.memory.release(held)
    return True


def is_read(environ: "WSGIEnvironment") -> bool:
    """Whether nothing of the body is left to be read."""
    if environ.get("CONTENT_LENGTH", "0") in ("", "0") and "HTTP_TRANSFER_ENCODING" not in environ:
        return True
    arrival = environ.get(_ARRIVAL)
    return arrival is not None and arrival.complete


def can_be_discarded(environ: "WSGIEnvironment") -> bool:
    """Whether `discard` will certainly reach the end of the body, if the client sends it."""
    left = _left(environ)
    return left is not None and left <= MAX_DRAINED_BYTES and may_follow(environ)


def discard(environ: "WSGIEnvironment", *, seconds: float) -> None:
    """Read and discard the rest of a body: at most DISCARDED bytes, for at most `seconds`.

    A body in chunks is read as long as it takes less than DISCARDING_SECONDS of processor time.

    Nothing is read from a client that waits for permission to send it (RFC 9110 section 10.1.1).
    """
    if not may_follow(environ):
        return
    left = _left(environ)
    most = MAX_DRAINED_BYTES if left is None else min(MAX_DRAINED_BYTES, left)
    read, end = environ["wsgi.input"].read, monotonic() + seconds
    processed = thread_time() + DISCARDING_SECONDS
    PROGRESS.begin_reading(environ)
    try:
        while most > 0 and monotonic() < end and (part := read(min(most, STEP))):
            most -= len(part)
            if left is None and thread_time() >= processed:
                break
    finally:
        PROGRESS.end_reading(environ)


def _left(environ: "WSGIEnvironment") -> int | None:
    """How much of the body has not been read; None if only its end on the wire shows it."""
    arrival: _Arrival | None = environ.get(_ARRIVAL)
    length = _length(environ)
    return length if length is None or arrival is None else length - arrival.received


def may_follow(environ: "WSGIEnvironment") -> bool:
    """Whether the client may still send the rest of a body that has not been read to its end."""
    arrival: _Arrival | None = environ.get(_ARRIVAL)
    if arrival is None:
        return str(environ.get("HTTP_EXPECT", "")).lower() != "100-continue"
    return not arrival.broken
