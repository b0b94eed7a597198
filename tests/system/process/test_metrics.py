"""Metrics of several workers, together."""

import re
import stat
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

Serve = Callable[..., Any]
Eventually = Callable[..., None]

COUNT = re.compile(r'_count\{[^}]*"/api/v1/users"\} ([0-9.]+)')


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """Where the server keeps what is temporary."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    return directory


def count(server: Any) -> float:
    """How many requests for users were counted."""
    return sum(map(float, COUNT.findall(server.get("/metrics").text)))


def ask(server: Any, times: int) -> None:
    with ThreadPoolExecutor(8) as pool:
        for answer in pool.map(server.get, ["/api/v1/users"] * times):
            assert answer.status_code == 200


def test_any_worker_tells_what_all_have_counted(serve: Serve) -> None:
    server = serve("--workers", "3")
    ask(server, 60)
    assert [count(server) for _ in range(10)] == [60] * 10


def test_what_a_killed_worker_counted_is_kept_and_its_files_are_used_again(
    serve: Serve, eventually: Eventually, temporary: Path
) -> None:
    server = serve("--workers", "2", TMPDIR=str(temporary))
    ask(server, 20)
    (directory,) = temporary.iterdir()
    for _ in range(3):
        before = server.workers()
        before[0].kill()
        eventually(partial(is_replaced, server, before[0].pid))
    eventually(lambda: count(server) == 20)  # the text is as of the last second
    ask(server, 20)
    eventually(lambda: count(server) == 40)
    numbers = {re.sub(r"\D", "", file.name) for file in directory.iterdir()}
    assert numbers == {"0", "1"}, "a worker takes over the files of one that has ended"
    eventually(lambda: "http_server_active_requests 1.0" in server.get("/metrics").text)


def is_replaced(server: Any, pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):  # one that has just ended
        pids = {worker.pid for worker in server.workers()}
        return pid not in pids and len(pids) == 2 and bool(server.answers())
    return False


def test_the_directory_is_nobody_elses_and_goes_with_the_server(
    serve: Serve, eventually: Eventually, temporary: Path
) -> None:
    server = serve(TMPDIR=str(temporary))
    (directory,) = temporary.iterdir()
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    server.process.terminate()
    assert server.process.wait(10) == 0
    assert not list(temporary.iterdir())


def test_what_a_killed_server_left_is_swept_and_what_a_living_one_has_is_not(
    serve: Serve, eventually: Eventually, temporary: Path
) -> None:
    killed = serve(TMPDIR=str(temporary))
    (left,) = temporary.iterdir()
    living = serve(TMPDIR=str(temporary))
    ask(living, 5)
    killed.process.kill()
    eventually(lambda: not killed.listens())
    theirs = Path(tempfile.mkdtemp(prefix="other", dir=temporary))
    serve(TMPDIR=str(temporary))
    assert not left.exists()
    assert theirs.exists()
    assert count(living) == 5


def test_nothing_is_written_where_nothing_is_counted(serve: Serve, temporary: Path) -> None:
    server = serve(ROSTER_METRICS="off", TMPDIR=str(temporary))
    assert server.get("/metrics").status_code == 404
    assert not list(temporary.iterdir())
