"""Chooses the server of each read, and tracks the positions of requests."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import count
from operator import attrgetter
from threading import Lock, Thread
from typing import Final, TypeVar

from adapters.sql.connection import RawConnection
from adapters.sql.failures import UnknownFailure
from adapters.sql.reads import Reads
from adapters.sql.replicas.position import Position, parse_position, position_of_primary
from adapters.sql.replicas.recent_changes import RecentChanges
from adapters.sql.replicas.servers import NotRecent, Primary, Replica
from adapters.sql.transactions import CommitObserver, CommitPositions, with_default_deadline
from application.access import Principal
from application.deadlines import deadline, time_left
from application.ports import Positions, RequestPosition, Unavailable

T = TypeVar("T")

_MAX_REPLICAS_TRIED: Final = 2
_SHARE: Final = 0.5
"""The share of the remaining time that one replica gets."""

_MIN_SECONDS: Final = 0.2
"""A read with less time left uses the primary: a late response would count as a lost replica."""

REPLICA: Final = "replica"
NOT_RECENT: Final = "not_recent"
FAILED: Final = "failed"
NONE_USABLE: Final = "none_usable"


class _TrackedRequest(RequestPosition):
    """The position of one request. `required` is None if its reads must not use replicas.

    All reads of a request use the replica of its first one. After a read from the primary, for the
    reason `reason`, the others also use the primary. So no part of a response is older than an
    earlier part.
    """

    __slots__ = ("_recent", "reached", "reason", "replica", "required")

    def __init__(self, recent: RecentChanges) -> None:
        self._recent = recent
        self.reached: str | None = None
        self.required: tuple[Position, ...] | None = None
        self.replica: Replica | None = None
        self.reason: str | None = None

    def allow_replicas(self, principal: Principal | None, position: str | None) -> None:
        sent = None if position is None else parse_position(position)
        recent = self._recent.of(principal)
        if not recent.is_unknown:
            self.required = tuple(each for each in (sent, recent.position) if each is not None)


_request: ContextVar[_TrackedRequest | None] = ContextVar("request_position", default=None)


class LogPositions(Positions, CommitPositions):
    """Tracks the positions of requests in the write-ahead log of the primary."""

    def __init__(self, recent: RecentChanges) -> None:
        self._recent = recent

    @contextmanager
    def track(self) -> Iterator[RequestPosition]:
        """Yields the position of a request, which the block handles. See Positions."""
        token = _request.set(tracked := _TrackedRequest(self._recent))
        try:
            yield tracked
        finally:
            _request.reset(token)

    def observer(self, principal: Principal | None) -> CommitObserver | None:
        """Returns the observer of a transaction in which the principal makes changes.

        Outside a request, the position is not needed.
        """
        request = _request.get()
        return _Observer(request, self._recent, principal) if request else None


class _Observer(CommitObserver):
    def __init__(
        self, request: _TrackedRequest, recent: RecentChanges, principal: Principal | None
    ) -> None:
        self._request = request
        self._recent = recent
        self._principal = principal

    def committed(self, connection: RawConnection) -> None:
        try:
            position = position_of_primary(connection)
        except connection.dialect.loaded_dbapi.Error:
            self.unknown()  # the change is committed, so this is not a failure
        else:
            self._request.reached = str(position)
            self._recent.record(self._principal, position)

    def unknown(self) -> None:
        self._request.reached = None
        self._recent.record(self._principal, None)


@dataclass(frozen=True, slots=True)
class Replication:
    """The replicas of a store: their reads, and the positions of its changes."""

    reads: "ReplicaReads"
    positions: LogPositions


class _NoReplica(Exception):
    """The primary must serve the read, for this reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ReplicaReads(Reads):
    """Reads from replicas, and from the primary if no replica is recent enough or responds.

    Only the reads of a request that allows replicas use them.
    """

    def __init__(self, primary_reads: Reads, primary: Primary, replicas: Sequence[Replica]) -> None:
        self._read_primary = primary_reads
        self._primary = primary
        self.replicas = tuple(replicas)
        self._turn = count()
        self._counts = Counter({REPLICA: 0, NOT_RECENT: 0, FAILED: 0, NONE_USABLE: 0})
        self._counting = Lock()

    def watch(self) -> None:
        """Starts a daemon thread for each server, which reads its state."""
        Thread(target=self._watch, name="replicas", daemon=True).start()

    def _watch(self) -> None:
        self._primary.poll()  # first, because the age of a replica depends on it
        for each in self.replicas:
            Thread(target=each.watch, name=f"replica {each.name}", daemon=True).start()
        self._primary.watch()

    def counts(self) -> Mapping[str, int]:
        """The number of reads that may use replicas: those by a replica, or why the primary did."""
        with self._counting:
            return dict(self._counts)

    def usable(self) -> int:
        """The number of replicas that are used."""
        allowed = self._primary.oldest_allowed()
        return 0 if allowed is None else sum(each.may_serve(allowed) for each in self.replicas)

    def lag(self) -> float:
        """The largest lag of the replicas that respond, in seconds; 0 if none does."""
        return max((lag for each in self.replicas if (lag := each.lag) is not None), default=0.0)

    def __call__(self, read: Callable[[RawConnection], T], /) -> T:
        request = _request.get()
        if request is None or request.required is None:
            return self._read_primary(read)
        if request.reason is None:
            try:
                with with_default_deadline():
                    result = self._read_replica(request, request.required, read)
            except _NoReplica as error:
                request.reason = error.reason
            else:
                self._count(REPLICA)
                return result
        self._count(request.reason)
        return self._read_primary(read)

    def _read_replica(
        self,
        request: _TrackedRequest,
        positions: Sequence[Position],
        read: Callable[[RawConnection], T],
    ) -> T:
        """Reads from the replica of the request, or else from the others.

        Raises _NoReplica if that is not possible.
        """
        allowed = self._primary.oldest_allowed()
        if allowed is None or (time_left() or 0.0) < _MIN_SECONDS:
            raise _NoReplica(NONE_USABLE)
        if any(each.timeline != allowed.timeline for each in positions):
            raise _NoReplica(NOT_RECENT)
        required = max(allowed, *positions) if positions else allowed
        reason = NONE_USABLE
        for replica in (request.replica,) if request.replica else self._candidates(allowed):
            try:
                with deadline(_SHARE * (time_left() or 0.0)):
                    result = replica.read(required, read)
            except NotRecent:
                reason = NOT_RECENT
            except (Unavailable, UnknownFailure) as error:
                reason = FAILED
                replica.exclude(error)
            else:
                request.replica = replica
                return result
        raise _NoReplica(reason)

    def _candidates(self, allowed: Position) -> Sequence[Replica]:
        """Returns the replicas to try, those with the fewest reads of this process first."""
        usable = [each for each in self.replicas if each.may_serve(allowed)]
        if len(usable) > 1:
            first = next(self._turn) % len(usable)
            usable = usable[first:] + usable[:first]
            usable.sort(key=attrgetter("reads_in_progress"))
        return usable[:_MAX_REPLICAS_TRIED]

    def _count(self, result: str) -> None:
        with self._counting:
            self._counts[result] += 1
