"""Which scope a request needs."""

from collections.abc import Callable, Mapping
from typing import Final

from flask import g, request

from adapters.resources.addresses import PREFIX
from adapters.resources.users import USERS
from adapters.web.bearer import Authenticate

READING: Final = frozenset(("GET", "HEAD"))
_CHANGES_ELSEWHERE: Final[Mapping[str, str]] = {"operations": USERS.type}
"""The type of what is changed by a URL that isn't named for it."""


def scope(path: str, method: str) -> str | None:
    """The scope that a method of a path under the prefix needs; the root needs a principal only.

    The type of the resources in the path, with what is done to them: users:read, users:write.
    """
    named = path.removeprefix(PREFIX).strip("/").partition("/")[0]
    if not named:
        return None
    kind = _CHANGES_ELSEWHERE.get(named, named)
    return f"{kind}:{'read' if method in READING else 'write'}"


def guard(authenticate: Authenticate) -> Callable[[], None]:
    """What is done first for every URL and method that there is: Unauthenticated or
    InsufficientScope for whoever may not ask."""

    def check() -> None:
        g.principal = authenticate(request.environ)
        rule = request.url_rule
        if rule and (needed := scope(rule.rule, request.method)):
            g.principal.must_hold(needed)

    return check
