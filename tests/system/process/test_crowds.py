"""Many clients at once."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

Serve = Callable[..., Any]

ROSTER = Path(sys.executable).with_name("roster")
ASKING = b"GET /api/v1/users HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.fixture
def together() -> Iterator[ExitStack]:
    """What is open until the end of the test."""
    with ExitStack() as stack:
        yield stack


def test_a_thousand_clients_at_once_are_all_answered(serve: Serve, together: ExitStack) -> None:
    server = serve("--workers", "1")
    clients = [together.enter_context(server.connect()) for _ in range(1000)]
    for client in clients:
        client.sendall(ASKING)
    # Half of them are not accepted before others have gone.
    assert all(client.recv(65536).startswith(b"HTTP/1.1 200 ") for client in clients)


def test_connections_beyond_the_limit_wait_for_others_to_end(
    serve: Serve, together: ExitStack
) -> None:
    server = serve("--workers", "1", ROSTER_CONNECTIONS="2", ROSTER_HEADER_SECONDS="2")
    idle = [together.enter_context(server.connect()) for _ in range(2)]
    waiting = together.enter_context(server.connect(ASKING))
    waiting.settimeout(0.5)
    with pytest.raises(TimeoutError):
        waiting.recv(1)
    idle[0].close()
    waiting.settimeout(20)
    assert waiting.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_the_start_is_refused_where_connections_could_not_have_their_files(tmp_path: Path) -> None:
    command = f"ulimit -n 600; exec {ROSTER} serve --port 0"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env={}, capture_output=True, text=True, timeout=20
    )
    problem = "ROSTER_CONNECTIONS: requires 778 open files, but the system allows only 600"
    assert (done.returncode, done.stderr) == (2, f"Error: {problem}\n")
