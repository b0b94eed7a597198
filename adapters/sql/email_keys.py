"""Updates the keys of emails that an earlier release stored.

Releases before revision 0008 store the folded email as the key, and may do so while this release
runs. The two keys differ only for emails with characters beyond ASCII
(docs/decisions/0034-email-uniqueness.md).
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from sqlalchemy import Engine, Integer, LargeBinary, bindparam, cast, func, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from adapters.sql import schema
from adapters.sql.compiled import CompiledStatement
from adapters.sql.connection import RawConnection
from adapters.sql.failures import VIOLATIONS
from adapters.sql.transactions import Transactions, read_connection
from adapters.sql.users import USERS, folded_if_different
from application.ports import ConcurrentUpdate
from domain.text import email_key

_EMAIL_KEYS_REVISION: Final = 8
"""Since this revision, the key of an email is not its folded form."""

MAX_NAMED: Final = 100
"""The number of users with a shared mailbox that are listed. The others are only counted."""

_READ_BATCH: Final = 10_000
_WRITE_BATCH: Final = 200
_MAX_ROUNDS: Final = 5
_REPORT_SECONDS: Final = 10.0

_PART = (
    select(USERS.c.id, USERS.c.email, USERS.c.email_key, USERS.c.email_folded)
    .where(USERS.c.id > bindparam("after"))
    .order_by(USERS.c.id)
    .limit(bindparam("count", type_=Integer()))
    .subquery("part")
)
_LAST = select(func.max(_PART.c.id))
_BY_KEY = select(USERS.c.email_key, USERS.c.id).where(
    USERS.c.email_key.in_(bindparam("keys", expanding=True))
)
# Updates a row only if it is unchanged, because the previous release may have changed it.
_UPDATE = CompiledStatement(
    update(USERS)
    .where(
        USERS.c.id == bindparam("user_id"),
        USERS.c.email == bindparam("read_email"),
        USERS.c.email_key == bindparam("read_key"),
    )
    .values(email_key=bindparam("key"), email_folded=bindparam("folded"))
)


@dataclass(frozen=True, slots=True)
class OutdatedKey:
    """A user whose stored key is not the key of the email, with the correct key."""

    user_id: int
    email: str
    stored_key: str
    key: str
    folded: str | None


@dataclass(slots=True)
class SharedMailboxes:
    """Users who share a mailbox with another user, and therefore keep their outdated keys.

    `users` has the ids of the first MAX_NAMED of them, each with the id of the other user.
    """

    count: int
    users: list[tuple[int, int]]


def upgrade_database(
    engine: Engine, revision: str = "head", *, report: schema.Report | None = None
) -> SharedMailboxes | None:
    """Migrates the database up to the revision, and updates the keys of emails if it has them.

    Returns the users whose keys cannot be updated, or None if this release must not update keys of
    the revision. Raises Unavailable, ForeignTable.
    """
    schema.upgrade(engine, revision, report=report)
    current = schema.current(engine)
    if schema.is_newer(current) or int(current or 0) < _EMAIL_KEYS_REVISION:
        return None
    return update_keys(engine, report)


def count_outdated_keys(engine: Engine) -> int:
    """The number of users whose stored key is not the key of the email. Raises Unavailable."""
    return sum(map(len, outdated_keys(engine)))


def outdated_keys(engine: Engine) -> Iterator[list[OutdatedKey]]:
    """The users with outdated keys by ascending id, one list for each part of the table.

    Raises Unavailable.
    """
    after = 0
    while True:
        values = {"after": after, "count": _READ_BATCH}
        with read_connection(engine) as connection:
            last = connection.execute(_LAST, values).scalar_one()
            if last is None:
                return
            candidates = select(_PART).where(or_(*_candidate_clauses(engine))).order_by(_PART.c.id)
            rows = connection.execute(candidates, values).all()
        yield [user for row in rows if (user := _outdated_key(*row))]
        after = last


def update_keys(engine: Engine, report: schema.Report | None) -> SharedMailboxes:
    """Updates outdated keys, except those of users who share a mailbox with another user.

    Only one of these users can have the key of the mailbox: the one who has it already, otherwise
    the one with the smallest id. May be interrupted and repeated. Reports the number of updated
    keys at intervals. Raises Unavailable.
    """
    total = 0
    reported = monotonic()
    for _ in range(_MAX_ROUNDS):
        shared = SharedMailboxes(0, [])
        changed = 0
        for part in outdated_keys(engine):
            for start in range(0, len(part), _WRITE_BATCH):
                updated = _update(engine, part[start : start + _WRITE_BATCH], shared)
                changed += updated
                total += updated
                if report and monotonic() - reported >= _REPORT_SECONDS:
                    report(f"Updating the keys of emails: {total:,} so far.")
                    reported = monotonic()
        # A later change may have freed a key that was taken.
        if not (shared.count and changed):
            break
    return shared


def _candidate_clauses(engine: Engine) -> Iterator[ColumnElement[bool]]:
    """Clauses for users whose email has, or had, characters beyond ASCII.

    No other key can be outdated.
    """
    email = _PART.c.email
    yield _PART.c.email_folded.is_not(None)
    if engine.dialect.name == "sqlite":
        yield func.length(email) != func.length(cast(email, LargeBinary))
    else:
        yield func.char_length(email) != func.octet_length(email)


def _outdated_key(
    user_id: int, email: str, stored_key: str, stored_folded: str | None
) -> OutdatedKey | None:
    key, folded = email_key(email), folded_if_different(email)
    if (key, folded) == (stored_key, stored_folded):
        return None
    return OutdatedKey(user_id, email, stored_key, key, folded)


def _update(engine: Engine, users: Sequence[OutdatedKey], shared: SharedMailboxes) -> int:
    """Updates the keys in one transaction, or one by one if another writer interferes.

    Returns the number of updated users.
    """
    with suppress(ConcurrentUpdate):
        return _update_together(engine, users, shared)
    changed = 0
    for user in users:
        with suppress(ConcurrentUpdate):  # the next round or run tries again
            changed += _update_together(engine, [user], shared)
    return changed


def _update_together(engine: Engine, users: Sequence[OutdatedKey], shared: SharedMailboxes) -> int:
    """Updates the keys in one transaction. Returns the number of updated users.

    Raises ConcurrentUpdate if another writer takes one of the keys.
    """
    with Transactions(engine).open() as connection:
        holders = _users_by_key(connection, {user.key for user in users})
        updatable, sharing = [], []
        for user in users:
            holder = holders.setdefault(user.key, user.user_id)
            if holder == user.user_id:
                updatable.append(user)
            else:
                sharing.append((user.user_id, holder))
        try:
            changed = sum(_update_one(connection, user) for user in updatable)
        except VIOLATIONS as error:  # another writer took a key after the query above
            raise ConcurrentUpdate from error
    shared.count += len(sharing)
    shared.users += sharing[: MAX_NAMED - len(shared.users)]
    return changed


def _users_by_key(connection: RawConnection, keys: set[str]) -> dict[str, int]:
    return {row[0]: row[1] for row in connection.execute(_BY_KEY, {"keys": list(keys)})}


def _update_one(connection: RawConnection, user: OutdatedKey) -> int:
    values: dict[str, Any] = {
        "user_id": user.user_id,
        "read_email": user.email,
        "read_key": user.stored_key,
        "key": user.key,
        "folded": user.folded,
    }
    return _UPDATE.execute(connection, values)
