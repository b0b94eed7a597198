"""Limits on guessing passwords, and on emails that unauthenticated requests cause.

The times of wrong passwords are counted for an address from a network, for a network, and for an
address. Unknown addresses are counted in the same way, so that a block reveals nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum
from hashlib import sha256
from math import ceil
from typing import Final, NamedTuple

from application.accounts.errors import TooManyFailures
from application.ports import UnitOfWork

LIMIT_FACTOR: Final = 10
"""The limits of a network and of an address, as a multiple of the limit of both together."""
MAX_EMAILS: Final = 5
"""The number of emails that unauthenticated requests may send to one address in EMAIL_WINDOW.

Requests of users for a new address may send as many again. So no one can flood an address.
The requests of each kind for one address have the same limit. So no one can fill the outbox with
emails that are discarded.
"""
EMAIL_WINDOW: Final = timedelta(hours=1)
KNOWN_FOR: Final = timedelta(days=30)
"""A network is known to a user for this long after a login from it."""


def address_digest(email_key: str) -> str:
    """Returns the subject of the wrong passwords for an address.

    The database does not have the address.
    """
    return sha256(email_key.encode()).hexdigest()


def _emails_digest(email_key: str) -> str:
    """Returns the subject of the emails and requests that are counted for an address."""
    return _key("emails", email_key)


def _key(kind: str, *parts: str) -> str:
    return sha256("\0".join((kind, *parts)).encode()).hexdigest()


class Attempt(NamedTuple):
    """An attempt to log in: the key of the address, and the network of the client."""

    email_key: str
    network: str


class _Limit(Enum):
    BOTH = "both"
    NETWORK = "network"
    ADDRESS = "address"


class EmailCounter(Enum):
    """The counters of an address: the emails that are sent, or the requests of one kind."""

    SENT = "email"
    BY_USERS = "email by users"
    SIGNUPS = "sign-up"
    RECOVERIES = "recovery"


class GuessingLimits:
    """Counts wrong passwords, and blocks further attempts."""

    def __init__(self, failures: int, window: timedelta) -> None:
        self._window = window
        self._max_failures = {
            _Limit.BOTH: failures,
            _Limit.NETWORK: LIMIT_FACTOR * failures,
            _Limit.ADDRESS: LIMIT_FACTOR * failures,
        }

    def check(
        self, work: UnitOfWork, attempt: Attempt, *, user_id: int | None, lock: bool = False
    ) -> None:
        """Raises TooManyFailures if the attempt is blocked.

        `user_id` is the user with the address, if there is one. The limit of the address does not
        apply to a network from which the user has logged in before. A session does not make a
        network known, because its token may be stolen. `lock`: no other unit can count failures
        meanwhile.
        """
        is_known = work.accounts.accounts.knows_network(
            user_id or 0, attempt.network, since=work.now - KNOWN_FOR
        )
        keys = _keys(attempt)
        counters = work.accounts.counters
        times = (counters.lock if lock else counters.read)(keys.values())
        waits = [
            self._wait(limit, times.get(key, ()), work.now)
            for limit, key in keys.items()
            if not (is_known and limit is _Limit.ADDRESS)
        ]
        if wait := max(waits):
            raise TooManyFailures(wait)

    def count_failure(self, work: UnitOfWork, attempt: Attempt) -> bool:
        """Counts a wrong password. Returns True if the address is blocked from now on."""
        keys = _keys(attempt)
        counters = work.accounts.counters
        stored = counters.lock(keys.values())
        is_blocked = False
        for limit, key in keys.items():
            times = [*self._recent(stored.get(key, ()), work.now), work.now]
            subject = None if limit is _Limit.NETWORK else address_digest(attempt.email_key)
            maximum = self._max_failures[limit]
            counters.save(key, times[-maximum:], subject=subject, expiry=work.now + self._window)
            is_blocked |= limit is not _Limit.NETWORK and len(times) == maximum
        return is_blocked

    def reset(self, work: UnitOfWork, attempt: Attempt) -> None:
        """Deletes the wrong passwords for the address from the network."""
        work.accounts.counters.remove([_keys(attempt)[_Limit.BOTH]])

    def blocked_until(
        self, email_key: str, times: Mapping[str, Sequence[datetime]], now: datetime
    ) -> datetime | None:
        """Returns the time until which the address is blocked from at least one network, or None.

        `times` are those of the wrong passwords for the address, by their keys.
        """
        ends = []
        for key, of_key in times.items():
            limit = _Limit.ADDRESS if key == _address_key(email_key) else _Limit.BOTH
            recent, maximum = self._recent(of_key, now), self._max_failures[limit]
            if len(recent) >= maximum:
                ends.append(recent[-maximum] + self._window)
        return max(ends, default=None)

    def _recent(self, times: Iterable[datetime], now: datetime) -> Sequence[datetime]:
        return [time for time in times if time > now - self._window]

    def _wait(self, limit: _Limit, times: Iterable[datetime], now: datetime) -> int:
        """Returns the seconds until there are fewer failures than the limit, or 0."""
        recent, maximum = self._recent(times, now), self._max_failures[limit]
        if len(recent) < maximum:
            return 0
        return max(1, ceil((recent[-maximum] + self._window - now).total_seconds()))


def _address_key(email_key: str) -> str:
    """Returns the key of the wrong passwords for an address, from all networks."""
    return _key("address", email_key)


def _email_counter(email_key: str, counter: EmailCounter) -> str:
    """Returns the key of the emails or requests that are counted for an address."""
    return _key(counter.value, email_key)


def _keys(attempt: Attempt) -> dict[_Limit, str]:
    return {
        _Limit.BOTH: _key("both", attempt.email_key, attempt.network),
        _Limit.NETWORK: _key("network", attempt.network),
        _Limit.ADDRESS: _address_key(attempt.email_key),
    }


def count_email(work: UnitOfWork, email_key: str) -> bool:
    """Counts an email that a user's request for a new address causes.

    Returns False if it is over MAX_EMAILS. The caller does not send it then.
    """
    return _count(work, email_key, {EmailCounter.BY_USERS: True})[0]


def count_request(
    work: UnitOfWork, email_key: str, requests: EmailCounter, *, sends: bool = True
) -> tuple[bool, bool]:
    """Counts an unauthenticated request, and the email that it causes, unless `sends` is False.

    Returns whether the request and the email are within MAX_EMAILS. Each is counted separately,
    because a request may send no email. All requests within MAX_EMAILS take the same time.
    """
    is_within, is_email_within = _count(work, email_key, {requests: True, EmailCounter.SENT: sends})
    return is_within, is_email_within


def _count(
    work: UnitOfWork, email_key: str, counted: Mapping[EmailCounter, bool]
) -> Sequence[bool]:
    """Returns which counters of an address are below MAX_EMAILS, and adds the time to those.

    A counter whose value is False is stored unchanged. If the first has reached MAX_EMAILS, all
    have.
    """
    counters = work.accounts.counters
    keys = {_email_counter(email_key, each): adds for each, adds in counted.items()}
    stored = counters.lock(keys)
    start = work.now - EMAIL_WINDOW
    recent = {key: [time for time in stored.get(key, ()) if time > start] for key in keys}
    within = [len(times) < MAX_EMAILS for times in recent.values()]
    if not within[0]:
        return [False for _ in keys]
    expiry, subject = work.now + EMAIL_WINDOW, _emails_digest(email_key)
    for (key, times), is_within in zip(recent.items(), within, strict=True):
        added = [work.now] if is_within and keys[key] else []
        counters.save(key, [*times, *added], subject=subject, expiry=expiry)
    return within


def lock_signups(work: UnitOfWork, email_key: str) -> None:
    """Waits for other units that lock the sign-ups with an address, until they end."""
    work.accounts.counters.lock([_email_counter(email_key, EmailCounter.SIGNUPS)])


def forget_failures(work: UnitOfWork, email_key: str) -> None:
    """Deletes the wrong passwords for an address. The emails to it are still counted."""
    work.accounts.counters.remove_of_subject(address_digest(email_key))


def forget_address(work: UnitOfWork, email_key: str) -> None:
    """Deletes the wrong passwords for an address, and the numbers of the emails to it."""
    forget_failures(work, email_key)
    work.accounts.counters.remove_of_subject(_emails_digest(email_key))
