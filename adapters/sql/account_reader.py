"""Reads the committed data of accounts, outside a transaction."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Engine, Integer, bindparam, func, select

from adapters.sql.account_tables import OUTBOX, REVOCATIONS, SESSIONS
from adapters.sql.accounts import READ_ACCOUNT
from adapters.sql.compiled import CompiledStatement
from adapters.sql.counters import READ_TIMES_OF_SUBJECT, times_by_key
from adapters.sql.id_lists import MAX_ID, is_among, possible_ids
from adapters.sql.search import SearchStatements
from adapters.sql.searchable import Searchable
from adapters.sql.sessions import READ_SESSION, SESSION_COLUMNS, to_session
from adapters.sql.transactions import read_connection
from application.ports import AccountReader, Revocation
from application.search import Page, Search
from domain.accounts import Account, Session

_SESSION_SEARCHES: Final = SearchStatements(
    Searchable(SESSION_COLUMNS, folded={}, unique=(SESSIONS.c.id,))
)
_COUNT_EMAILS = CompiledStatement(select(func.count()).select_from(OUTBOX))
_REVOCATIONS = select(*(REVOCATIONS.c[name] for name in Revocation._fields))
_LIMITED = _REVOCATIONS.order_by(REVOCATIONS.c.id).limit(bindparam("count", type_=Integer()))
_REVOCATIONS_BETWEEN = CompiledStatement(
    _LIMITED.where(REVOCATIONS.c.id > bindparam("after"), REVOCATIONS.c.id < bindparam("before"))
)
_SOME_REVOCATIONS = CompiledStatement(_LIMITED.where(is_among(REVOCATIONS.c.id, "ids")))
_REVOKED_UNTIL = CompiledStatement(
    select(func.max(REVOCATIONS.c.time)).where(REVOCATIONS.c.user_id == bindparam("user_id"))
)


class SqlAccountReader(AccountReader):
    """Reads the committed data of accounts."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def account(self, user_id: int) -> Account:
        with read_connection(self._engine) as connection:
            row = READ_ACCOUNT.row(connection, {"user_id": user_id})
        return Account(user_id) if row is None else Account(*row)

    def session(self, session_id: str) -> Session | None:
        with read_connection(self._engine) as connection:
            row = READ_SESSION.row(connection, {"session_id": session_id})
        return None if row is None else to_session(row)

    def sessions(self, search: Search) -> Page[Session]:
        with read_connection(self._engine) as connection:
            return _SESSION_SEARCHES.page(connection, search, to_session)

    def times_of_subject(self, subject: str) -> Mapping[str, Sequence[datetime]]:
        with read_connection(self._engine) as connection:
            return times_by_key(READ_TIMES_OF_SUBJECT.rows(connection, {"of_subject": subject}))

    def waiting_emails(self) -> int:
        with read_connection(self._engine) as connection:
            row = _COUNT_EMAILS.row(connection, {})
        assert row is not None
        return int(row[0])

    def revocations(
        self, *, after: int, before: int | None = None, also: Collection[int] = (), limit: int
    ) -> Sequence[Revocation]:
        earlier = [each for each in possible_ids(also) if each <= after]
        with read_connection(self._engine) as connection:
            rows = []
            if earlier:
                rows = _SOME_REVOCATIONS.rows(connection, {"ids": earlier, "count": limit})
            if len(rows) < limit:
                end = MAX_ID if before is None else before
                values = {"after": after, "before": end, "count": limit - len(rows)}
                rows = [*rows, *_REVOCATIONS_BETWEEN.rows(connection, values)]
        return [Revocation(*row) for row in rows]

    def tokens_revoked_until(self, user_id: int) -> datetime | None:
        with read_connection(self._engine) as connection:
            row = _REVOKED_UNTIL.row(connection, {"user_id": user_id})
        return None if row is None else row[0]
