"""Emails in the outbox, which are stored in the unit of work that causes them."""

from datetime import timedelta
from typing import Final
from uuid import uuid4

from application.ports import UnitOfWork
from domain.accounts import Template, WaitingEmail
from domain.users import User

PRECEDENCE: Final = timedelta(days=1)
"""A new email counts as overdue by this much, so senders claim it before all overdue retries.

Anyone can sign up with many addresses that the mail server refuses, and their retries would
otherwise delay the emails of others.
"""


def notify(work: UnitOfWork, template: Template, user: User, *, address: str | None = None) -> None:
    """Stores an email to a user, at their current address or at another one."""
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
    email = WaitingEmail(
        id=0,
        template=template,
        user_id=user_id,
        address=address,
        name=name,
        message_id=uuid4().hex,
        creation_time=work.now,
    )
    work.accounts.outbox.add(email, at=work.now - PRECEDENCE)
