"""How much of a request is read, with and without a Content-Length."""

from collections.abc import Callable
from time import monotonic
from typing import Any

STEP = 64 * 1024
DISCARDED = 32 * 1024 * 1024
"""How much of a body that is too large is taken off the wire, so that its sender, who first sends
everything and then looks, finds the refusal instead of a broken connection."""


class BodyTooLarge(Exception):
    """The body is over its limit."""


class BodyIncomplete(Exception):
    """The body ended before its Content-Length."""


class BodyTooSlow(Exception):
    """The body took longer to arrive than it may."""


def read_body(environ: dict[str, Any], *, limit: int, seconds: float = 30) -> bytes:
    """The body of a request, at most `limit` bytes of it.

    Raises BodyTooLarge, BodyIncomplete, and BodyTooSlow of a body that was cut off after
    `seconds`: a read can't be interrupted from here, adapters.web.slow_clients ends it.

    A chunked body that breaks off can't be told from one that ends (PEP 3333 has no word for it),
    so what is made of it must not pass for a whole document.
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
    if monotonic() - start >= seconds:
        raise BodyTooSlow
    if length is not None and len(body) < length:
        raise BodyIncomplete
    return body


def _length(environ: dict[str, Any]) -> int | None:
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


def _discard(environ: dict[str, Any], size: int) -> None:
    """Take that much off the wire, unless the client waits for permission to send it."""
    if environ.get("HTTP_EXPECT", "").lower() == "100-continue":
        return
    left = min(size, DISCARDED)
    while left > 0 and (part := environ["wsgi.input"].read(min(left, STEP))):
        left -= len(part)
