"""The probes for liveness and readiness."""

from collections.abc import Callable, Mapping

from flask import Blueprint

from adapters.web.cached_result import CachedResult
from adapters.web.security_headers import NO_STORE

_Result = tuple[dict[str, str], Mapping[str, str]]


def health(ready: Callable[[], None]) -> Blueprint:
    """The routes /healthz and /readyz. `ready` raises Unavailable if the store can't be used.

    Anyone may request /readyz, and the check opens a transaction. So its result is cached for a
    second.
    """
    check = CachedResult(ready)
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/healthz")
    def healthz() -> _Result:
        return {"status": "ok"}, NO_STORE

    @blueprint.get("/readyz")
    def readyz() -> _Result:
        check()
        return {"status": "ready"}, NO_STORE

    return blueprint
