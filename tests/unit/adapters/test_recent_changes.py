"""The positions of recent changes, in one process and shared by several."""

import errno
import fcntl
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from threading import Thread

import pytest

from adapters.sql.replicas import recent_changes
from adapters.sql.replicas.position import Position, parse_position
from adapters.sql.replicas.recent_changes import RecentChange, RecentChanges, shared_file
from application.access import SECRET, Principal

ANN, BOB = (Principal(SECRET, None, name, frozenset()) for name in ("ann", "bob"))
NOTHING = RecentChange(None, is_unknown=False)


class Clock:
    """Replaces the system's clock, which all processes share."""

    now = 10**15

    def __call__(self) -> int:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += int(seconds * 1e9)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(recent_changes, "monotonic_ns", clock)
    return clock


@pytest.fixture
def file() -> Iterator[Path]:
    with shared_file(2) as file:
        yield file


def in_child(work: Callable[[], object]) -> int:
    """Calls the function in a forked process, and returns its id. 0 is not returned."""
    if child := os.fork():
        return child
    status = 1
    try:
        work()
        status = 0
    finally:
        os._exit(status)


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_position_is_read_as_it_was_written() -> None:
    for position in (Position(1, 0x16B3748), Position(2**32 - 1, 2**64 - 1)):
        assert parse_position(str(position)) == position
    assert Position(1, 0x2_0000_00FF).lsn == "2/FF"


def test_a_position_covers_earlier_ones_of_its_timeline() -> None:
    position = Position(2, 100)
    assert [position.covers(Position(2, each)) for each in (99, 100, 101)] == [True, True, False]
    assert not position.covers(Position(1, 1))
    assert not position.covers(Position(3, 1))


def test_the_newest_position_of_each_principal_is_kept_for_some_seconds(clock: Clock) -> None:
    changes = RecentChanges()
    assert changes.of(ANN) == NOTHING
    changes.record(ANN, Position(1, 200))
    changes.record(ANN, Position(1, 100))  # another thread was faster
    assert changes.of(ANN) == RecentChange(Position(1, 200), is_unknown=False)
    assert changes.of(BOB) == changes.of(None) == NOTHING
    clock.wait(9.9)
    assert changes.of(ANN).position == Position(1, 200)
    clock.wait(0.2)
    assert changes.of(ANN) == NOTHING
    changes.record(ANN, Position(1, 100))
    assert changes.of(ANN).position == Position(1, 100)


def test_a_machine_that_has_just_started_has_no_recent_changes(clock: Clock) -> None:
    """The system's clock starts at 0, which is also the time of an unused entry."""
    clock.now = 10**9
    assert RecentChanges().of(ANN) == NOTHING


def test_an_unknown_position_is_kept_next_to_known_ones(clock: Clock) -> None:
    changes = RecentChanges()
    changes.record(ANN, None)
    clock.wait(5)
    changes.record(ANN, Position(1, 100))
    assert changes.of(ANN) == RecentChange(Position(1, 100), is_unknown=True)
    clock.wait(6)
    assert changes.of(ANN) == RecentChange(Position(1, 100), is_unknown=False)


def test_a_later_timeline_replaces_an_earlier_one() -> None:
    changes = RecentChanges()
    changes.record(ANN, Position(1, 200))
    changes.record(ANN, Position(2, 150))
    assert changes.of(ANN).position == Position(2, 150)


def test_all_processes_see_the_changes_of_each_other(file: Path) -> None:
    changes = RecentChanges(file)

    def record(location: int) -> None:
        RecentChanges(file).record(ANN, Position(1, location))

    children = [in_child(partial(record, each)) for each in (300, 200)]
    assert [ended(each) for each in children] == [0, 0]
    assert changes.of(ANN) == RecentChange(Position(1, 300), is_unknown=False)
    changes.record(BOB, None)
    assert RecentChanges(file).of(BOB).is_unknown


def test_a_killed_process_leaves_its_part_to_the_next_one(file: Path) -> None:
    """A worker that is killed is replaced any number of times."""
    for number in range(8):
        ready, write = os.pipe()

        def work(number: int = number, write: int = write) -> None:
            RecentChanges(file).record(ANN, Position(1, 100 + number))
            os.write(write, b"x")
            signal.pause()

        child = in_child(work)
        os.read(ready, 1)
        os.kill(child, signal.SIGKILL)
        assert ended(child) == -signal.SIGKILL
        os.close(ready)
        os.close(write)
    assert RecentChanges(file).of(ANN).position == Position(1, 107)


def test_threads_keep_the_newest_position() -> None:
    changes = RecentChanges()

    def record(first: int) -> None:
        for each in range(first, 4000, 4):
            changes.record(ANN, Position(1, each))

    threads = [Thread(target=record, args=(first,)) for first in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert changes.of(ANN).position == Position(1, 3999)


def test_the_memory_is_bounded(clock: Clock) -> None:
    changes = RecentChanges()
    for number in range(20_000):
        changes.record(Principal(SECRET, None, str(number), frozenset()), Position(1, number + 1))
    last = Principal(SECRET, None, "19999", frozenset())
    assert changes.of(last).position == Position(1, 20_000)
    first = changes.of(Principal(SECRET, None, "0", frozenset())).position
    assert first
    assert first.covers(Position(1, 1)), "a shared entry has the newer position"


def test_the_file_is_private_and_is_removed() -> None:
    with shared_file(2) as file:
        assert file.stat().st_mode & 0o077 == 0
        status = file.stat()
        assert status.st_blocks * 512 >= status.st_size, "a write needs no other space on the disk"
        with shared_file(2) as other:
            assert file.exists(), "a service does not remove the file of another"
    assert not file.exists()
    assert not other.exists()


def test_the_file_of_a_killed_service_is_removed_by_the_next_one() -> None:
    ready, write = os.pipe()

    def work() -> None:
        with shared_file(2) as file:
            os.write(write, str(file).encode())
            signal.pause()

    child = in_child(work)
    left = Path(os.read(ready, 1000).decode())
    os.kill(child, signal.SIGKILL)
    ended(child)
    os.close(ready)
    os.close(write)
    assert left.exists()
    assert left.parent == Path(tempfile.gettempdir())
    with shared_file(2):
        assert not left.exists()


def test_a_pipe_of_another_user_does_not_block_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any user can create files in the folder, and opening a pipe waits for its writer."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with shared_file(2) as file:
        prefix, *_ = file.name.rpartition("-")
    os.mkfifo(tmp_path / f"{prefix}-pipe")

    def work() -> None:
        signal.alarm(10)
        with shared_file(2):
            pass

    assert ended(in_child(work)) == 0


def test_a_file_that_cannot_be_locked_is_removed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """For example on a network file system without locks."""

    def refuse(_: object, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="No locks available"), shared_file(2):
        pass
    assert [*tmp_path.iterdir()] == []


def test_a_part_that_cannot_be_locked_is_reported_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "lockf", refuse)
    with pytest.raises(OSError, match="No locks available"):
        RecentChanges(file)
