"""Many clients at once."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from process.server import Serve
from roster_process import ROSTER

REQUEST = b"GET /api/v1/users HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.fixture
def connections() -> Iterator[ExitStack]:
    """Closes its connections after the test."""
    with ExitStack() as stack:
        yield stack


def test_a_thousand_clients_at_once_all_receive_responses(
    serve: Serve, connections: ExitStack
) -> None:
    server = serve("--workers", "1")
    clients = [connections.enter_context(server.connect()) for _ in range(1000)]
    for client in clients:
        client.sendall(REQUEST)
    # The server accepts half of them only when others have ended.
    assert {client.recv(65536)[:13] for client in clients} == {b"HTTP/1.1 200 "}


def test_connections_beyond_the_limit_wait_for_others_to_end(
    serve: Serve, connections: ExitStack
) -> None:
    server = serve("--workers", "1", ROSTER_CONNECTIONS="2", ROSTER_HEADER_SECONDS="2")
    idle = [connections.enter_context(server.connect()) for _ in range(2)]
    waiting = connections.enter_context(server.connect(REQUEST))
    waiting.settimeout(0.5)
    with pytest.raises(TimeoutError):
        waiting.recv(1)
    idle[0].close()
    waiting.settimeout(20)
    assert waiting.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_limit_of_connections_above_that_of_open_files_stops_the_start(tmp_path: Path) -> None:
    command = f"ulimit -n 600; exec {ROSTER} serve --port 0"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env={}, capture_output=True, text=True, timeout=20
    )
    problem = "ROSTER_CONNECTIONS: requires 778 open files, but the system allows only 600"
    assert (done.returncode, done.stderr) == (2, f"Error: {problem}\n")
