"""The process that imports `roster` once, and forks for each program of `forked_roster`."""

import atexit
import gc
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module

from entrypoints.granian_server import die_with_parent

_MODULES = (
    "adapters.files.formats",
    "adapters.sql.database_checks",
    "adapters.sql.email_keys",
    "adapters.sql.revisions",
    "adapters.sql.sqlite_backup",
    "adapters.tabular.source",
    "alembic.command",
    "entrypoints.cli.collection",
    "entrypoints.cli.fake_people",
    "entrypoints.cli.main",
    "entrypoints.container",
    "entrypoints.maintenance",
    "entrypoints.serve",
    "entrypoints.slow_clients",
    "entrypoints.web",
)
_MAX_BYTES = 2**20


def accept(listener: socket.socket) -> socket.socket:
    """Forks for each connection, and returns it in the fork."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system removes ended forks
    parent = os.getpid()
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            break
        connection.close()
    listener.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    die_with_parent(parent)
    return connection


def receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    """The JSON of a call, and its standard streams."""
    call, streams, *_ = socket.recv_fds(connection, _MAX_BYTES, 3)
    while part := connection.recv(_MAX_BYTES):
        call += part
    return call, streams


def fork(connection: socket.socket, streams: list[int]) -> None:
    """Returns in a fork. This process sends its id and its exit status, and ends."""
    parent = os.getpid()
    if process := os.fork():
        for stream in (0, 1, 2, *streams):
            os.close(stream)
        with suppress(OSError):  # the program was killed
            connection.sendall(f"{process}\n".encode())
            _, status = os.waitpid(process, 0)
            connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os._exit(0)
    connection.close()
    die_with_parent(parent)


def become(arguments: list[str], environment: dict[str, str], directory: str) -> None:
    """Takes over the arguments, the environment and the working directory of a program."""
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = arguments


def replace_streams(streams: list[int]) -> None:
    """Takes over the standard streams of a program, with Python's modes for C.UTF-8."""
    for target, stream in enumerate(streams):
        os.dup2(stream, target)
        os.close(stream)
    sys.stdin = os.fdopen(0, encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)


class QuickExit:
    """Ends a fork without the finalization of Python, which takes longer than most commands.

    The functions that `atexit` has are called before, if they were registered later than this one.
    """

    def __init__(self) -> None:
        self._process = 0
        self._status = 0
        atexit.register(self._exit)

    def run(self, main: Callable[[], None]) -> None:
        """Calls `main` in this process."""
        self._process = os.getpid()
        try:
            main()
        except SystemExit as error:
            self._status = error.code if isinstance(error.code, int) else int(bool(error.code))
            raise
        except BaseException:
            self._process = 0
            raise

    def _exit(self) -> None:
        if os.getpid() == self._process:
            with suppress(OSError, ValueError):  # Python reports the error
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(self._status)


if __name__ == "__main__":
    sys.path.pop(0)  # the directory of this file
    quick_exit = QuickExit()
    for module in _MODULES:
        import_module(module)
    gc.freeze()  # the garbage collector of a fork would copy the memory
    with socket.socket(fileno=int(sys.argv[1])) as listening:
        program = accept(listening)
    call, streams = receive(program)
    fork(program, streams)
    replace_streams(streams)
    become(*json.loads(call))
    quick_exit.run(import_module("roster_command").main)
