"""The table of users, and the users in it."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Engine,
    Identity,
    Index,
    Integer,
    Table,
    UniqueConstraint,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from adapters.sql.bulk import Bulk, Inserter, inserter
from adapters.sql.columns import PREFIX_LENGTH, BigIntId, IndexedPrefix, Timestamp, text
from adapters.sql.compiled import CompiledStatement
from adapters.sql.connection import RawConnection
from adapters.sql.dialects.postgresql_copy import ByteWriter, copy_out
from adapters.sql.engine import is_exclusive
from adapters.sql.failures import VIOLATIONS, translate_errors, violated_constraint
from adapters.sql.metadata import METADATA
from adapters.sql.search import Overridden, Searchable
from adapters.sql.transactions import read_connection
from application.audit import AuditLog
from application.ports import ConcurrentUpdate, UserReader, Users
from application.search import Page, Search
from application.users import AUDITED_USERS
from domain.text import email_key, fold
from domain.users import (
    EMAIL_LENGTH,
    NAME_LENGTH,
    ROLE_LENGTH,
    EmailTaken,
    NewUser,
    User,
    UserNotFound,
)

USERS = Table(
    "users",
    METADATA,
    Column("id", BigIntId, Identity(always=False), primary_key=True),
    Column("email", text(EMAIL_LENGTH), nullable=False),
    Column("email_key", text(EMAIL_LENGTH), nullable=False),
    Column("name", text(NAME_LENGTH), nullable=False),
    Column("name_key", text(), nullable=False),  # folding makes up to 18 characters out of one
    Column("is_active", Boolean, nullable=False),
    Column("role", text(ROLE_LENGTH), nullable=False),
    Column("creation_time", Timestamp, nullable=False),
    Column("update_time", Timestamp, nullable=False),
    Column("version", Integer, nullable=False),
    # The folded email, null where it equals the key. The release before does not write it.
    Column("email_folded", text(EMAIL_LENGTH)),
    UniqueConstraint("email_key"),
    Index(None, "email", "id"),
    Index(None, "name", "id"),
    Index(None, "is_active", "id"),
    Index(None, "role", "id"),
    Index(None, "creation_time", "id"),
    Index(None, "update_time", "id"),
    sqlite_autoincrement=True,  # or the id of the last user would be given again
    mariadb_engine="InnoDB",
    mariadb_default_charset="utf8mb4",
    mariadb_collate="utf8mb4_nopad_bin",
)
# Ties are broken by ascending id. No two users have one email, so that it needs none.
for _name in ("name", "is_active", "role", "creation_time", "update_time"):
    Index(f"ix_users_{_name}_desc_id", USERS.c[_name].desc(), USERS.c.id)
Index("ix_users_name_key", IndexedPrefix(USERS.c.name_key), mariadb_length=PREFIX_LENGTH)
_UNEQUAL = USERS.c.email_folded.is_not(None)
Index(
    "ix_users_email_folded",
    USERS.c.email_folded,
    postgresql_where=_UNEQUAL,
    sqlite_where=_UNEQUAL,
)
_EMAIL_IS_HELD = {"uq_users_email_key", "users.email_key"}

_FIELDS = User._fields
_GIVEN = tuple(field.name for field in fields(NewUser))
_given = attrgetter(*_GIVEN)
_COLUMNS = tuple(USERS.c[name] for name in _FIELDS)
_FORMS_OF_EMAIL = ("email_key", "email_folded")
_WRITTEN: Mapping[str, Any] = {
    name: bindparam(name) for name in (*_FIELDS, *_FORMS_OF_EMAIL, "name_key") if name != "id"
}
_BY_ID = select(*_COLUMNS).where(USERS.c.id == bindparam("user_id"))
_ADD = CompiledStatement(insert(USERS).values(_WRITTEN).returning(USERS.c.id))
_GET = CompiledStatement(_BY_ID)
_HOLD = CompiledStatement(_BY_ID.with_for_update())
_HOLDERS = select(*_COLUMNS).where(USERS.c.email_key.in_(bindparam("keys", expanding=True)))
_HOLD_HOLDERS = _HOLDERS.with_for_update()
_AS_EXPECTED = (USERS.c.id == bindparam("user_id")) & (USERS.c.version == bindparam("expected"))
_SAVE = CompiledStatement(update(USERS).where(_AS_EXPECTED).values(_WRITTEN))
# Of two users with one mailbox, as releases before 0008 allowed, one has an outdated key. It must
# not get the other's key when something else about it changes.
_SAVE_KEEPING_EMAIL = CompiledStatement(
    update(USERS)
    .where(_AS_EXPECTED)
    .values({name: value for name, value in _WRITTEN.items() if not name.startswith("email")})
)
_REMOVE = CompiledStatement(delete(USERS).where(_AS_EXPECTED))

_SEARCHABLE = Searchable(
    columns=_COLUMNS,
    keys={"email_key": USERS.c.email_key},
    folded={
        "email": Overridden(USERS.c.email_key, by=USERS.c.email_folded),
        "name": USERS.c.name_key,
        "role": USERS.c.role,
    },
    beginnings={"name": IndexedPrefix(USERS.c.name_key)},
    unique=(USERS.c.id, USERS.c.email_key),
)
_ADDED = (*_GIVEN, "creation_time", "update_time", "version", "email_key", "name_key")


def _bulk(*names: str) -> Bulk:
    return Bulk(
        [USERS.c[name] for name in names],
        id_column=USERS.c.id,
        key=USERS.c.email_key,
        held=_EMAIL_IS_HELD,
    )


_BULK = _bulk(*_ADDED)
_BULK_FOLDED = _bulk(*_ADDED, "email_folded")
_LARGEST_ID = 2**63 - 1


class SqlUsers(Users):
    """The users of a transaction that is open."""

    def __init__(self, connection: RawConnection, trail: AuditLog, *, for_update: bool) -> None:
        self._connection = connection
        self._trail = trail
        self._adding: dict[Bulk, Inserter] = {}
        self._select = _HOLD if for_update else _GET
        self._select_holders = _HOLD_HOLDERS if for_update else _HOLDERS

    def add(self, new: NewUser, *, at: datetime) -> User:
        attributes = _first(new, at)
        with _HOLDING_EMAILS:
            row = _ADD.row(self._connection, {**attributes, **_keys(new)})
        assert row is not None
        user = User(id=row[0], **attributes)
        self._trail.record(AUDITED_USERS, None, user)
        return user

    def add_many(self, new: Sequence[NewUser], *, at: datetime) -> Collection[int]:
        rows = [_row(each, at) for each in new]
        bulk = _BULK
        if not "".join([row[0] for row in rows]).isascii():
            bulk = _BULK_FOLDED
            rows = [(*row, forms_of(row[0])[1]) for row in rows]
        if bulk not in self._adding:
            self._adding[bulk] = inserter(bulk, self._connection)
        ids = self._adding[bulk].add(rows)
        for position, user_id in ids.items():
            user = User._make((user_id, *_given(new[position]), at, at, 1))
            self._trail.record(AUDITED_USERS, None, user)
        return [position for position in range(len(new)) if position not in ids]

    def find_by_emails(self, emails: Collection[str]) -> Mapping[str, User]:
        keys = {"keys": [email_key(email) for email in emails]}
        rows = self._connection.execute(self._select_holders, keys)
        return {user.email_key: user for user in map(_user, rows)}

    def get(self, user_id: int) -> User:
        return _get(self._connection, self._select, user_id)

    def save(self, user: User, *, before: User) -> User:
        values = user._asdict() | _keys(user)
        which = {"user_id": user.id, "expected": before.version}
        save = _SAVE_KEEPING_EMAIL if user.email == before.email else _SAVE
        with _HOLDING_EMAILS:
            saved = save.count(self._connection, values | which)
        if not saved:
            raise ConcurrentUpdate
        self._trail.record(AUDITED_USERS, before, user)
        return user

    def remove(self, user: User) -> None:
        which = {"user_id": user.id, "expected": user.version}
        if not _REMOVE.count(self._connection, which):
            raise ConcurrentUpdate
        self._trail.record(AUDITED_USERS, user, None)


class _HoldingEmails(AbstractContextManager[None]):
    """EmailTaken where a row is refused for another's email."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, VIOLATIONS) and violated_constraint(error) in _EMAIL_IS_HELD:
            raise EmailTaken from error


