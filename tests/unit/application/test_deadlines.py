"""Deadlines: the time limit of the current work."""

from threading import Lock, Timer

from application.deadlines import acquire, deadline, restart_deadline, time_left


def left() -> float:
    seconds = time_left()
    assert seconds is not None
    return seconds


def test_there_is_no_deadline_by_default() -> None:
    assert time_left() is None
    with deadline(5):
        assert 0 < left() <= 5
    assert time_left() is None


def test_an_inner_deadline_never_extends_the_outer_one() -> None:
    with deadline(5):
        with deadline(100):
            assert left() <= 5
        with deadline(1):
            assert left() <= 1
        assert left() > 1


def test_no_time_is_left_after_a_deadline() -> None:
    with deadline(0):
        assert time_left() == 0


def test_a_restarted_deadline_has_all_its_time() -> None:
    with deadline(0):
        restart_deadline(5)
        assert left() > 4
    assert time_left() is None


def test_restarting_does_nothing_without_a_deadline() -> None:
    restart_deadline(5)
    assert time_left() is None


def test_waits_for_a_lock_without_a_deadline() -> None:
    lock = Lock()
    assert acquire(lock)
    Timer(0.02, lock.release).start()
    assert acquire(lock)


def test_a_lock_is_not_acquired_after_the_deadline() -> None:
    lock = Lock()
    assert acquire(lock)
    with deadline(0.01):
        assert not acquire(lock)
