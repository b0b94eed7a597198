"""Authenticates requests by bearer tokens (RFC 6750)."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from application.access import InsufficientScope, InvalidToken, MissingToken, Principal
from domain.errors import RosterError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Authenticate = Callable[["WSGIEnvironment"], Principal]
"""Returns the principal of a request. Raises Unauthenticated if there is none.

Other implementations could read the header of a gateway or the certificate of a client.
"""

_CREDENTIALS: Final = re.compile("bearer(?: +(.*))?", re.IGNORECASE | re.DOTALL)
_CHALLENGE: Final = 'Bearer realm="roster"'


def bearer(principal: Callable[[str], Principal]) -> Authenticate:
    """Authenticates by the header Authorization. `principal` verifies the token.

    If the header is sent twice, it arrives as one value with a comma, which no token contains.
    """

    def authenticate(environ: "WSGIEnvironment") -> Principal:
        header = environ.get("HTTP_AUTHORIZATION", "").strip(" \t")
        credentials = _CREDENTIALS.fullmatch(header)
        if not (credentials and credentials[1]):
            raise MissingToken
        return principal(credentials[1])

    return authenticate


def challenge(error: RosterError) -> str:
    """The WWW-Authenticate header for an error. It names the error only if a token was sent."""
    if isinstance(error, InvalidToken):
        return f'{_CHALLENGE}, error="{error.code}"'
    if isinstance(error, InsufficientScope):
        scopes = " ".join(error.scopes)
        return f'{_CHALLENGE}, error="{error.code}", scope="{scopes}"'
    return _CHALLENGE


def refusal_fields(error: InvalidToken) -> dict[str, object]:
    """Returns the fields that a refused token adds to the log entry of its request."""
    facts = {f"token_{name}": fact for name, fact in error.facts.items()}
    return {"token_refused": error.reason, **facts}
