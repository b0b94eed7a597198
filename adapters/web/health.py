"""Liveness and readiness."""

from collections.abc import Callable

from flask import Blueprint

from adapters.web.recent import CachedResult


def health(ready: Callable[[], None]) -> Blueprint:
    """/healthz and /readyz; `ready` raises Unavailable if the store can't serve.

    Anyone may request /readyz, and the check opens a transaction: its result holds for a second.
    """
    check = CachedResult(ready)
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @blueprint.get("/readyz")
    def readyz() -> dict[str, str]:
        check()
        return {"status": "ready"}

    return blueprint
