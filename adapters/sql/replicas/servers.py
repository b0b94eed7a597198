"""The servers of reads: the replicas, and the primary, which shows how old they are.

A thread for each server reads its position every second, on a connection of its own. So a server
that does not respond delays no request, and neither does a pool without a free connection.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from time import monotonic, sleep
from typing import Final, TypeVar

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import TimeoutError as PoolTimeout

from adapters.sql.connection import RawConnection
from adapters.sql.connection_pool import DeadlinePool
from adapters.sql.dialects import postgresql
from adapters.sql.error_reasons import redact
from adapters.sql.failures import UnknownFailure, sqlstate
from adapters.sql.replicas.position import (
    MAX_LAG_SECONDS,
    Position,
    ReplicaState,
    position_of_primary,
    state_of_replica,
)
from adapters.sql.transactions import read_connection
from application.deadlines import deadline
from application.ports import Unavailable

T = TypeVar("T")

POLL_SECONDS: Final = 1.0
EXCLUSION_SECONDS: Final = 3.0
"""The number of seconds for which a replica that failed is not read."""
_NO_POSITION: Final = Position(0, 0)
_MAX_SAMPLES: Final = 64
_SERVER_ERROR_CODES: Final = ("08", "22012", "53", "57P", "58")
"""The beginnings of the codes of errors that other statements would get as well.

They are those of the connection, of the check in `only_on_replica`, of resources and of the system.
"""

_log = structlog.get_logger("roster.replicas")


class NotRecent(Exception):
    """The replica has not reached the required position, or is on another timeline."""


class _Polled(ABC):
    """A server whose state is read regularly."""

    def __init__(self, engine: Engine) -> None:
        self._own_engine = engine

    def watch(self) -> None:
        """Reads the state every POLL_SECONDS, forever."""
        while True:
            self.poll()
            sleep(POLL_SECONDS)

    def poll(self) -> None:
        """Reads the state once."""
        started = monotonic()
        try:
            with deadline(POLL_SECONDS), read_connection(self._own_engine) as connection:
                self._read(connection, started)
        except Exception as error:  # noqa: BLE001 (the thread must go on: the next poll may succeed)
            self._failed(error)

    @abstractmethod
    def _read(self, connection: RawConnection, started: float) -> None:
        """Reads the state. `started` is the time before the connection was opened."""

    @abstractmethod
    def _failed(self, error: Exception) -> None:
        """Handles a failure to read the state."""


class Primary(_Polled):
    """The recent positions of the primary, with their times."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._samples: tuple[tuple[float, Position], ...] = ()  # replaced, never changed

    def oldest_allowed(self) -> Position | None:
        """Returns a position that a server must have reached to be less than MAX_LAG_SECONDS old.

        None if the primary did not respond in that time, so that the position is unknown.
        """
        since, oldest = monotonic() - MAX_LAG_SECONDS, None
        for at, position in reversed(self._samples):
            # After a failover, earlier samples have another timeline.
            if at < since or (oldest and oldest.timeline != position.timeline):
                break
            oldest = position
        return oldest

    def age_of(self, position: Position) -> float:
        """Returns about how many seconds ago the primary left the position; 0 if it is there."""
        since = None
        for at, passed in reversed(self._samples):
            if position.covers(passed):
                break
            since = at
        return 0.0 if since is None else monotonic() - since

    def _read(self, connection: RawConnection, started: float) -> None:
        sample = started, position_of_primary(connection)
        self._samples = (*self._samples[1 - _MAX_SAMPLES :], sample)

    def _failed(self, error: Exception) -> None:
        """Does nothing: without recent samples, no replica is used."""


