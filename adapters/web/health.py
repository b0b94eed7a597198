"""Whether the process lives, and whether it can serve."""

from collections.abc import Callable

from flask import Blueprint


def health(ready: Callable[[], None]) -> Blueprint:
    """/healthz and /readyz; `ready` raises Unavailable where the store can't serve."""
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/healthz")
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @blueprint.get("/readyz")
    def readyz() -> dict[str, str]:
        ready()
        return {"status": "ready"}

    return blueprint
