"""Which scope a request needs."""

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Final

from flask import g

from adapters.resources.addresses import PREFIX
from adapters.resources.users import USERS
from adapters.web.bearer import Authenticate
from adapters.web.dispatch import asked
from adapters.web.rates import Limit

READING: Final = frozenset(("GET", "HEAD"))
_CHANGES_ELSEWHERE: Final[Mapping[str, str]] = {"operations": USERS.type}
"""The type of what is changed by a URL that isn't named for it."""


@lru_cache
def scope(path: str, method: str) -> str | None:
    """The scope that a method of a path under the prefix needs; the root needs a principal only.

    The type of the resources in the path, with what is done to them: users:read, users:write.
    """
    named = path.removeprefix(PREFIX).strip("/").partition("/")[0]
    if not named:
        return None
    kind = _CHANGES_ELSEWHERE.get(named, named)
    return f"{kind}:{'read' if method in READING else 'write'}"


def guard(authenticate: Authenticate | None, limit: Limit | None) -> Callable[[], None] | None:
    """What is done first for every URL and method that there is: TooManyRequests for whoever asks
    too often, Unauthenticated or InsufficientScope for whoever may not ask.

    None where everyone may, as often as they like.
    """
    if authenticate is None:
        return partial(_count, limit) if limit else None
    identify = authenticate

    def check() -> None:
        request = asked()
        try:
            principal = g.principal = identify(request.environ)
        finally:  # those who aren't let in are counted, too
            if limit:
                _count(limit)
        rule = request.url_rule
        if rule and (needed := scope(rule.rule, request.method)):
            principal.must_hold(needed)

    return check


def _count(limit: Limit) -> None:
    limit(asked().environ, g.get("principal"))
