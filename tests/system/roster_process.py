"""The installed command, values that many tests send, and helpers for processes."""

import socket
import sys
from contextlib import closing
from pathlib import Path

import psutil

ROSTER = str(Path(sys.executable).with_name("roster"))
JSONAPI = "application/vnd.api+json"
ATOMIC = f'{JSONAPI};ext="https://jsonapi.org/ext/atomic"'
USERS = "/api/v1/users"
OPERATIONS = "/api/v1/operations"
SECRET = "hush" * 8
"""A value for ROSTER_JWT_SECRET."""


def is_gone(process: psutil.Process) -> bool:
    """Returns True if the process has ended, even if its parent has not waited for it."""
    try:
        return process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return True


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return int(probe.getsockname()[1])