class Replica(_Polled):
    """One replica. `name` is its host and port, for the log.

    `own_engine` is that of its thread, and `engine` that of the requests.
    """

    def __init__(self, name: str, engine: Engine, own_engine: Engine, primary: Primary) -> None:
        super().__init__(own_engine)
        self.name = name
        self.engine = engine
        self._primary = primary
        self._reached = _NO_POSITION
        self._responds = False
        self._problem: str | None = "not polled yet"
        self._excluded_until = 0.0

    @property
    def reads_in_progress(self) -> int:
        """The number of reads for which this process uses the replica now."""
        pool = self.engine.pool
        return pool.checkedout() if isinstance(pool, DeadlinePool) else 0

    @property
    def lag(self) -> float | None:
        """About how many seconds the replica is behind. None if it does not respond."""
        return self._primary.age_of(self._reached) if self._responds else None

    def may_serve(self, oldest_allowed: Position) -> bool:
        """Returns True if the replica had no problem at the last poll, and is recent enough."""
        return self._problem is None and self._reached.covers(oldest_allowed)

    def read(self, required: Position, read: Callable[[RawConnection], T]) -> T:
        """Calls the function with a connection.

        The check is in the same message as the first statement, so it takes no additional round
        trip. The statement runs only if the server is still a replica and has reached the required
        position.

        Raises NotRecent if the replica has not reached it. Raises Unavailable or UnknownFailure if
        the statement or the check fails.
        """
        with read_connection(self.engine) as connection:
            if not self._reached.covers(required):
                self._update_position(connection)
                if not self._reached.covers(required):
                    raise NotRecent
            with postgresql.only_on_replica(
                connection.connection, timeline=required.timeline, lsn=required.lsn
            ):
                return read(connection)

    def exclude(self, error: Exception) -> None:
        """Stops using the replica for EXCLUSION_SECONDS, and until it responds again.

        The replica remains in use if only this statement failed. It may have taken too long, or the
        replica applies a change that removes the rows.
        """
        code = sqlstate(error)
        if isinstance(error.__cause__, PoolTimeout):  # all connections of the pool are in use
            return
        if code is None or code.startswith(_SERVER_ERROR_CODES):
            self._excluded_until = monotonic() + EXCLUSION_SECONDS
            self._failed(error)

    def _update_position(self, connection: RawConnection) -> None:
        state = state_of_replica(connection)
        if not state.is_replica:
            raise NotRecent
        self._reached = self._position_of(state)

    def _position_of(self, state: ReplicaState) -> Position:
        """Returns the position of the replica.

        A replica that receives nothing remains on its timeline.
        """
        timeline = self._reached.timeline if state.timeline is None else state.timeline
        return Position(timeline, state.replayed)

    def _read(self, connection: RawConnection, started: float) -> None:
        state = state_of_replica(connection)
        self._responds, self._reached = state.is_replica, self._position_of(state)
        if started >= self._excluded_until:
            self._set_problem(self._problem_of(state))

    def _problem_of(self, state: ReplicaState) -> str | None:
        """Returns the reason why the replica cannot be used, if there is one."""
        if not state.is_replica:
            return "it is not a replica"
        if state.timeline == 0:
            return "the role lacks the privileges of pg_read_all_stats, so its timeline is unknown"
        allowed, replayed = self._primary.oldest_allowed(), self._reached
        if replayed.timeline == 0:
            return "it has not received anything yet, so its timeline is unknown"
        if allowed is None:
            return "the primary does not respond, so the age of the replica is unknown"
        if replayed.timeline != allowed.timeline:
            return f"its timeline is {replayed.timeline}, that of the primary {allowed.timeline}"
        if not replayed.covers(allowed):
            return f"it is more than {MAX_LAG_SECONDS:.0f} seconds behind the primary"
        return None

    def _failed(self, error: Exception) -> None:
        self._responds = False
        if isinstance(error, Unavailable):
            reason = error.explanation
        else:  # only the text of UnknownFailure certainly contains no value
            reason = str(error) if isinstance(error, UnknownFailure) else type(error).__name__
        # The reason of an error about the connection names the setting of the primary.
        own = reason.replace("ROSTER_DATABASE_URL", "ROSTER_READ_DATABASE_URL")
        self._set_problem(redact(own))

    def _set_problem(self, problem: str | None) -> None:
        """Logs the problem if the replica was usable before, or that it is usable again."""
        before, self._problem = self._problem, problem
        if before is None and problem is not None:
            _log.warning("replica_not_used", replica=self.name, reason=problem)
        elif before is not None and problem is None:
            _log.info("replica_used", replica=self.name)
