"""Metrics of several workers."""

import os
import re
import stat
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest
from disks import fill
from process.server import Serve, Server
from roster_process import USERS
from waiting import until

COUNT = re.compile(r'_count\{[^}]*"/api/v1/users"\} ([0-9.]+)')


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """The directory for the temporary files of the server."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    return directory


def count(server: Server) -> float:
    """The number of requests for users, from the metrics."""
    return sum(map(float, COUNT.findall(server.get("/metrics").text)))


def request_users(server: Server, times: int) -> None:
    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(server.get, [USERS] * times))
    assert [response.status_code for response in responses] == [200] * times


def test_every_worker_reports_the_counts_of_all(serve: Serve) -> None:
    server = serve("--workers", "3")
    request_users(server, 60)
    assert [count(server) for _ in range(10)] == [60] * 10


def test_the_counts_of_a_killed_worker_remain_and_its_files_are_reused(
    serve: Serve, temporary: Path
) -> None:
    server = serve("--workers", "2", TMPDIR=str(temporary))
    request_users(server, 20)
    (directory,) = temporary.iterdir()
    for _ in range(3):
        before = server.workers()
        before[0].kill()
        until(partial(is_replaced, server, before[0].pid))
    until(lambda: count(server) == 20)  # the text is up to a second old
    request_users(server, 20)
    until(lambda: count(server) == 40)
    numbers = {re.sub(r"\D", "", file.name) for file in directory.iterdir()}
    assert numbers == {"0", "1"}, "a new worker reuses the files of one that has ended"
    until(lambda: "http_server_active_requests 1.0" in server.get("/metrics").text)


def request_many_routes(server: Server) -> None:
    """Sends requests that are counted in many series. Each must get a response."""
    names = ("", "/users", "/users/1", "/users/1/history", "/groups", "/groups/1", "/operations")
    urls = [*(f"{server.url}/api/v1{name}" for name in names), f"{server.url}/docs"]
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        for url in urls:
            httpx.request(method, url, timeout=20)


def test_a_full_disk_below_the_metrics_disturbs_no_request(small_disk: Path, serve: Serve) -> None:
    """The system ends a process that writes to a mapped file without space on the disk."""
    server = serve("--workers", "2", TMPDIR=str(small_disk))
    request_users(server, 20)
    workers = server.workers()
    ballast = fill(small_disk)
    request_many_routes(server)
    assert server.workers() == workers
    assert "Traceback" not in server.log()
    ballast.unlink()
    request_many_routes(server)
    request_users(server, 20)
    until(lambda: count(server) >= 40)
    until(lambda: 'http_route="/docs"' in server.get("/metrics").text)
    server.terminate()  # so that the disk is no longer in use


def test_the_server_names_the_file_of_the_metrics_if_the_disk_is_full(
    small_disk: Path, start: Serve
) -> None:
    ballast = fill(small_disk)
    os.truncate(ballast, ballast.stat().st_size - 16_384)
    server = start(TMPDIR=str(small_disk))
    assert server.process.wait(60) == 1
    assert f"Error: system_error: No space left on device: {small_disk}/" in server.log()
    assert "Traceback" not in server.log()


def is_replaced(server: Server, pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):  # a worker has just ended
        pids = {worker.pid for worker in server.workers()}
        return pid not in pids and len(pids) == 2 and server.is_ready()
    return False


def test_the_directory_of_the_metrics_is_private_and_removed_with_the_server(
    serve: Serve, temporary: Path
) -> None:
    server = serve(TMPDIR=str(temporary))
    (directory,) = temporary.iterdir()
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    server.terminate()
    assert list(temporary.iterdir()) == []


def test_a_start_removes_the_files_of_killed_servers_only(serve: Serve, temporary: Path) -> None:
    killed = serve(TMPDIR=str(temporary))
    (left,) = temporary.iterdir()
    running = serve(TMPDIR=str(temporary))
    request_users(running, 5)
    killed.process.kill()
    until(lambda: not killed.listens())
    unrelated = Path(tempfile.mkdtemp(prefix="other", dir=temporary))
    serve(TMPDIR=str(temporary))
    assert not left.exists()
    assert unrelated.exists()
    assert count(running) == 5


def test_without_metrics_no_files_are_written(serve: Serve, temporary: Path) -> None:
    server = serve(ROSTER_METRICS="off", TMPDIR=str(temporary))
    assert server.get("/metrics").status_code == 404
    assert list(temporary.iterdir()) == []
