"""Bearer tokens (RFC 6750): a request -> who asks."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from application.access import InsufficientScope, InvalidToken, MissingToken, Principal
from domain.errors import RosterError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Authenticate = Callable[["WSGIEnvironment"], Principal]
"""Says who asks, or raises Unauthenticated. A gateway's header or a client's certificate would be
another of its kind."""

_CREDENTIALS: Final = re.compile("bearer(?: +(.*))?", re.IGNORECASE | re.DOTALL)
_CHALLENGE: Final = 'Bearer realm="roster"'


def bearer(principal: Callable[[str], Principal]) -> Authenticate:
    """Who asks by the token in the header Authorization, of which `principal` tells the bearer.

    A header sent twice arrives as one with a comma, which no token has.
    """

    def authenticate(environ: "WSGIEnvironment") -> Principal:
        sent = environ.get("HTTP_AUTHORIZATION", "").strip(" \t")
        credentials = _CREDENTIALS.fullmatch(sent)
        if not (credentials and credentials[1]):
            raise MissingToken
        return principal(credentials[1])

    return authenticate


def challenge(error: RosterError) -> str:
    """The WWW-Authenticate header of a refusal. It names an error only if a token was sent."""
    if isinstance(error, InvalidToken):
        return f'{_CHALLENGE}, error="{error.code}"'
    if isinstance(error, InsufficientScope):
        scopes = " ".join(error.scopes)
        return f'{_CHALLENGE}, error="{error.code}", scope="{scopes}"'
    return _CHALLENGE
