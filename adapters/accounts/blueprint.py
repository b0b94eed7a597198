"""The blueprint of accounts, next to that of the resources under the same prefix."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Blueprint

from adapters.accounts.access import AccountRoutes
from adapters.accounts.links import link_routes
from adapters.accounts.me import me_routes
from adapters.accounts.sessions import session_routes
from adapters.api.http import request_checks
from adapters.api.inclusion import Inclusion
from adapters.jsonapi.cursors import Cursors
from adapters.jsonapi.resource import Resource
from adapters.resources.urls import PREFIX, Urls
from adapters.web.bearer import Authenticate
from adapters.web.rate_limit import RateLimiter
from adapters.web.request_body import RequestLimits
from application.accounts.links import Confirmation, LinkRequests
from application.accounts.login import Login
from application.accounts.overview import AccountOverview
from application.accounts.own_user import OwnUserCommands
from application.accounts.passwords import PasswordCommands
from application.accounts.sessions import SessionCommands, SessionQueries


@dataclass(frozen=True, slots=True)
class AccountUseCases:
    """The use cases of accounts, and those of users that they need."""

    login: Login
    sessions: SessionCommands
    session_queries: SessionQueries
    passwords: PasswordCommands
    links: LinkRequests
    confirmation: Confirmation
    overview: AccountOverview
    own_user: OwnUserCommands
    get_user: Callable[[int], Any]


def accounts(
    use_cases: AccountUseCases,
    users: Resource,
    authenticate: Authenticate,
    cursors: Cursors,
    urls: Urls,
    inclusion: Inclusion,
    *,
    limit: RateLimiter | None,
    limit_anyone: RateLimiter,
    limits: RequestLimits,
) -> Blueprint:
    """Creates the blueprint. `users` is the declaration of users."""
    blueprint = Blueprint("accounts", __name__, url_prefix=PREFIX)
    routes = AccountRoutes(blueprint, authenticate, limit, limit_anyone)
    blueprint.before_request(request_checks(limits))
    session_routes(
        routes,
        use_cases.login,
        use_cases.sessions,
        use_cases.session_queries,
        cursors,
        urls,
        use_cases.get_user,
    )
    link_routes(routes, use_cases.links, use_cases.confirmation)
    me_routes(
        routes,
        users,
        use_cases.get_user,
        use_cases.own_user,
        use_cases.passwords,
        use_cases.links,
        use_cases.overview,
        urls,
        inclusion,
    )
    return blueprint
