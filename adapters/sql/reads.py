"""Where committed data is read: from the database itself, or also from its replicas."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy import Engine

from adapters.sql.connection import RawConnection
from adapters.sql.transactions import read_connection

T = TypeVar("T")


class Reads(Protocol):
    """Runs functions that only read, outside a transaction."""

    def __call__(self, read: Callable[[RawConnection], T], /) -> T:
        """Calls the function with a connection in autocommit mode. It may be called repeatedly.

        Raises Unavailable.
        """


class PrimaryReads(Reads):
    """Reads from the database that also accepts the changes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(self, read: Callable[[RawConnection], T], /) -> T:
        with read_connection(self._engine) as connection:
            return read(connection)


def reads_from(source: Engine | Reads) -> Reads:
    """Returns the source of reads. An engine is the database itself."""
    return PrimaryReads(source) if isinstance(source, Engine) else source
