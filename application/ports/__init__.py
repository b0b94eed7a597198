"""The ports: interfaces that use cases need and adapters implement."""

from application.ports.errors import ConcurrentUpdate, OutcomeUnknown, Unavailable
from application.ports.idempotency import (
    IDEMPOTENCY_TTL,
    STORED_BYTES,
    IdempotencyStore,
    KeyInUse,
    KeyReused,
    ResponseErased,
    StoredResponse,
    Subject,
    TooManyStoredResponses,
)
from application.ports.relationships import LinkChange, LinkedEntities, LinkReader, Links
from application.ports.repository import Reader, Repository
from application.ports.secrets import SECRET_BYTES, Secrets
from application.ports.unit_of_work import (
    Begin,
    Clock,
    Context,
    LinkCount,
    TooManyLinks,
    UnitOfWork,
    UnitRunner,
)

__all__ = [
    "IDEMPOTENCY_TTL",
    "SECRET_BYTES",
    "STORED_BYTES",
    "Begin",
    "Clock",
    "ConcurrentUpdate",
    "Context",
    "IdempotencyStore",
    "KeyInUse",
    "KeyReused",
    "LinkChange",
    "LinkCount",
    "LinkReader",
    "LinkedEntities",
    "Links",
    "OutcomeUnknown",
    "Reader",
    "Repository",
    "ResponseErased",
    "Secrets",
    "StoredResponse",
    "Subject",
    "TooManyLinks",
    "TooManyStoredResponses",
    "Unavailable",
    "UnitOfWork",
    "UnitRunner",
]
