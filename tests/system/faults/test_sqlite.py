"""SQLite with many writers, and with a full disk."""

import resource
from collections.abc import Callable
from pathlib import Path

import pytest
from disks import fill
from faults.accounts import Outcome
from faults.load import Load
from faults.service import Service

Serve = Callable[..., Service]
Hold = Callable[..., object]


def test_writers_in_several_processes_lose_nothing_if_some_are_killed(
    serve: Serve, sqlite_url: str, hold: Hold
) -> None:
    first, second = serve(sqlite_url, workers=3), serve(sqlite_url, workers=2)
    with Load(first, second, breaks=True) as load:
        for service in (second, first):
            load.until_acknowledged(50)
            service.kill()
            service.start()
        load.recovered()
    hold("SQLite, two servers of 5 workers killed in turn", load)


@pytest.mark.long
def test_the_service_recovers_from_a_full_disk(small_disk: Path, serve: Serve, hold: Hold) -> None:
    service = serve(f"sqlite:///{small_disk}/roster.db")
    with Load(service) as load:
        ballast = fill(small_disk)
        load.until_received("POST 503", 30)
        ballast.unlink()
        load.recovered()
    hold("SQLite, disk full (ENOSPC)", load, stale=0)
    assert_reads_succeeded(load)


@pytest.mark.long
def test_the_service_recovers_from_a_file_size_limit(
    serve: Serve, sqlite_url: str, hold: Hold
) -> None:
    service = serve(sqlite_url)
    log = Path(f"{sqlite_url.removeprefix('sqlite:///')}-wal")
    with Load(service) as load:
        workers = service.workers()
        for worker in workers:
            worker.rlimit(resource.RLIMIT_FSIZE, (log.stat().st_size // 2, -1))
        load.until_received("POST 503", 30)
        for worker in workers:
            worker.rlimit(resource.RLIMIT_FSIZE, (-1, -1))
        load.recovered()
    hold("SQLite, file too large (EFBIG)", load, stale=0)
    assert_reads_succeeded(load)


def assert_reads_succeeded(load: Load) -> None:
    reads = {each.outcome for each in load.replies() if each.summary.startswith("GET")}
    assert reads == {Outcome.DONE}
