"""Access to the URLs of accounts: anyone, the user of a session, or a token with scopes."""

from collections.abc import Callable
from typing import Any, Final

from flask import Blueprint, Response

from adapters.api.request import current_request
from adapters.web.addresses import address_of, network_of
from adapters.web.bearer import Authenticate
from adapters.web.identity import count, identify
from adapters.web.rate_limit import RateLimiter
from application.access import SessionClaims
from application.accounts.errors import NotAUser
from application.accounts.sessions import Client

View = Callable[..., Response]

ME: Final = "me"
"""The scope to read and change one's own user."""


class AccountRoutes:
    """Registers routes, each with the access that it requires.

    `limit` is the rate limit of the service, and `limit_anyone` that of a network at the URLs for
    anyone.
    """

    def __init__(
        self,
        blueprint: Blueprint,
        authenticate: Authenticate,
        limit: RateLimiter | None,
        limit_anyone: RateLimiter,
    ) -> None:
        self._blueprint = blueprint
        self._authenticate = authenticate
        self._limit = limit
        self._limit_anyone = limit_anyone
        self._checks: dict[str, Callable[[], None]] = {}
        blueprint.before_request(self._check)

    def anyone(self, method: str, rule: str, view: View) -> None:
        """Registers a route for anyone. A token is ignored."""
        self._add(method, rule, view, self._count_anyone)

    def own(self, method: str, rule: str, view: View, *scopes: str) -> None:
        """Registers a route for the user of a session whose token has the scopes."""

        def check() -> None:
            principal = identify(self._authenticate, self._limit)
            if principal.session is None:
                raise NotAUser
            principal.require_scopes(scopes)

        self._add(method, rule, view, check)

    def scoped(self, method: str, rule: str, view: View, *scopes: str) -> None:
        """Registers a route for tokens with the scopes."""

        def check() -> None:
            principal = identify(self._authenticate, self._limit)
            principal.require_scopes(scopes)
            if method != "GET":
                principal.require_subject()

        self._add(method, rule, view, check)

    def _add(self, method: str, rule: str, view: View, check: Callable[[], None]) -> None:
        endpoint = f"{method} {rule}".replace(".", "-")
        self._blueprint.add_url_rule(rule, endpoint, view, methods=[method])
        self._checks[endpoint] = check

    def _check(self) -> None:
        endpoint = current_request().endpoint or ""
        self._checks[endpoint.partition(".")[2]]()

    def _count_anyone(self) -> None:
        count(self._limit)
        count(self._limit_anyone)


def session() -> SessionClaims:
    """Returns the session of the request's token. Raises NotAUser if it has none."""
    principal = current_request().principal
    if principal is None or principal.session is None:
        raise NotAUser
    return principal.session


def client() -> Client:
    """Returns the client of the request."""
    environ: Any = current_request().environ
    address = address_of(environ.get("REMOTE_ADDR", ""))
    return Client(address, network_of(address), environ.get("HTTP_USER_AGENT"))
