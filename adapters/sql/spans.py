"""A span for every use of a connection: a statement alone, or a transaction with its COMMIT."""

from typing import Any

from opentelemetry.trace import SpanKind, Tracer
from sqlalchemy import event
from sqlalchemy.pool import ConnectionPoolEntry, Pool

_SPAN = "roster.span"


def trace(pool: Pool, tracer: Tracer, *, system: str) -> None:
    """Tell the tracer of every use; `system` is the database's name in OpenTelemetry's words."""
    attributes = {"db.system.name": system}

    def begin(_: Any, entry: ConnectionPoolEntry, __: Any) -> None:
        entry.info[_SPAN] = tracer.start_span(system, kind=SpanKind.CLIENT, attributes=attributes)

    def end(_: Any, entry: ConnectionPoolEntry) -> None:
        if span := entry.info.pop(_SPAN, None):
            span.end()

    event.listen(pool, "checkout", begin)
    event.listen(pool, "checkin", end)
