"""The keys of emails that another release stored: docs/decisions/0034-email-uniqueness.md.

The release before 0008 stores the folded email as the key, also while this one serves. Only emails
beyond ASCII have another key.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
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

_EMAIL_KEYS: Final = 8
"""The number of the revision since which the key of an email is not its folded form."""

MAX_NAMED: Final = 100
"""How many users that share a mailbox are named; the others are counted."""

_ROWS_READ: Final = 10_000
_ROWS_CHANGED: Final = 200
_MAX_ROUNDS: Final = 5

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
# Only as it was read: the release before may have changed it since.
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
class Outdated:
    """A user whose stored key is not that of the email, and what it should be."""

    user_id: int
    email: str
    stored: str
    key: str
    folded: str | None


@dataclass(slots=True)
class SharedMailboxes:
    """Users whose mailbox belongs to another user, so that they keep their outdated keys.

    `users` are the first MOST_NAMED of them, each with the id of the other.
    """

    count: int
    users: list[tuple[int, int]]


def upgrade_database(
    engine: Engine, revision: str = "head", *, report: schema.Report | None = None
) -> SharedMailboxes | None:
    """Migrate the database up to the revision, and update the keys of emails if it has them.

    Returns the users whose keys cannot be updated. Raises what schema.upgrade raises.
    """
    schema.upgrade(engine, revision, report=report)
    found = schema.current(engine)
    if schema.is_newer(found) or int(found or 0) < _EMAIL_KEYS:
        return None
    return update_keys(engine)


def count_outdated_keys(engine: Engine) -> int:
    """How many users have a key that is not that of their email. Raises Unavailable."""
    return sum(map(len, outdated(engine)))


def outdated(engine: Engine) -> Iterator[list[Outdated]]:
    """The users with outdated keys by ascending id, a part of the table at a time. Unavailable."""
    after = 0
    while True:
        values = {"after": after, "count": _ROWS_READ}
        with read_connection(engine) as connection:
            last = connection.execute(_LAST, values).scalar_one()
            if last is None:
                return
            unusual = select(_PART).where(or_(*_unusual(engine))).order_by(_PART.c.id)
            rows = connection.execute(unusual, values).all()
        yield [found for row in rows if (found := _check(*row))]
        after = last


def update_keys(engine: Engine) -> SharedMailboxes:
    """Give users with outdated keys the right ones; those who share a mailbox keep theirs.

    Of users who share a mailbox one has its key: who has it already, else the one with the
    smallest id. May be interrupted, and repeated at any time. Raises Unavailable.
    """
    for _ in range(_MAX_ROUNDS):
        shared = SharedMailboxes(0, [])
        changed = 0
        for part in outdated(engine):
            for start in range(0, len(part), _ROWS_CHANGED):
                changed += _update(engine, part[start : start + _ROWS_CHANGED], shared)
        # A key may have become free by a later change, or have been taken meanwhile.
        if not (shared.count and changed):
            break
    return shared


def _unusual(engine: Engine) -> Iterator[ColumnElement[bool]]:
    """Emails beyond ASCII, and users who had one: the database picks them out quickly."""
    email = _PART.c.email
    yield _PART.c.email_folded.is_not(None)
    if engine.dialect.name == "sqlite":
        yield func.length(email) != func.length(cast(email, LargeBinary))
    else:
        yield func.char_length(email) != func.octet_length(email)


def _check(user_id: int, email: str, stored: str, folded_now: str | None) -> Outdated | None:
    key, folded = email_key(email), folded_if_different(email)
    if (key, folded) == (stored, folded_now):
        return None
    return Outdated(user_id, email, stored, key, folded)


def _update(engine: Engine, wanted: Sequence[Outdated], shared: SharedMailboxes) -> int:
    """How many got their keys. All at once; one by one if another writer interferes."""
    with suppress(ConcurrentUpdate):
        return _update_together(engine, wanted, shared)
    changed = 0
    for each in wanted:
        with suppress(ConcurrentUpdate):  # the next round, or run, sees it again
            changed += _update_together(engine, [each], shared)
    return changed


def _update_together(engine: Engine, wanted: Sequence[Outdated], shared: SharedMailboxes) -> int:
    with Transactions(engine).open() as connection:
        holders = _users_by_key(connection, {each.key for each in wanted})
        free, others = [], []
        for each in wanted:
            holder = holders.setdefault(each.key, each.user_id)
            if holder == each.user_id:
                free.append(each)
            else:
                others.append((each.user_id, holder))
        try:
            changed = sum(_update_one(connection, each) for each in free)
        except VIOLATIONS as error:  # another took a key since it was looked up
            raise ConcurrentUpdate from error
    shared.count += len(others)
    shared.users += others[: MAX_NAMED - len(shared.users)]
    return changed


def _users_by_key(connection: RawConnection, keys: set[str]) -> dict[str, int]:
    return {row[0]: row[1] for row in connection.execute(_BY_KEY, {"keys": list(keys)})}


def _update_one(connection: RawConnection, wanted: Outdated) -> int:
    values: dict[str, Any] = {
        "user_id": wanted.user_id,
        "read_email": wanted.email,
        "read_key": wanted.stored,
        "key": wanted.key,
        "folded": wanted.folded,
    }
    return _UPDATE.count(connection, values)
