"""The ports: interfaces that use cases need and adapters implement."""

from application.ports.accounts import (
    AccountReader,
    AccountRecords,
    Accounts,
    Counters,
    EmailedLinks,
    Outbox,
    Revocation,
    Sessions,
)
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
from application.ports.mail import Mailer, MailFailed, OutgoingEmail, Recipient
from application.ports.passwords import Busy, PasswordEstimator, PasswordHasher, UnsupportedHash
from application.ports.positions import Positions, RequestPosition
from application.ports.relationships import LinkChange, LinkedEntities, LinkReader, Links
from application.ports.repository import Reader, Repository
from application.ports.secrets import SECRET_BYTES, Secrets
from application.ports.tokens import AccessClaims, RandomTokens, TokenIssuer
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
    "AccessClaims",
    "AccountReader",
    "AccountRecords",
    "Accounts",
    "Begin",
    "Busy",
    "Clock",
    "ConcurrentUpdate",
    "Context",
    "Counters",
    "EmailedLinks",
    "IdempotencyStore",
    "KeyInUse",
    "KeyReused",
    "LinkChange",
    "LinkCount",
    "LinkReader",
    "LinkedEntities",
    "Links",
    "MailFailed",
    "Mailer",
    "Outbox",
    "OutcomeUnknown",
    "OutgoingEmail",
    "PasswordEstimator",
    "PasswordHasher",
    "Positions",
    "RandomTokens",
    "Reader",
    "Recipient",
    "Repository",
    "RequestPosition",
    "ResponseErased",
    "Revocation",
    "Secrets",
    "Sessions",
    "StoredResponse",
    "Subject",
    "TokenIssuer",
    "TooManyLinks",
    "TooManyStoredResponses",
    "Unavailable",
    "UnitOfWork",
    "UnitRunner",
    "UnsupportedHash",
]
