"""How much of a request is read, with and without a Content-Length."""

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

STEP: Final = 64 * 1024
DISCARDED: Final = 32 * 1024 * 1024
"""How much of a body that is too large is taken off the wire, so that its sender, who first sends
everything and then looks, finds the refusal instead of a broken connection."""


class BodyTooLarge(Exception):
    """The body is over its limit."""


class BodyIncomplete(Exception):
    """The body ended before its Content-Length."""


class BodyTooSlow(Exception):
    """The body took longer to arrive than it may."""


def read_body(environ: "WSGIEnvironment", *, limit: int, seconds: float) -> bytes:
    """The body of a request, at most `limit` bytes of it.

    Raises BodyTooLarge, BodyIncomplete, and BodyTooSlow of one that broke off after `seconds` or
    more: a read can't be interrupted from here, adapters.web.slow_clients ends it.

    Where a chunked body breaks off, PEP 3333 has no word for it: it looks as if it ended there.
    """
    start = monotonic()
    length = _length(environ)
    if length is not None and length > limit:
        _discard(environ, length)
        raise BodyTooLarge
    body = _read(environ["wsgi.input"].read, limit + 1 if length is None else length)
    if len(body) > limit:
        _discard(environ, DISCARDED)
        raise BodyTooLarge
    if length is None or len(body) == length:
        return body
    raise BodyTooSlow if monotonic() - start >= seconds else BodyIncomplete


def _length(environ: "WSGIEnvironment") -> int | None:
    """How long the body says it is; None where its end shows on the wire only."""
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


def _discard(environ: "WSGIEnvironment", size: int) -> None:
    """Take that much off the wire, unless the client waits for permission to send it."""
    if environ.get("HTTP_EXPECT", "").lower() == "100-continue":
        return
    left = min(size, DISCARDED)
    while left > 0 and (part := environ["wsgi.input"].read(min(left, STEP))):
        left -= len(part)
