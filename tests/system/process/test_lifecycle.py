"""The server starts, ends, and survives the loss of its processes."""

import signal
import socket
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import psutil
import pytest
from process.server import Serve, Server
from roster_process import USERS, free_port, is_gone
from waiting import until

KEPT_ALIVE = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def is_free(port: int) -> bool:
    with closing(socket.socket()) as plain, suppress(OSError):
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        plain.bind(("127.0.0.1", port))
        return True
    return False


def is_replaced(server: Server, process: psutil.Process) -> bool:
    return is_gone(process) and server.is_ready()


def test_the_server_logs_its_url_and_starts_with_little_processor_time(serve: Serve) -> None:
    server = serve()
    spent = [each.cpu_times() for each in (server.process, *server.workers())]
    assert sum(each.user + each.system for each in spent) < 5  # about 1 on any machine
    assert [entry["url"] for entry in server.logged("listening")] == [server.url]
    assert server.post(server.user()).status_code == 201


def test_a_created_user_exists_after_a_restart(serve: Serve) -> None:
    first = serve()
    location = first.post(first.user()).headers["Location"]
    first.terminate()
    assert serve().get(location).json()["data"]["attributes"]["email"] == "ann@example.org"


def test_sigterm_waits_for_requests_in_progress(serve: Serve, tmp_path: Path) -> None:
    server = serve()
    with closing(sqlite3.connect(tmp_path / "roster.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # the request waits for this lock
        with ThreadPoolExecutor() as pool:
            response = pool.submit(server.post, server.user())
            until(lambda: len(server.workers()[0].net_connections()) > 1)
            server.process.terminate()
            until(lambda: not server.listens())
            assert not response.done()
            other.execute("ROLLBACK")
            assert response.result().status_code == 201
    assert server.process.wait(10) == 0


def test_sigterm_does_not_wait_for_idle_clients(serve: Serve) -> None:
    server = serve()
    with closing(server.connect()), closing(server.connect(KEPT_ALIVE)) as used:
        assert used.recv(65536).startswith(b"HTTP/1.1 200 ")
        server.process.terminate()
        assert server.process.wait(5) == 0


@pytest.mark.parametrize("sent", [b"GET /heal", KEPT_ALIVE + b"POST /api/v1/us"])
def test_clients_that_never_finish_do_not_prevent_the_end(serve: Serve, sent: bytes) -> None:
    server = serve(ROSTER_REQUEST_SECONDS="1")
    stopped = server.post_headers("Content-Length: 100")
    with closing(server.connect(sent)), closing(server.connect(stopped)):
        server.process.terminate()
        assert server.process.wait(10) == 0


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_that_ends_is_replaced(serve: Serve, sent: signal.Signals) -> None:
    server = serve()
    for _ in range(3):
        before = server.workers()
        before[0].send_signal(sent)
        until(partial(is_replaced, server, before[0]))
    assert server.post(server.user()).status_code == 201


def test_sighup_replaces_the_workers(serve: Serve) -> None:
    server = serve("--workers", "2")
    before = server.workers()
    server.process.send_signal(signal.SIGHUP)
    until(lambda: all(map(is_gone, before)) and server.is_ready())
    for worker in server.workers():
        worker.kill()
    until(lambda: len(server.workers()) == 2 and server.is_ready())
    assert server.post(server.user()).status_code == 201


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_the_server_can_be_ended_as_soon_as_it_has_workers(
    start: Serve, sent: signal.Signals
) -> None:
    port = free_port()
    server = start("--workers", "2", "--port", str(port))
    while not server.process.children():
        assert server.process.poll() is None, server.log()
    server.process.send_signal(sent)
    assert server.process.wait(5) == 0, server.log()
    assert is_free(port)


def test_the_server_can_be_ended_while_a_worker_is_replaced(serve: Serve) -> None:
    server = serve()
    (killed,) = server.workers()
    killed.kill()
    while server.workers() in ([], [killed]):
        assert server.process.poll() is None, server.log()
    server.process.terminate()
    assert server.process.wait(5) == 0, server.log()


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_many_signals_while_a_worker_ends_do_not_block_the_server(
    serve: Serve, sent: signal.Signals
) -> None:
    server = serve()
    server.workers()[0].kill()
    with suppress(psutil.NoSuchProcess):
        for _ in range(2000):
            server.process.send_signal(sent)
        server.process.terminate()
    # A signal that arrives after the handlers are removed ends the process directly.
    assert server.process.wait(5) in (0, -signal.SIGTERM, -sent), server.log()


def test_no_worker_survives_the_master(serve: Serve) -> None:
    server = serve("--workers", "2")
    workers = server.workers()
    assert len(workers) == 2
    server.process.kill()
    until(lambda: all(is_gone(worker) for worker in workers), within=3)
    until(partial(is_free, server.port), within=3)


def test_a_second_server_on_the_same_port_does_not_start(serve: Serve, start: Serve) -> None:
    server = serve()
    second = start("--port", str(server.port))
    assert second.process.wait(10) == 1
    assert server.is_ready()


def test_sigint_ends_the_server(serve: Serve) -> None:
    server = serve()
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(10) == 0


def test_two_workers_share_an_sqlite_file(serve: Serve) -> None:
    server = serve("--workers", "2")
    emails = [f"person{n}@example.org" for n in range(20)]
    with ThreadPoolExecutor(8) as pool:
        statuses = {each.status_code for each in pool.map(server.post, map(server.user, emails))}
    assert statuses == {201}
    page = server.get(f"{USERS}?page[size]=100").json()
    assert {each["attributes"]["email"] for each in page["data"]} == set(emails)
