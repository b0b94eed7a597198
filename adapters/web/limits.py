"""What a request may cost before anything is done for it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class BodyTooLarge(Exception):
    """The body is over the limit."""


class BodyIncomplete(Exception):
    """The body ended before its Content-Length."""


class BodyTooSlow(Exception):
    """The body did not come in time."""


def read_body(environ: "WSGIEnvironment", *, limit: int) -> bytes:
    """The whole body of a request, with or without Content-Length; `limit` in bytes."""
    declared = int(environ.get("CONTENT_LENGTH") or 0)
    if declared > limit:
        raise BodyTooLarge
    body: bytes = environ["wsgi.input"].read(limit + 1)
    if len(body) > limit:
        raise BodyTooLarge
    if len(body) < declared:
        raise BodyIncomplete
    return body
