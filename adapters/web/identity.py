"""The client of the current request: its principal, its rate limit, and the context of its work."""

from typing import Final

from adapters.web.app import REQUEST_ID
from adapters.web.bearer import Authenticate
from adapters.web.flask_app import current_request
from adapters.web.rate_limit import RateLimiter
from application.access import Principal
from application.ports import Context

MAX_LINKS: Final = 10_000
"""The number of links, such as memberships, that one request may change."""


def identify(authenticate: Authenticate, limit: RateLimiter | None) -> Principal:
    """Authenticates the request, counts it, and stores and returns its principal.

    Requests that fail authentication count as well. Raises Unauthenticated and TooManyRequests.
    """
    request = current_request()
    try:
        request.principal = authenticate(request.environ)
    finally:
        if limit:
            limit(request.environ, request.principal)
    return request.principal


def count(limit: RateLimiter | None) -> None:
    """Counts the request, if there is a limit. Raises TooManyRequests if it is over the limit."""
    if limit:
        request = current_request()
        limit(request.environ, request.principal)


def request_context() -> Context:
    """Returns the principal and the id of the request, for a unit of work."""
    request = current_request()
    return Context(request.principal, request.environ[REQUEST_ID], MAX_LINKS)
