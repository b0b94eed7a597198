"""The outbox in a transaction."""

from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, delete, insert, select, update

from adapters.sql.account_tables import OUTBOX, certify_account
from adapters.sql.compiled import CompiledStatement
from adapters.sql.connection import RawConnection
from adapters.sql.expired_rows import ExpiredRows
from application.ports import Outbox
from domain.accounts import Template, WaitingEmail
from domain.text import email_key

_COLUMNS: Final = [OUTBOX.c[name] for name in WaitingEmail._fields]
_ADDED: Final = tuple(name for name in OUTBOX.c.keys() if name != "id")  # noqa: SIM118
_ADD = CompiledStatement(insert(OUTBOX).values({name: bindparam(name) for name in _ADDED}))
# Skips an email that another worker claims at the same time.
_LOCK_DUE = CompiledStatement(
    select(*_COLUMNS)
    .where(OUTBOX.c.due_time <= bindparam("now"))
    .order_by(OUTBOX.c.due_time, OUTBOX.c.id)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_HAS_ID = OUTBOX.c.id == bindparam("email_id")
_CLAIM = CompiledStatement(
    update(OUTBOX)
    .where(_HAS_ID)
    .values(attempts=bindparam("attempts"), due_time=bindparam("due_time"))
)
_POSTPONE = CompiledStatement(update(OUTBOX).where(_HAS_ID).values(due_time=bindparam("due_time")))
_REMOVE = CompiledStatement(delete(OUTBOX).where(_HAS_ID))
_OF_USER = OUTBOX.c.user_id == bindparam("of_user")
_REMOVE_OF_USER = CompiledStatement(delete(OUTBOX).where(_OF_USER))
_WITH_LINK: Final = [str(template) for template in Template if template.purpose]
_REMOVE_WITH_LINK = CompiledStatement(
    delete(OUTBOX).where(
        _OF_USER,
        OUTBOX.c.template.in_([bindparam(f"template_{name}", name) for name in _WITH_LINK]),
    )
)
_REMOVE_OF_ADDRESS = CompiledStatement(
    delete(OUTBOX).where(OUTBOX.c.address_key == bindparam("of_address"))
)
_OVERDUE = ExpiredRows(OUTBOX.c.due_time)


class SqlOutbox(Outbox):
    """The outbox in an open transaction."""

    def __init__(self, connection: RawConnection) -> None:
        self._connection = connection

    def add(self, email: WaitingEmail, *, at: datetime) -> None:
        if email.user_id is not None:
            certify_account(self._connection, email.user_id)
        row = email._asdict()
        row |= {
            "template": str(email.template),
            "address_key": email_key(email.address),
            "due_time": at,
        }
        _ADD.execute(self._connection, row)

    def claim(self, now: datetime, *, until: datetime) -> WaitingEmail | None:
        row = _LOCK_DUE.row(self._connection, {"now": now})
        if row is None:
            return None
        email = WaitingEmail(*row)
        attempts = email.attempts + 1
        values = {"email_id": email.id, "attempts": attempts, "due_time": until}
        _CLAIM.execute(self._connection, values)
        return email._replace(template=Template(email.template), attempts=attempts)

    def postpone(self, email_id: int, *, until: datetime) -> None:
        _POSTPONE.execute(self._connection, {"email_id": email_id, "due_time": until})

    def remove(self, email_id: int) -> None:
        _REMOVE.execute(self._connection, {"email_id": email_id})

    def remove_of_user(self, user_id: int, *, with_link_only: bool = False) -> None:
        certify_account(self._connection, user_id)
        statement = _REMOVE_WITH_LINK if with_link_only else _REMOVE_OF_USER
        statement.execute(self._connection, {"of_user": user_id})

    def remove_of_address(self, email_key: str) -> None:
        _REMOVE_OF_ADDRESS.execute(self._connection, {"of_address": email_key})

    def delete_overdue(self, until: datetime) -> int:
        return _OVERDUE.delete_some(self._connection, until)
