"""Delivery of the emails in the outbox.

The outbox has no links, because the database must not contain their tokens. So each attempt creates
a link of its own. An email remains in the outbox until the mail server has accepted it. If the
process ends before it is removed, it is sent again when its lease has expired.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Final, NamedTuple

from application.accounts.counts import ResultCounts
from application.accounts.sessions import digest
from application.accounts.users import find_user
from application.deadlines import deadline
from application.ports import (
    Context,
    Mailer,
    MailFailed,
    OutgoingEmail,
    RandomTokens,
    UnitOfWork,
    UnitRunner,
)
from domain.accounts import EmailedLink, Purpose, Template, WaitingEmail
from domain.users import User

LEASE: Final = timedelta(seconds=60)
"""An email that was claimed is not claimed again for this time. An attempt must take less."""
_MAX_DELAY: Final = timedelta(minutes=5)
_MAX_WAIT: Final = timedelta(days=1)
_DOUBLINGS: Final = 9
"""2 to this power is more seconds than the longest delay."""
_UNIT_SECONDS: Final = 10.0
DISCARDED_AT_ONCE: Final = 100
"""The number of emails that a unit of work discards at most, so that it ends in time.

Anyone can request recoveries for many unknown addresses, whose emails are discarded.
"""

SENT: Final = "sent"
RETRIED: Final = "retried"
FAILED: Final = "failed"


def delivery_counts() -> ResultCounts:
    """Returns counts of attempts: sent, retried (will be tried again) or failed (given up)."""
    return ResultCounts(SENT, RETRIED, FAILED)


class ClaimedEmail(NamedTuple):
    """An email that no other worker sends until its lease expires.

    `digest` is that of its link; None if it has none. `age` is the time since it was stored.
    """

    waiting: WaitingEmail
    outgoing: OutgoingEmail
    digest: bytes | None
    age: timedelta


class Delivery:
    """Sends the emails of the outbox. Several threads may use it.

    `link_ttl` returns the lifetime of a link.
    """

    def __init__(
        self,
        run: UnitRunner,
        mailer: Mailer,
        tokens: RandomTokens,
        link_ttl: Callable[[Purpose], timedelta],
        counts: ResultCounts | None = None,
    ) -> None:
        self._run = run
        self._mailer = mailer
        self._tokens = tokens
        self._link_ttl = link_ttl
        self.counts = counts or delivery_counts()

    def send_next(self) -> bool:
        """Sends the next email that is due. Returns False if no email is due.

        Raises the errors of `claim` and `send`.
        """
        email = self.claim()
        if email is None:
            return False
        self.send(email)
        return True

    def claim(self) -> ClaimedEmail | None:
        """Claims the next email that is due, with a new link. Returns None if no email is due.

        Deletes emails to users that do not exist. Raises Unavailable.
        """
        may_be_due = True
        email = None
        while may_be_due and email is None:
            with deadline(_UNIT_SECONDS):
                email, may_be_due = self._run(Context(), self._claim)
        return email

    def send(self, email: ClaimedEmail) -> None:
        """Sends a claimed email and deletes it.

        Raises MailFailed after a failed attempt, which was scheduled again. Raises Unavailable if
        the result cannot be stored; the email is then sent again.
        """
        try:
            self._mailer.send(email.outgoing)
        except Exception as error:
            is_certain = isinstance(error, MailFailed) and error.is_certain
            self._store_failure(email, is_certain=is_certain)
            raise
        self.counts.add(SENT)
        self._remove(email)

    def _claim(self, work: UnitOfWork) -> tuple[ClaimedEmail | None, bool]:
        """Claims an email. Also returns False if no other one is due."""
        outbox = work.accounts.outbox
        for _ in range(DISCARDED_AT_ONCE):
            waiting = outbox.claim(work.now, until=work.now + LEASE)
            if waiting is None:
                return None, False
            user = None if waiting.user_id is None else find_user(work, waiting.user_id)
            if user is not None or waiting.template is Template.SIGNUP:
                return self._with_link(work, waiting, user), True
            outbox.remove(waiting.id)
        return None, True

    def _with_link(
        self, work: UnitOfWork, waiting: WaitingEmail, user: User | None
    ) -> ClaimedEmail:
        token = token_digest = None
        if purpose := waiting.template.purpose:
            token = self._tokens.link_token()
            token_digest = digest(token)
            work.accounts.links.add(
                EmailedLink(
                    digest=token_digest,
                    purpose=purpose,
                    user_id=waiting.user_id,
                    email=waiting.address,
                    name=waiting.name,
                    creation_time=work.now,
                    expiry_time=work.now + self._link_ttl(purpose),
                )
            )
        outgoing = OutgoingEmail(waiting.template, waiting.address, waiting.message_id, user, token)
        return ClaimedEmail(waiting, outgoing, token_digest, work.now - waiting.creation_time)

    def _remove(self, email: ClaimedEmail) -> None:
        def unit(work: UnitOfWork) -> None:
            work.accounts.outbox.remove(email.waiting.id)

        with deadline(_UNIT_SECONDS):
            self._run(Context(), unit)

    def _store_failure(self, email: ClaimedEmail, *, is_certain: bool) -> None:
        """Schedules the next attempt, or deletes the email after one day.

        If the email was certainly not sent, also deletes its link.
        """
        waiting = email.waiting

        def unit(work: UnitOfWork) -> str:
            if is_certain and email.digest is not None:
                work.accounts.links.remove(email.digest)
            if work.now - waiting.creation_time >= _MAX_WAIT:
                work.accounts.outbox.remove(waiting.id)
                return FAILED
            delay = _delay(waiting.attempts)
            work.accounts.outbox.postpone(waiting.id, until=work.now + delay)
            return RETRIED

        with deadline(_UNIT_SECONDS):
            self.counts.add(self._run(Context(), unit))


def _delay(attempts: int) -> timedelta:
    """Returns the time until the next attempt: 1 s, 2 s, 4 s, … 5 min."""
    doublings = min(max(attempts, 1) - 1, _DOUBLINGS)
    return min(timedelta(seconds=2**doublings), _MAX_DELAY)
