"""Deadlines: the time by which the work in hand must have its answer."""

from application.deadlines import deadline, restart_deadline, time_left


def left() -> float:
    seconds = time_left()
    assert seconds is not None
    return seconds


def test_there_is_no_deadline_unless_one_is_set() -> None:
    assert time_left() is None
    with deadline(5):
        assert 0 < left() <= 5
    assert time_left() is None


def test_an_inner_deadline_never_prolongs_the_outer_one() -> None:
    with deadline(5):
        with deadline(100):
            assert left() <= 5
        with deadline(1):
            assert left() <= 1
        assert left() > 1


def test_a_deadline_that_passed_leaves_nothing() -> None:
    with deadline(0):
        assert time_left() == 0


def test_work_that_begins_only_now_has_all_its_time() -> None:
    with deadline(0):
        restart_deadline(5)
        assert left() > 4
    assert time_left() is None


def test_work_without_a_deadline_is_given_none() -> None:
    restart_deadline(5)
    assert time_left() is None
