"""The connection pool of an engine.

It derives from SQLAlchemy's pool, and relies on some of its private parts:

- the methods `_do_get`, `_do_return_conn` and `_create_connection`
- the attributes that `recreate` reads
- the attribute `_connection_record` of a connection
"""

from collections import deque
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import get_ident
from typing import Any

from sqlalchemy import exc
from sqlalchemy.pool import ConnectionPoolEntry, Pool, PoolProxiedConnection

from application.deadlines import time_left


class DeadlinePool(Pool):
    """A connection pool in which a thread waits until the deadline at most.

    It has at most `pool_size` connections. It opens another one only if all are in use.
    """

    def __init__(self, creator: Any, pool_size: int = 5, **options: Any) -> None:
        super().__init__(creator, **options)
        self._size = pool_size
        self._idle: deque[ConnectionPoolEntry] = deque()
        self._released: deque[PoolProxiedConnection] = deque()
        # Contains an item for each connection that may be checked out. Works like a semaphore.
        self._permits: SimpleQueue[None] = SimpleQueue()
        for _ in range(pool_size):
            self._permits.put(None)
        self._waiting: set[int] = set()

    def size(self) -> int:
        """The maximum number of connections."""
        return self._size

    def checkedout(self) -> int:
        """The number of connections in use."""
        return self._size - self._permits.qsize()

    def waiting(self) -> int:
        """The number of threads that wait for a connection."""
        return len(self._waiting)

    def status(self) -> str:
        """A description of the pool's state."""
        return f"{self.checkedout()} of {self._size} in use, {self.waiting()} waiting"

    def recreate(self) -> "DeadlinePool":
        """Creates a pool with the same options and no connections."""
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

    def connect(self) -> PoolProxiedConnection:
        """Checks a connection out. Prefers the one that was released last.

        Raises sqlalchemy.exc.TimeoutError if none becomes free before the deadline, and
        DisconnectionError if new ones are already closed.
        """
        self._acquire_permit()
        try:
            connection = self._released.pop()
        except IndexError:
            return self._connect()
        try:
            self.dispatch.checkout(
                connection.dbapi_connection, connection._connection_record, connection
            )
        except exc.DisconnectionError as error:
            connection.invalidate(error)
            return self.connect()
        except BaseException:
            connection.close()
            raise
        return connection

    def release(self, connection: PoolProxiedConnection) -> None:
        """Keeps a connection for the next checkout, instead of closing it.

        `close()` also returns a connection to the pool. But SQLAlchemy then discards its proxy, and
        creates another one at the next checkout. That takes about a tenth of a short read.
        """
        if not connection.is_valid:
            connection.close()
            return
        if self.dispatch.checkin:
            self.dispatch.checkin(connection.dbapi_connection, connection._connection_record)
        self._released.append(connection)
        self._permits.put(None)

    def dispose(self) -> None:
        """Closes the idle connections."""
        with suppress(Empty, IndexError):
            while self._released:
                self._permits.get_nowait()  # which the connection returns when it is closed
                self._take_released().close()
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def _connect(self) -> PoolProxiedConnection:
        """Checks out a connection that is idle or new, but not released."""
        try:
            return super().connect()
        except exc.InvalidRequestError as error:  # the checkout listeners rejected a new one
            raise exc.DisconnectionError("the server closes new connections") from error

    def _take_released(self) -> PoolProxiedConnection:
        """Removes a released connection. Raises IndexError if another thread was faster."""
        try:
            return self._released.pop()
        except IndexError:
            self._permits.put(None)
            raise

    def _do_get(self) -> ConnectionPoolEntry:
        with suppress(IndexError):
            return self._idle.pop()
        try:
            return self._create_connection()
        except BaseException:
            self._permits.put(None)
            raise

    def _acquire_permit(self) -> None:
        """Waits until a connection may be checked out.

        Raises sqlalchemy.exc.TimeoutError when the deadline passes.
        """
        try:
            return self._permits.get_nowait()
        except Empty:
            self._waiting.add(get_ident())
        try:
            self._permits.get(timeout=time_left())
        except Empty:
            raise exc.TimeoutError("no connection became free within the deadline") from None
        finally:
            self._waiting.discard(get_ident())

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        self._idle.append(record)
        self._permits.put(None)
