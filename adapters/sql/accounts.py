"""The data of accounts in a transaction."""

from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, delete, select, update

from adapters.sql.account_tables import ACCOUNTS, LOGIN_NETWORKS
from adapters.sql.compiled import CompiledStatement
from adapters.sql.connection import RawConnection
from adapters.sql.counters import SqlCounters
from adapters.sql.emailed_links import SqlEmailedLinks
from adapters.sql.expired_rows import ExpiredRows
from adapters.sql.outbox import SqlOutbox
from adapters.sql.sessions import SqlSessions
from adapters.sql.upsert import Upsert
from adapters.sql.users import USERS
from application.ports import AccountRecords, Accounts
from domain.accounts import Account

_COLUMNS: Final = [ACCOUNTS.c[name] for name in Account._fields]
_BY_USER = select(*_COLUMNS).where(ACCOUNTS.c.user_id == bindparam("user_id"))
READ_ACCOUNT: Final = CompiledStatement(_BY_USER)
"""Selects an account without a lock."""
_LOCK = CompiledStatement(_BY_USER.with_for_update())
_PASSWORD_HASH = CompiledStatement(
    select(ACCOUNTS.c.password_hash).where(ACCOUNTS.c.user_id == bindparam("user_id"))
)
# Lets other transactions insert rows that refer to the user.
_LOCK_USER = CompiledStatement(
    select(USERS.c.id).where(USERS.c.id == bindparam("user_id")).with_for_update(key_share=True)
)
_ADD = Upsert(ACCOUNTS)
_CHANGE = CompiledStatement(
    update(ACCOUNTS)
    .where(ACCOUNTS.c.user_id == bindparam("of_user"))
    .values({name: bindparam(name) for name in Account._fields if name != "user_id"})
)
_REMEMBER_NETWORK = Upsert(LOGIN_NETWORKS)
_KNOWS_NETWORK = CompiledStatement(
    select(LOGIN_NETWORKS.c.login_time).where(
        LOGIN_NETWORKS.c.user_id == bindparam("user_id"),
        LOGIN_NETWORKS.c.network == bindparam("network"),
        LOGIN_NETWORKS.c.login_time >= bindparam("since"),
    )
)
_REMOVE = CompiledStatement(delete(ACCOUNTS).where(ACCOUNTS.c.user_id == bindparam("of_user")))
_REMOVE_NETWORKS = CompiledStatement(
    delete(LOGIN_NETWORKS).where(LOGIN_NETWORKS.c.user_id == bindparam("of_user"))
)
_OLD_NETWORKS = ExpiredRows(LOGIN_NETWORKS.c.login_time)


class SqlAccounts(Accounts):
    """The login data in an open transaction."""

    def __init__(self, connection: RawConnection) -> None:
        self._connection = connection

    def get(self, user_id: int) -> Account:
        """Locks the user instead of an account that was never saved.

        On SQLite, the transaction excludes all others.
        """
        values = {"user_id": user_id}
        row = _LOCK.row(self._connection, values)
        if row is None and self._connection.dialect.name != "sqlite":
            if _LOCK_USER.row(self._connection, values) is None:
                return Account(user_id)
            row = _LOCK.row(self._connection, values)  # it may have been saved meanwhile
        return Account(user_id) if row is None else Account(*row)

    def password_hash(self, user_id: int) -> str | None:
        row = _PASSWORD_HASH.row(self._connection, {"user_id": user_id})
        return None if row is None else row[0]

    def save(self, account: Account) -> None:
        """An update locks no user, unlike an insertion, whose foreign key is checked."""
        row = account._asdict()
        if not _CHANGE.execute(self._connection, {**row, "of_user": account.user_id}):
            _ADD(self._connection, row)

    def remember_network(self, user_id: int, network: str, *, at: datetime) -> None:
        row = {"user_id": user_id, "network": network, "login_time": at}
        _REMEMBER_NETWORK(self._connection, row)

    def knows_network(self, user_id: int, network: str, *, since: datetime) -> bool:
        values = {"user_id": user_id, "network": network, "since": since}
        return _KNOWS_NETWORK.row(self._connection, values) is not None

    def remove(self, user_id: int) -> None:
        _REMOVE_NETWORKS.execute(self._connection, {"of_user": user_id})
        _REMOVE.execute(self._connection, {"of_user": user_id})

    def forget_networks(self, until: datetime) -> int:
        return _OLD_NETWORKS.delete_some(self._connection, until)


class SqlAccountRecords(AccountRecords):
    """The data of accounts in an open transaction."""

    __slots__ = ("_connection",)

    def __init__(self, connection: RawConnection) -> None:
        self._connection = connection

    @property
    def accounts(self) -> SqlAccounts:
        return SqlAccounts(self._connection)

    @property
    def sessions(self) -> SqlSessions:
        return SqlSessions(self._connection)

    @property
    def links(self) -> SqlEmailedLinks:
        return SqlEmailedLinks(self._connection)

    @property
    def outbox(self) -> SqlOutbox:
        return SqlOutbox(self._connection)

    @property
    def counters(self) -> SqlCounters:
        return SqlCounters(self._connection)
