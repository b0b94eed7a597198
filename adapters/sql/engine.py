"""From a URL to an engine, with what each database needs."""

from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import get_ident
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, exc, make_url
from sqlalchemy.pool import ConnectionPoolEntry, Pool

from adapters.sql.database_urls import BadUrl, check_mariadb, check_postgresql, check_sqlite
from adapters.sql.dialects import mariadb, postgresql, sqlite
from application.deadlines import time_left


class DeadlinePool(Pool):
    """A pool for whose connections one waits no longer than the deadline.

    It never grows beyond its size. Whoever has a turn gets the connection that was used last, or
    opens one.
    """

    def __init__(self, creator: Any, pool_size: int = 5, **options: Any) -> None:
        super().__init__(creator, **options)
        self._size = pool_size
        self._idle: deque[ConnectionPoolEntry] = deque()
        self._turns: SimpleQueue[None] = SimpleQueue()
        for _ in range(pool_size):
            self._turns.put(None)
        self._waiting: set[int] = set()

    def size(self) -> int:
        """How many connections there may be."""
        return self._size

    def checkedout(self) -> int:
        """How many are in use."""
        return self._size - self._turns.qsize()

    def waiting(self) -> int:
        """How many threads wait for a connection."""
        return len(self._waiting)

    def status(self) -> str:
        """The same in words."""
        return f"{self.checkedout()} of {self._size} in use, {self.waiting()} waiting"

    def recreate(self) -> "DeadlinePool":
        """Another pool like it, without connections."""
        return DeadlinePool(
            self._creator,
            self._size,
            recycle=self._recycle,
            echo=self.echo,
            logging_name=self._orig_logging_name,
            reset_on_return=self._reset_on_return,
            pre_ping=self._pre_ping,
            _dispatch=self.dispatch,
            dialect=self._dialect,
        )

    def dispose(self) -> None:
        """Close the connections that nobody uses."""
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def _do_get(self) -> ConnectionPoolEntry:
        self._wait_for_turn()
        with suppress(IndexError):
            return self._idle.pop()
        try:
            return self._create_connection()
        except BaseException:
            self._turns.put(None)
            raise

    def _wait_for_turn(self) -> None:
        try:
            return self._turns.get_nowait()
        except Empty:
            self._waiting.add(get_ident())
        try:
            self._turns.get(timeout=time_left())
        except Empty:
            raise exc.TimeoutError("no connection became free within the deadline") from None
        finally:
            self._waiting.discard(get_ident())

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        self._idle.append(record)
        self._turns.put(None)


def make_engine(url: str, *, pool_size: int = 5, alone: bool = False) -> Engine:
    """An engine for a database's URL; nothing is connected yet.

    Where `alone` is true, one thread of this process uses databases and no other does: what moves
    many rows may then take ways that would disturb others (`is_alone` tells).
    Raises ValueError, with a sentence for people that does not repeat the URL, where the URL is
    none that Roster takes.
    """
    kind = url.partition("://")[0]
    try:
        if make := _KINDS.get(kind):
            engine = make(url, pool_size)
            engine.update_execution_options(alone=alone)
            return engine
    except BadUrl:
        raise
    except Exception:  # noqa: BLE001 (the libraries' errors would show a part of the URL)
        raise BadUrl("The database's URL can't be read.") from None
    raise ValueError(
        "The database must be given as sqlite:///FILE, postgresql://… or mariadb+pymysql://…"
    )


def is_exclusive(of: Engine | Connection) -> bool:
    """Whether the engine was made so."""
    return bool(of.get_execution_options().get("alone"))


def _sqlite(text: str, pool_size: int) -> Engine:
    url = make_url(text)
    sqlite.refuse_without_file(url)
    check_sqlite(text)
    engine = _engine(url, pool_size)
    sqlite.prepare(engine)
    return engine


def _postgresql(text: str, pool_size: int) -> Engine:
    check_postgresql(text)
    engine = _engine(postgresql.url_of(text), pool_size, use_native_hstore=False)
    postgresql.prepare(engine)
    return engine


def _mariadb(text: str, pool_size: int) -> Engine:
    check_mariadb(text)
    engine = _engine(mariadb.url_of(text), pool_size)
    mariadb.prepare(engine)
    return engine


def _engine(url: URL, pool_size: int, **options: Any) -> Engine:
    return create_engine(
        url,
        poolclass=DeadlinePool,
        pool_size=pool_size,
        pool_reset_on_return=None,  # there is nothing to reset: see transactions.py
        isolation_level="AUTOCOMMIT",
        # A driver may send a ROLLBACK after each use, whose failure would belie the commit before.
        skip_autocommit_rollback=True,
        hide_parameters=True,  # a fault in the log must not show who it was about
        **options,
    )


_KINDS: Final[Mapping[str, Callable[[str, int], Engine]]] = {
    "postgresql": _postgresql,
    "postgresql+psycopg2": _postgresql,
    "postgres": _postgresql,
    "sqlite": _sqlite,
    "sqlite+pysqlite": _sqlite,
    "mariadb+pymysql": _mariadb,
    "mysql+pymysql": _mariadb,
}
