"""Runs the command `roster` without the start of Python and the imports, which take most of it.

The program of `forked_roster` connects to the process of `roster_forks.py`, which forks. The fork
gets the arguments, the environment, the working directory and the standard streams of the program.
"""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PROGRAM = """#!{python} -ISE
import json, os, signal, socket, sys

with socket.socket(socket.AF_UNIX) as connection:
    connection.connect({address!r})
    call = json.dumps([sys.argv, dict(os.environ), os.getcwd()])
    socket.send_fds(connection, [call.encode()], [0, 1, 2])
    connection.shutdown(socket.SHUT_WR)
    lines = connection.makefile()
    process = int(lines.readline())
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda number, _: os.kill(process, number))
    status = int(lines.readline())
sys.exit(status if status >= 0 else 128 - status)
"""


@contextmanager
def forked_roster(directory: Path) -> Iterator[Path]:
    """Starts the process, and returns a program that behaves like the command `roster`."""
    address, program = directory / "socket", directory / "roster"
    program.write_text(_PROGRAM.format(python=sys.executable, address=str(address)))
    program.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen()
        command = [
            sys.executable,
            str(Path(__file__).with_name("roster_forks.py")),
            str(listener.fileno()),
        ]
        with subprocess.Popen(command, pass_fds=[listener.fileno()]) as process:
            try:
                yield program
            finally:
                process.kill()