_HOLDING_EMAILS = _HoldingEmails()


class SqlUserReader(UserReader):
    """The users as the last committed transactions left them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(self, user_id: int) -> User:
        with read_connection(self._engine) as connection:
            return _get(connection, _GET, user_id)

    def page(self, search: Search) -> Page[User]:
        with read_connection(self._engine) as connection:
            return _SEARCHABLE.page(connection, search, _user)


class SqlUserCopies:
    """All users as CSV by the database itself, where it can and nobody is disturbed by it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def possible(self) -> bool:
        """Whether it can."""
        return self._engine.dialect.name == "postgresql" and is_exclusive(self._engine)

    def write(self, names: Sequence[str], file: ByteWriter) -> None:
        """The attributes of those names, `id` being the first, in rows by id; see copy_out.

        The rows are those of one moment. Raises Unavailable, and what the file raises.
        """
        with translate_errors(), self._engine.connect() as connection:
            copy_out(connection, [USERS.c[name] for name in names], file)


def _get(connection: RawConnection, statement: CompiledStatement, user_id: int) -> User:
    if 0 < user_id <= _LARGEST_ID and (row := statement.row(connection, {"user_id": user_id})):
        return _user(row)
    raise UserNotFound(user_id)


def _user(row: Sequence[Any]) -> User:
    return User._make(row)


def _first(new: NewUser, at: datetime) -> dict[str, Any]:
    """The attributes of a user's first version."""
    given = {name: getattr(new, name) for name in _GIVEN}
    return {**given, "creation_time": at, "update_time": at, "version": 1}


def _row(new: NewUser, at: datetime) -> tuple[Any, ...]:
    """A user's first version as a row of _ADDED."""
    return (*_given(new), at, at, 1, email_key(new.email), fold(new.name))


def _keys(user: NewUser | User) -> dict[str, str | None]:
    """The forms by which users are found."""
    key, folded = forms_of(user.email)
    return {"email_key": key, "email_folded": folded, "name_key": fold(user.name)}


def forms_of(email: str) -> tuple[str, str | None]:
    """The key of an email, and its folded form: None where it equals the key, as in ASCII."""
    key = email_key(email)
    if email.isascii():
        return key, None
    folded = fold(email)
    return key, None if folded == key else folded
