"""Sessions, their refresh tokens, and revocations of access tokens, in a transaction."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import Integer, bindparam, delete, func, insert, select, update

from adapters.sql.account_tables import REFRESH_TOKENS, REVOCATIONS, SESSIONS, certify_account
from adapters.sql.bulk import insert_rows
from adapters.sql.compiled import CompiledStatement
from adapters.sql.connection import RawConnection
from adapters.sql.expired_rows import ExpiredRows
from adapters.sql.id_lists import is_among
from application.ports import Sessions
from domain.accounts import RefreshToken, Session

SESSION_COLUMNS: Final = [SESSIONS.c[name] for name in Session._fields]
# Runs no Python code, unlike the named tuple's `_make`.
to_session: Callable[[Sequence[Any]], Session] = partial(tuple.__new__, Session)
"""Creates a session from a row of SESSION_COLUMNS."""

_BY_ID = select(*SESSION_COLUMNS).where(SESSIONS.c.id == bindparam("session_id"))
READ_SESSION: Final = CompiledStatement(_BY_ID)
"""Selects a session without a lock."""
_LOCK = CompiledStatement(_BY_ID.with_for_update())
# By id, so that transactions lock the sessions of a user in the same order.
_LOCK_OF_USER = CompiledStatement(
    select(*SESSION_COLUMNS)
    .where(SESSIONS.c.user_id == bindparam("user_id"))
    .order_by(SESSIONS.c.id)
    .with_for_update()
)
_ADD = CompiledStatement(
    insert(SESSIONS).values({name: bindparam(name) for name in Session._fields})
)
_CHANGEABLE: Final = ("use_time", "expiry_time", "address", "user_agent")
_SAVE = CompiledStatement(
    update(SESSIONS)
    .where(SESSIONS.c.id == bindparam("session_id"))
    .values({name: bindparam(name) for name in _CHANGEABLE})
)
_DELETE = CompiledStatement(delete(SESSIONS).where(is_among(SESSIONS.c.id, "ids")))
_REVOCATION_COLUMNS: Final = [REVOCATIONS.c[name] for name in ("session_id", "user_id", "time")]
_REVOKE = CompiledStatement(
    insert(REVOCATIONS).values({each.name: bindparam(each.name) for each in _REVOCATION_COLUMNS})
)
_ADD_TOKEN = CompiledStatement(
    insert(REFRESH_TOKENS).values({name: bindparam(name) for name in RefreshToken._fields})
)
_HAS_DIGEST = REFRESH_TOKENS.c.digest == bindparam("of_digest")
_TOKEN = CompiledStatement(
    select(*(REFRESH_TOKENS.c[name] for name in RefreshToken._fields)).where(_HAS_DIGEST)
)
_USE_TOKEN = CompiledStatement(
    update(REFRESH_TOKENS)
    .where(_HAS_DIGEST, REFRESH_TOKENS.c.use_time.is_(None))
    .values(use_time=bindparam("use_time"))
)
_COUNT_TOKENS = CompiledStatement(
    select(REFRESH_TOKENS.c.session_id, func.count())
    .join(SESSIONS)
    .where(SESSIONS.c.user_id == bindparam("user_id"))
    .group_by(REFRESH_TOKENS.c.session_id)
)
_OLDEST_TOKENS = CompiledStatement(
    select(REFRESH_TOKENS.c.digest)
    .where(REFRESH_TOKENS.c.session_id == bindparam("session_id"))
    .order_by(REFRESH_TOKENS.c.creation_time)
    .limit(bindparam("number", type_=Integer()))
)
_FORGET_TOKENS = delete(REFRESH_TOKENS).where(
    REFRESH_TOKENS.c.digest.in_(bindparam("digests", expanding=True))
)
_EXPIRED = ExpiredRows(SESSIONS.c.expiry_time)
_OLD_REVOCATIONS = ExpiredRows(REVOCATIONS.c.time)
_BATCH_SIZE: Final = 500


class SqlSessions(Sessions):
    """The sessions in an open transaction. A foreign key deletes the tokens of a session."""

    def __init__(self, connection: RawConnection) -> None:
        self._connection = connection

    def add(self, session: Session) -> None:
        certify_account(self._connection, session.user_id)
        _ADD.execute(self._connection, session._asdict())

    def get(self, session_id: str) -> Session | None:
        row = _LOCK.row(self._connection, {"session_id": session_id})
        return to_session(row) if row else None

    def of_user(self, user_id: int) -> Sequence[Session]:
        rows = _LOCK_OF_USER.rows(self._connection, {"user_id": user_id})
        certify_account(self._connection, user_id)
        return sorted(map(to_session, rows), key=attrgetter("use_time", "id"))

    def save(self, session: Session) -> None:
        certify_account(self._connection, session.user_id)
        values = {name: getattr(session, name) for name in _CHANGEABLE}
        _SAVE.execute(self._connection, {**values, "session_id": session.id})

    def end(self, session_ids: Collection[str], *, at: datetime) -> None:
        ids = sorted(session_ids)
        for start in range(0, len(ids), _BATCH_SIZE):
            batch = ids[start : start + _BATCH_SIZE]
            _DELETE.execute(self._connection, {"ids": batch})
            rows = [(session_id, None, at) for session_id in batch]
            insert_rows(self._connection, _REVOCATION_COLUMNS, rows)

    def revoke_tokens_before(self, user_id: int, *, at: datetime) -> None:
        row = {"session_id": None, "user_id": user_id, "time": at}
        _REVOKE.execute(self._connection, row)

    def add_token(self, token: RefreshToken) -> None:
        _ADD_TOKEN.execute(self._connection, token._asdict())

    def token(self, digest: bytes) -> RefreshToken | None:
        row = _TOKEN.row(self._connection, {"of_digest": digest})
        return RefreshToken(*row) if row else None

    def use_token(self, digest: bytes, *, at: datetime) -> bool:
        values = {"of_digest": digest, "use_time": at}
        return _USE_TOKEN.execute(self._connection, values) == 1

    def count_tokens(self, user_id: int) -> Mapping[str, int]:
        rows = _COUNT_TOKENS.rows(self._connection, {"user_id": user_id})
        return {row[0]: row[1] for row in rows}

    def forget_tokens(self, session_id: str, number: int) -> None:
        values = {"session_id": session_id, "number": number}
        if rows := _OLDEST_TOKENS.rows(self._connection, values):
            self._connection.execute(_FORGET_TOKENS, {"digests": [row[0] for row in rows]})

    def delete_expired(self, until: datetime) -> int:
        return _EXPIRED.delete_some(self._connection, until)

    def delete_revocations(self, until: datetime) -> int:
        return _OLD_REVOCATIONS.delete_some(self._connection, until)
