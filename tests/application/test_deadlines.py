"""Deadlines: the time by which the work in hand must have its answer."""

from application.deadlines import anew, remaining, within


def left() -> float:
    seconds = remaining()
    assert seconds is not None
    return seconds


def test_there_is_no_deadline_unless_one_is_set() -> None:
    assert remaining() is None
    with within(5):
        assert 0 < left() <= 5
    assert remaining() is None


def test_an_inner_deadline_never_prolongs_the_outer_one() -> None:
    with within(5):
        with within(100):
            assert left() <= 5
        with within(1):
            assert left() <= 1
        assert left() > 1


def test_a_deadline_that_passed_leaves_nothing() -> None:
    with within(0):
        assert remaining() == 0


def test_work_that_begins_only_now_has_all_its_time() -> None:
    with within(0):
        anew(5)
        assert left() > 4
    assert remaining() is None


def test_work_without_a_deadline_is_given_none() -> None:
    anew(5)
    assert remaining() is None
