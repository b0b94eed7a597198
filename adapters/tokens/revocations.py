"""Holds the revocations of access tokens that may still be valid, for this process."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from threading import Lock
from time import monotonic
from typing import Final, NamedTuple

import structlog

from adapters.tokens.issuer import milliseconds
from application.access import InvalidToken, SessionClaims
from application.deadlines import deadline, time_left
from application.ports import AccountReader, Clock, Revocation, Unavailable

REFRESH_SECONDS: Final = 2.0
"""The minimum number of seconds between two reads."""
MAX_AGE_SECONDS: Final = 5.0
"""The number of seconds after which the revocations are too old to verify a token."""
_READ_SECONDS: Final = 3.0
_GAP_SECONDS: Final = 900.0
_MAX_MISSING: Final = 500
_MIN_GAP: Final = 20
"""The number of consecutive missing ids from which they are read again as a range, the gap."""
_PAGE: Final = 1000
_CLEANUP_SECONDS: Final = 60.0
MAX_TTL: Final = timedelta(hours=1)
"""The longest lifetime of an access token."""

_log = structlog.get_logger("roster.tokens")


class _Gap(NamedTuple):
    """A range of ids up to the one before `end`. Its first and last id, and others, are missing.

    `time` is that of the first read.
    """

    end: int
    time: float


class Revocations:
    """Rejects tokens of ended sessions, and older tokens of users whose role changed.

    One thread reads the new revocations, at most every REFRESH_SECONDS, and the others use those
    of the last read. Every decision uses revocations that were read in the last MAX_AGE_SECONDS.

    Units of work commit in any order, so a missing id is read again for 15 minutes. One unit can
    end thousands of sessions, so a gap of many missing ids is read again as a range, until it is
    filled. The time of a read is limited; the next read continues one that failed. `leeway` is the
    number of seconds for which an expired token is still accepted. `clock` measures ages, and `now`
    returns the current time.
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
        self._retention = MAX_TTL + timedelta(seconds=leeway + _GAP_SECONDS)
        self._clock = clock
        self._now = now
        self._lock = Lock()
        self._read_at = self._tried_at = self._cleaned_at = float("-inf")
        self._last: Revocation | None = None
        self._last_id = 0
        self._missing: dict[int, float] = {}
        self._gaps: dict[int, _Gap] = {}
        self._sessions: dict[str, int] = {}
        self._users: dict[int, int] = {}

    def check(self, session: SessionClaims) -> None:
        """Raises InvalidToken if the token is revoked, Unavailable if that cannot be known now."""
        if self._clock() - self._tried_at >= REFRESH_SECONDS:
            self._refresh()
        if self._clock() - self._read_at > MAX_AGE_SECONDS:
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
        if self._clock() - self._read_at > MAX_AGE_SECONDS:
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
        since = started - _GAP_SECONDS
        missing = sorted((each, at) for each, at in self._missing.items() if at > since)
        self._missing = dict(missing[-_MAX_MISSING:])
        self._gaps = {start: gap for start, gap in self._gaps.items() if gap.time > since}
        for start, gap in sorted(self._gaps.items()):
            self._read_gap(start, gap)
        also: Sequence[int] = tuple(self._missing)
        while True:
            page = self._reader.revocations(after=self._last_id - 1, also=also, limit=_PAGE)
            if self._last and self._last not in page:
                self._forget_ids()
                also = ()
                continue
            for each in page:
                self._add(each)
                self._note(each, started)
            if len(page) < _PAGE:
                return
            also = tuple(number for number in also if number > page[-1].id)

    def _forget_ids(self) -> None:
        """Lets the next page begin with the first revocation.

        The last one that was read has expired, or the database has lost it, because a standby or a
        backup without it took over. New revocations can then have ids that were read before.
        """
        self._last, self._last_id = None, 0
        self._missing, self._gaps = {}, {}

    def _read_gap(self, start: int, gap: _Gap) -> None:
        """Reads a gap by pages. The ids that a page still lacks become a gap of their own.

        So no page without a missing id is read again, however many revocations the gap contains.
        """
        while start < gap.end:
            page = self._reader.revocations(after=start - 1, before=gap.end, limit=_PAGE)
            for each in page:
                self._add(each)
            end = page[-1].id + 1 if len(page) == _PAGE else gap.end
            del self._gaps[start]
            self._note_gap([each.id for each in page], start, end, gap.time)
            start = end
            if start < gap.end:  # noted, because reading the next page may fail
                self._gaps[start] = gap

    def _note_gap(self, ids: Sequence[int], start: int, end: int, time: float) -> None:
        """Notes the gap from the first to the last id that is missing, if there are any."""
        for each in ids:
            if each != start:
                break
            start += 1
        for each in reversed(ids):
            if each != end - 1:
                break
            end -= 1
        if start < end:
            self._gaps[start] = _Gap(end, time)

    def _add(self, revocation: Revocation) -> None:
        time = milliseconds(revocation.time)
        if revocation.session_id is not None:
            self._sessions[revocation.session_id] = time
        if revocation.user_id is not None:
            self._users[revocation.user_id] = max(time, self._users.get(revocation.user_id, -1))

    def _note(self, revocation: Revocation, started: float) -> None:
        """Notes the ids between the last revocation and this one, which units may commit later.

        No unit takes 15 minutes. If the first revocation is older than that, nearly all ids before
        it belonged to revocations that have been deleted.
        """
        number = revocation.id
        self._missing.pop(number, None)
        if number <= self._last_id:
            return
        missing = range(self._last_id + 1, number)
        if not self._last_id and self._now() - revocation.time > timedelta(seconds=_GAP_SECONDS):
            missing = missing[1 - _MIN_GAP :]
        if len(missing) >= _MIN_GAP:
            self._gaps[missing.start] = _Gap(number, started)
        else:
            self._missing.update(dict.fromkeys(missing, started))
        self._last, self._last_id = revocation, number

    def _clean_up(self) -> None:
        """Removes the revocations of tokens that have expired."""
        until = milliseconds(self._now() - self._retention)
        self._sessions = {each: time for each, time in self._sessions.items() if time > until}
        self._users = {each: time for each, time in self._users.items() if time > until}
