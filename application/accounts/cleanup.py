"""Deletes the data of accounts that has ended or expired.

Each function deletes a bounded number of rows in a unit of work, and returns their number. Several
workers may run them at the same time, because each skips the rows that another one has locked.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from application.accounts.guessing import KNOWN_FOR
from application.accounts.notices import PRECEDENCE
from application.ports import UnitOfWork

Cleanup = Callable[[UnitOfWork], int]

REVOCATIONS_REMAIN_FOR: Final = timedelta(hours=2)
"""Longer than an access token is valid, with its leeway and the time of the slowest commit."""
UNSENT_FOR: Final = timedelta(days=7) + PRECEDENCE
"""A sender tries each email for one day. An email that is overdue for longer has no sender."""


def _expired_sessions(work: UnitOfWork) -> int:
    return work.accounts.sessions.delete_expired(work.now)


def _old_revocations(work: UnitOfWork) -> int:
    return work.accounts.sessions.delete_revocations(work.now - REVOCATIONS_REMAIN_FOR)


def _expired_links(work: UnitOfWork) -> int:
    return work.accounts.links.delete_expired(work.now)


def _unsent_emails(work: UnitOfWork) -> int:
    return work.accounts.outbox.delete_overdue(work.now - UNSENT_FOR)


def _expired_counters(work: UnitOfWork) -> int:
    return work.accounts.counters.delete_expired(work.now)


def _old_networks(work: UnitOfWork) -> int:
    return work.accounts.accounts.forget_networks(work.now - KNOWN_FOR)


CLEANUPS: Final[tuple[Cleanup, ...]] = (
    _expired_sessions,
    _old_revocations,
    _expired_links,
    _unsent_emails,
    _expired_counters,
    _old_networks,
)
