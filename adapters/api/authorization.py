"""Authenticates requests, limits their rate and checks their scopes."""

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from itertools import chain
from typing import Final

from adapters.api import http
from adapters.api.operations import URL as OPERATIONS
from adapters.jsonapi.catalog import Catalog
from adapters.jsonapi.linkage import LINKAGE
from adapters.jsonapi.parameters import is_set
from adapters.resources.urls import PREFIX
from adapters.web.bearer import Authenticate
from adapters.web.flask_app import current_request
from adapters.web.identity import count, identify
from adapters.web.rate_limit import RateLimiter
from application.access import (
    Action,
    InsufficientScope,
    Principal,
    relationship_scopes,
    required_scopes,
)

_ACTIONS: Final[Mapping[str, Action]] = {
    "GET": Action.READ,
    "HEAD": Action.READ,
    "POST": Action.CREATE,
    "PATCH": Action.CHANGE,
    "DELETE": Action.DELETE,
}
ERASE_HISTORY: Final = "erase_history"
"""The parameter of DELETE that also erases the history."""
_OPERATIONS: Final = f"{PREFIX}{OPERATIONS}"


def scope_alternatives(
    path: str,
    method: str,
    types: tuple[str, ...],
    *,
    catalog: Catalog,
    erases: bool = False,
) -> tuple[tuple[str, ...], ...]:
    """Returns the sets of scopes of which a request must have at least one.

    `types` are the resource types. `erases`: the parameter ERASE_HISTORY of a DELETE is true.

    The root requires no scope. A request with operations requires permission to write at least one
    type. The scopes of each operation are checked when the body has been parsed.
    """
    if path == _OPERATIONS:
        return tuple(required_scopes(each, Action.CREATE) for each in types)
    resource_type, *below = path.removeprefix(PREFIX).strip("/").split("/")
    relationships = catalog.relationships.get(resource_type, {})
    if len(below) > 1 and below[-1] in relationships:
        if method not in http.READING:
            return (relationship_scopes(relationships[below[-1]], Action.CHANGE),)
        is_related = below[-2] != LINKAGE
        return (relationship_scopes(relationships[below[-1]], Action.READ, resources=is_related),)
    action = Action.ERASE if erases else _ACTIONS[method]
    return (required_scopes(resource_type, action) if resource_type else (),)


def authorize(
    authenticate: Authenticate | None,
    limit: RateLimiter | None,
    types: tuple[str, ...],
    catalog: Catalog,
) -> Callable[[], None] | None:
    """Returns the check for every route of the API; None if the service has no such check.

    The check authenticates the request, limits the rate and checks the scopes. It raises
    TooManyRequests, Unauthenticated, InsufficientScope or SubjectRequired.
    """
    if authenticate is None:
        return partial(count, limit) if limit else None
    required = lru_cache(partial(scope_alternatives, types=types, catalog=catalog))

    def check() -> None:
        principal = identify(authenticate, limit)
        request = current_request()
        if rule := request.url_rule:
            erases = request.method == "DELETE" and is_set(http.query(), ERASE_HISTORY)
            allowed = required(rule.rule, request.method, erases=erases)
            _authorize(principal, request.method, allowed)

    return check


def _authorize(
    principal: Principal, method: str, alternatives: tuple[tuple[str, ...], ...]
) -> None:
    for scopes in alternatives:
        if principal.scopes.issuperset(scopes):
            break
    else:
        if len(alternatives) > 1:
            raise InsufficientScope(*chain.from_iterable(alternatives), any_of=True)
        principal.require_scopes(alternatives[0])
    if method not in http.READING:
        principal.require_subject()
