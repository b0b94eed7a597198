"""The emailed links in a transaction."""

from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, delete, insert, select

from adapters.sql.account_tables import EMAILED_LINKS, certify_account
from adapters.sql.compiled import CompiledStatement
from adapters.sql.connection import RawConnection
from adapters.sql.expired_rows import ExpiredRows
from application.ports import EmailedLinks
from domain.accounts import EmailedLink, Purpose
from domain.text import email_key

_NAMES: Final = (*EmailedLink._fields, "email_key")
_ADD = CompiledStatement(insert(EMAILED_LINKS).values({name: bindparam(name) for name in _NAMES}))
_HAS_DIGEST = EMAILED_LINKS.c.digest == bindparam("of_digest")
_LOCK = CompiledStatement(
    select(*(EMAILED_LINKS.c[name] for name in EmailedLink._fields))
    .where(_HAS_DIGEST)
    .with_for_update()
)
_REMOVE = CompiledStatement(delete(EMAILED_LINKS).where(_HAS_DIGEST))
_REMOVE_OF_USER = CompiledStatement(
    delete(EMAILED_LINKS).where(EMAILED_LINKS.c.user_id == bindparam("of_user"))
)
_OF_ADDRESS = EMAILED_LINKS.c.email_key == bindparam("of_address")
_REMOVE_OF_ADDRESS = CompiledStatement(delete(EMAILED_LINKS).where(_OF_ADDRESS))
_REMOVE_SIGNUPS = CompiledStatement(
    delete(EMAILED_LINKS).where(_OF_ADDRESS, EMAILED_LINKS.c.user_id.is_(None))
)
_EXPIRED = ExpiredRows(EMAILED_LINKS.c.expiry_time)


class SqlEmailedLinks(EmailedLinks):
    """The emailed links in an open transaction."""

    def __init__(self, connection: RawConnection) -> None:
        self._connection = connection

    def add(self, link: EmailedLink) -> None:
        if link.user_id is not None:
            certify_account(self._connection, link.user_id)
        row = {**link._asdict(), "purpose": str(link.purpose), "email_key": email_key(link.email)}
        _ADD.execute(self._connection, row)

    def get(self, digest: bytes) -> EmailedLink | None:
        row = _LOCK.row(self._connection, {"of_digest": digest})
        if row is None:
            return None
        link = EmailedLink(*row)
        return link._replace(purpose=Purpose(link.purpose))

    def remove(self, digest: bytes) -> None:
        _REMOVE.execute(self._connection, {"of_digest": digest})

    def remove_of_user(self, user_id: int) -> None:
        certify_account(self._connection, user_id)
        _REMOVE_OF_USER.execute(self._connection, {"of_user": user_id})

    def remove_of_address(self, email_key: str, *, signups_only: bool = False) -> None:
        statement = _REMOVE_SIGNUPS if signups_only else _REMOVE_OF_ADDRESS
        statement.execute(self._connection, {"of_address": email_key})

    def delete_expired(self, until: datetime) -> int:
        return _EXPIRED.delete_some(self._connection, until)
