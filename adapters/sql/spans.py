"""OpenTelemetry spans, one from each checkout of a connection to its return to the pool.

A span covers a single statement, or a transaction with its COMMIT.
"""

from typing import Any

from opentelemetry.trace import SpanKind, Tracer
from sqlalchemy import event
from sqlalchemy.pool import ConnectionPoolEntry, Pool

_SPAN = "roster.span"


def trace(pool: Pool, tracer: Tracer, *, system: str) -> None:
    """Records a span for each use of the pool's connections.

    `system` is the value of `db.system.name` in OpenTelemetry's semantic conventions.
    """
    attributes = {"db.system.name": system}

    def begin(_: Any, entry: ConnectionPoolEntry, __: Any) -> None:
        entry.info[_SPAN] = tracer.start_span(system, kind=SpanKind.CLIENT, attributes=attributes)

    def end(_: Any, entry: ConnectionPoolEntry) -> None:
        if span := entry.info.pop(_SPAN, None):
            span.end()

    event.listen(pool, "checkout", begin)
    event.listen(pool, "checkin", end)
