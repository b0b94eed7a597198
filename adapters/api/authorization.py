"""Which scopes a request requires."""

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from itertools import chain
from typing import Final

from adapters.api import http
from adapters.api.operations import URL as OPERATIONS
from adapters.jsonapi.catalog import NO_RELATIONSHIPS, Catalog
from adapters.jsonapi.operation_objects import LINKAGE
from adapters.jsonapi.parameters import is_set
from adapters.resources.addresses import PREFIX
from adapters.web.bearer import Authenticate
from adapters.web.flask_app import current_request
from adapters.web.rate_limit import RateLimiter
from application.access import Action, Principal, relationship_scopes, required_scopes

READING: Final = frozenset(("GET", "HEAD"))
_ACTIONS: Final[Mapping[str, Action]] = {
    "GET": Action.READ,
    "HEAD": Action.READ,
    "POST": Action.CREATE,
    "PATCH": Action.CHANGE,
    "DELETE": Action.DELETE,
}
ERASE_HISTORY: Final = "erase_history"
"""The parameter of a DELETE that erases as well."""
_OPERATIONS: Final = f"{PREFIX}{OPERATIONS}"


def alternatives(
    path: str,
    method: str,
    types: tuple[str, ...],
    *,
    catalog: Catalog = NO_RELATIONSHIPS,
    erases: bool = False,
) -> tuple[tuple[str, ...], ...]:
    """The scopes that a method of a path under the prefix requires: all of one alternative.

    `types` are the resource types. `erases` is whether a DELETE has the parameter ERASE_HISTORY.

    The root requires none. Operations require at least permission to write some type; what each of
    them requires is known when the body has been read.
    """
    if path == _OPERATIONS:
        return tuple(required_scopes(each, Action.CREATE) for each in types)
    named, *below = path.removeprefix(PREFIX).strip("/").split("/")
    relationships = catalog.relationships.get(named, {})
    if len(below) > 1 and below[-1] in relationships:
        if method not in READING:
            return (relationship_scopes(relationships[below[-1]], Action.CHANGE),)
        is_related = below[-2] != LINKAGE
        return (relationship_scopes(relationships[below[-1]], Action.READ, resources=is_related),)
    action = Action.ERASE if erases else _ACTIONS[method]
    return (required_scopes(named, action) if named else (),)


def authorize(
    authenticate: Authenticate | None,
    limit: RateLimiter | None,
    types: tuple[str, ...],
    catalog: Catalog = NO_RELATIONSHIPS,
) -> Callable[[], None] | None:
    """The check that precedes every route of the API; None if the service has no such check.

    It raises TooManyRequests, Unauthenticated, InsufficientScope or SubjectRequired.
    """
    if authenticate is None:
        return partial(_count, limit) if limit else None
    identify = authenticate
    required = lru_cache(partial(alternatives, types=types, catalog=catalog))

    def check() -> None:
        request = current_request()
        try:
            principal = request.principal = identify(request.environ)
        finally:  # requests that fail authentication count as well
            if limit:
                _count(limit)
        if rule := request.url_rule:
            erases = request.method == "DELETE" and is_set(http.query(), ERASE_HISTORY)
            allowed = required(rule.rule, request.method, erases=erases)
            _authorize(principal, request.method, allowed)

    return check


def _authorize(principal: Principal, method: str, allowed: tuple[tuple[str, ...], ...]) -> None:
    for scopes in allowed:
        if principal.scopes.issuperset(scopes):
            break
    else:
        principal.require_scopes(chain.from_iterable(allowed))
    if method not in READING:
        principal.require_subject()


def _count(limit: RateLimiter) -> None:
    request = current_request()
    limit(request.environ, request.principal)
