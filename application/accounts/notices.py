"""Emails in the outbox, which are stored in the unit of work that causes them."""

from uuid import uuid4

from application.ports import UnitOfWork
from domain.accounts import Template, WaitingEmail
from domain.users import User


def notify(work: UnitOfWork, template: Template, user: User, *, address: str | None = None) -> None:
    """Stores an email to a user, at their present address or at another one."""
    send(work, template, address or user.email, user_id=user.id)


def send(
    work: UnitOfWork,
    template: Template,
    address: str,
    *,
    user_id: int | None = None,
    name: str | None = None,
) -> None:
    """Stores an email. `name` is that of the user whom a sign-up will create."""
    work.accounts.outbox.add(
        WaitingEmail(0, template, user_id, address, name, uuid4().hex, work.now), at=work.now
    )
