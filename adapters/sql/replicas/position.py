"""Positions in the write-ahead log of PostgreSQL."""

import re
from typing import Any, Final, NamedTuple

from sqlalchemy import text

from adapters.sql.compiled import CompiledStatement
from adapters.sql.connection import RawConnection

MAX_LAG_SECONDS: Final = 10.0
"""No read from a replica shows a state that is older."""

_TEXT: Final = re.compile("([1-9A-F][0-9A-F]{0,7})-([1-9A-F][0-9A-F]{0,15})")


class Position(NamedTuple):
    """A position, on one timeline. Each promotion of a server begins a new timeline."""

    timeline: int
    location: int

    def covers(self, other: "Position") -> bool:
        """Returns True if a server at this position has everything up to the other one.

        Positions of different timelines cannot be compared.
        """
        return self.timeline == other.timeline and self.location >= other.location

    @property
    def lsn(self) -> str:
        """The location as PostgreSQL writes it."""
        return f"{self.location >> 32:X}/{self.location & 0xFFFFFFFF:X}"

    def __str__(self) -> str:
        return f"{self.timeline:X}-{self.location:X}"


def parse_position(value: str) -> Position:
    """Returns the position that `str` has written. Raises ValueError if the text is invalid."""
    match = _TEXT.fullmatch(value)
    if not match:
        raise ValueError("must be a value that the service has sent")
    return Position(int(match[1], 16), int(match[2], 16))


class ReplicaState(NamedTuple):
    """The state of a server.

    `is_replica`: it is in recovery. `replayed` is the location that it has reached. `timeline` is
    the one that it receives, None if it receives nothing now, and 0 if the role may not see it.
    """

    is_replica: bool
    replayed: int
    timeline: int | None


_OF_PRIMARY: Final = CompiledStatement(
    text("SELECT p, pg_walfile_name(p) FROM pg_current_wal_insert_lsn() AS p")
)
# The control file also has a timeline, but only that of the last restartpoint.
_OF_REPLICA: Final = CompiledStatement(
    text(
        "SELECT pg_is_in_recovery(), pg_last_wal_replay_lsn(), "
        "(SELECT coalesce(received_tli, 0) FROM pg_stat_wal_receiver)"
    )
)
_DIGITS_OF_TIMELINE: Final = 8


def position_of_primary(connection: RawConnection) -> Position:
    """Returns the position of the last change on the server. Raises the driver's error.

    A replica that has reached the position shows every change that was committed before.
    """
    row = _OF_PRIMARY.row(connection, {})
    assert row is not None
    return Position(int(row[1][:_DIGITS_OF_TIMELINE], 16), _location(row[0]))


def state_of_replica(connection: RawConnection) -> ReplicaState:
    """Returns the state of a server that should be a replica. Raises the driver's error."""
    row: Any = _OF_REPLICA.row(connection, {})
    is_replica, replayed, timeline = row
    return ReplicaState(is_replica, _location(replayed or "0/0"), timeline)


def _location(lsn: str) -> int:
    high, _, low = lsn.partition("/")
    return int(high, 16) << 32 | int(low, 16)
