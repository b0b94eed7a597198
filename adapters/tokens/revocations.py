"""Holds the revocations of access tokens that may still be valid, for this process."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Lock
from time import monotonic
from typing import Final

import structlog

from adapters.tokens.issuer import milliseconds
from application.access import InvalidToken, SessionClaims
from application.deadlines import deadline, time_left
from application.ports import AccountReader, Clock, Unavailable

REFRESH_SECONDS: Final = 2.0
"""The minimum number of seconds between two reads."""
MAX_AGE: Final = 5.0
"""The number of seconds after which the revocations are too old to verify a token."""
_READ_SECONDS: Final = 3.0
_GAP_SECONDS: Final = 900.0
_MOST_GAPS: Final = 500
_GAPS_BEFORE_FIRST: Final = 100
_PAGE: Final = 1000
_CLEANUP_SECONDS: Final = 60.0
LONGEST_TTL: Final = timedelta(hours=1)
"""The longest lifetime of an access token."""

_log = structlog.get_logger("roster.tokens")


class Revocations:
    """Rejects tokens of ended sessions, and older tokens of users whose role changed.

    One thread reads the new revocations, at most every REFRESH_SECONDS, and the others use those
    of the last read. Every decision uses revocations that were read at most MAX_AGE ago.

    Units of work commit in any order, so a missing id is read again for 15 minutes. `leeway` is
    the number of seconds for which an expired token is still accepted. `clock` measures ages, and
    `now` returns the current time.
    """

    def __init__(
        self,
        reader: AccountReader,
        *,
        leeway: float,
        clock: Callable[[], float] = monotonic,
        now: Clock = lambda: datetime.now(UTC),
    ) -> None:
        self._reader = reader
        self._retention = LONGEST_TTL + timedelta(seconds=leeway + _GAP_SECONDS)
        self._clock = clock
        self._now = now
        self._lock = Lock()
        self._read_at = self._tried_at = self._cleaned_at = float("-inf")
        self._last_id = 0
        self._gaps: dict[int, float] = {}
        self._sessions: dict[str, int] = {}
        self._users: dict[int, int] = {}

    def check(self, session: SessionClaims) -> None:
        """Raises InvalidToken if the token is revoked, Unavailable if that cannot be known now."""
        if self._clock() - self._tried_at >= REFRESH_SECONDS:
            self._refresh()
        if self._clock() - self._read_at > MAX_AGE:
            self._wait()
        if session.session_id in self._sessions or (
            session.issue_time <= self._users.get(session.user_id, -1)
        ):
            raise InvalidToken("The session of the token has ended, or its user has changed.")

    def _refresh(self) -> None:
        """Reads the new revocations, unless another thread does it now."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            self._read_if_due()
        finally:
            self._lock.release()

    def _wait(self) -> None:
        """Waits for a read in progress. Raises Unavailable if the revocations are too old."""
        left = time_left()
        seconds = _READ_SECONDS if left is None else min(_READ_SECONDS, left)
        if self._lock.acquire(timeout=seconds):
            try:
                self._read_if_due()
            finally:
                self._lock.release()
        if self._clock() - self._read_at > MAX_AGE:
            raise Unavailable("Ended sessions cannot be looked up. Try again later.")

    def _read_if_due(self) -> None:
        started = self._clock()
        if started - self._tried_at < REFRESH_SECONDS:
            return
        self._tried_at = started
        try:
            with deadline(_READ_SECONDS):
                self._read(started)
        except Unavailable as error:
            _log.warning("revocations not read", reason=error.explanation)
            return
        self._read_at = started
        if started - self._cleaned_at >= _CLEANUP_SECONDS:
            self._cleaned_at = started
            self._clean_up()

    def _read(self, started: float) -> None:
        gaps = {each: since for each, since in self._gaps.items() if started - since < _GAP_SECONDS}
        self._gaps = dict(sorted(gaps.items())[-_MOST_GAPS:])
        also: tuple[int, ...] = tuple(self._gaps)
        while True:
            revocations = self._reader.revocations(after=self._last_id, also=also, limit=_PAGE)
            for each in revocations:
                time = milliseconds(each.time)
                if each.session_id is not None:
                    self._sessions[each.session_id] = time
                if each.user_id is not None:
                    self._users[each.user_id] = max(time, self._users.get(each.user_id, -1))
                self._note(each.id, started)
            if len(revocations) < _PAGE:
                return
            also = tuple(each for each in also if each > revocations[-1].id)

    def _note(self, number: int, started: float) -> None:
        """Notes the ids between the last one and this one as gaps."""
        self._gaps.pop(number, None)
        if number <= self._last_id:
            return
        most = _MOST_GAPS if self._last_id else _GAPS_BEFORE_FIRST
        for missing in range(max(self._last_id + 1, number - most, 1), number):
            self._gaps[missing] = started
        self._last_id = number

    def _clean_up(self) -> None:
        """Removes the revocations of tokens that have expired."""
        until = milliseconds(self._now() - self._retention)
        self._sessions = {each: time for each, time in self._sessions.items() if time > until}
        self._users = {each: time for each, time in self._users.items() if time > until}
