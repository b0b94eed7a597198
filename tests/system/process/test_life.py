"""How the server starts, ends, and outlives what happens to its processes."""

import signal
import socket
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

KEPT_ALIVE = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"

Serve = Callable[..., Any]
Eventually = Callable[..., None]


def is_gone(process: psutil.Process) -> bool:
    """Whether it has ended, even if nobody took note of it."""
    try:
        return process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return True


def is_free(port: int) -> bool:
    with closing(socket.socket()) as plain, suppress(OSError):
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        plain.bind(("127.0.0.1", port))
        return True
    return False


def is_replaced(server: Any, process: psutil.Process) -> bool:
    return is_gone(process) and bool(server.answers())


def test_it_says_where_it_listens_and_answers_soon(serve: Serve) -> None:
    server = serve()
    spent = [each.cpu_times() for each in (server.process, *server.workers())]
    assert sum(each.user + each.system for each in spent) < 5  # it is about 1, on any machine
    assert server.lines("listening")[0]["url"] == server.url
    assert server.post(server.user()).status_code == 201


def test_what_was_created_is_there_after_a_restart(serve: Serve) -> None:
    first = serve()
    location = first.post(first.user()).headers["Location"]
    first.process.terminate()
    assert first.process.wait(10) == 0
    assert serve().get(location).json()["data"]["attributes"]["email"] == "ann@example.org"


def test_sigterm_lets_what_is_in_flight_finish(
    serve: Serve, eventually: Eventually, tmp_path: Path
) -> None:
    server = serve()
    with closing(sqlite3.connect(tmp_path / "roster.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # so that the request waits
        with ThreadPoolExecutor() as pool:
            answer = pool.submit(server.post, server.user())
            eventually(lambda: len(server.workers()[0].net_connections()) > 1)
            server.process.terminate()
            eventually(lambda: not server.listens())
            assert not answer.done()
            other.execute("ROLLBACK")
            assert answer.result().status_code == 201
    assert server.process.wait(10) == 0


def test_sigterm_does_not_wait_for_idle_clients(serve: Serve) -> None:
    server = serve()
    with closing(server.connect()), closing(server.connect(KEPT_ALIVE)) as used:
        assert used.recv(65536).startswith(b"HTTP/1.1 200 ")
        server.process.terminate()
        assert server.process.wait(5) == 0


@pytest.mark.parametrize("sent", [b"GET /heal", KEPT_ALIVE + b"POST /api/v1/us"])
def test_clients_that_never_finish_do_not_keep_the_server_from_ending(
    serve: Serve, sent: bytes
) -> None:
    server = serve(ROSTER_REQUEST_SECONDS="1")
    stopped = server.head("Content-Length: 100")
    with closing(server.connect(sent)), closing(server.connect(stopped)):
        server.process.terminate()
        assert server.process.wait(10) == 0


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_that_is_killed_or_told_to_end_is_replaced(
    serve: Serve, eventually: Eventually, sent: signal.Signals
) -> None:
    server = serve()
    for _ in range(3):
        before = server.workers()
        before[0].send_signal(sent)
        eventually(partial(is_replaced, server, before[0]))
    assert server.post(server.user()).status_code == 201


def test_sighup_replaces_the_workers(serve: Serve, eventually: Eventually) -> None:
    server = serve("--workers", "2")
    before = server.workers()
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: all(map(is_gone, before)) and server.answers())
    for worker in server.workers():
        worker.kill()
    eventually(lambda: len(server.workers()) == 2 and server.answers())
    assert server.post(server.user()).status_code == 201


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_it_can_be_ended_as_soon_as_it_has_workers(begin: Serve, sent: signal.Signals) -> None:
    server = begin("--workers", "2")
    while not server.process.children():
        assert server.process.poll() is None, server.log()
    server.process.send_signal(sent)
    assert server.process.wait(5) == 0, server.log()
    assert is_free(server.port)


def test_it_can_be_ended_while_a_worker_is_replaced(serve: Serve) -> None:
    server = serve()
    (killed,) = server.workers()
    killed.kill()
    while server.workers() in ([], [killed]):
        assert server.process.poll() is None, server.log()
    server.process.terminate()
    assert server.process.wait(5) == 0, server.log()


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_many_signals_while_a_worker_ends_do_not_hold_it(
    serve: Serve, sent: signal.Signals
) -> None:
    server = serve()
    server.workers()[0].kill()
    with suppress(psutil.NoSuchProcess):
        for _ in range(2000):
            server.process.send_signal(sent)
        server.process.terminate()
    # A signal that comes after all is done ends it too.
    assert server.process.wait(5) in (0, -signal.SIGTERM, -sent), server.log()


def test_no_worker_outlives_its_master(serve: Serve, eventually: Eventually) -> None:
    server = serve("--workers", "2")
    workers = server.workers()
    assert len(workers) == 2
    server.process.kill()
    eventually(lambda: all(is_gone(worker) for worker in workers), within=3)
    eventually(partial(is_free, server.port), within=3)


def test_a_second_server_on_the_same_port_is_refused(serve: Serve) -> None:
    server = serve()
    second = type(server)(Path(server.process.cwd()), "--port", str(server.port))
    try:
        assert second.process.wait(10) == 1
    finally:
        second.stop()
    assert server.answers()


def test_sigint_ends_it_too(serve: Serve) -> None:
    server = serve()
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(10) == 0


def test_two_workers_share_one_file(serve: Serve) -> None:
    server = serve("--workers", "2")
    emails = [f"person{n}@example.org" for n in range(20)]
    with ThreadPoolExecutor(8) as pool:
        statuses = {each.status_code for each in pool.map(server.post, map(server.user, emails))}
    assert statuses == {201}
    page = server.get("/api/v1/users?page[size]=100").json()
    assert {each["attributes"]["email"] for each in page["data"]} == set(emails)
