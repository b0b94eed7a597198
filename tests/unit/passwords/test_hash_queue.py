from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier, Event, Thread

import pytest
from waiting import until

from adapters.passwords.hash_queue import HashQueue
from application.deadlines import deadline
from application.ports.accounts import Busy

PATIENT = 30.0


def test_threads_hash_in_the_order_of_their_arrival() -> None:
    queue = HashQueue(1, seconds=PATIENT)
    finish = Event()
    order: list[int] = []

    def enter(number: int) -> None:
        with queue:
            order.append(number)
            finish.wait(PATIENT)

    def has_arrived(number: int) -> bool:
        return len(order) + queue.waiting == number

    threads = [Thread(target=enter, args=[number]) for number in range(6)]
    for number, thread in enumerate(threads):
        thread.start()
        until(partial(has_arrived, number + 1))
    assert order == [0]
    assert queue.waiting == 5
    finish.set()
    for thread in threads:
        thread.join(PATIENT)
    assert order == [*range(6)]


def test_the_configured_number_of_threads_hashes_concurrently() -> None:
    queue = HashQueue(3, seconds=PATIENT)
    together = Barrier(3, timeout=PATIENT)

    def enter() -> int:
        with queue:
            return together.wait()

    with ThreadPoolExecutor(3) as pool:
        assert {each.result() for each in [pool.submit(enter) for _ in range(3)]} == {0, 1, 2}


def test_beyond_the_waiting_ones_the_queue_is_busy_at_once() -> None:
    queue = HashQueue(1, waiting=2, seconds=PATIENT)
    entered, finish = Event(), Event()

    def enter() -> None:
        with queue:
            entered.set()
            finish.wait(PATIENT)

    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(enter) for _ in range(3)]
        until(lambda: queue.waiting == 2)
        with pytest.raises(Busy), queue:
            pass
        finish.set()
    assert [each.result() for each in running] == [None, None, None]
    with queue:
        pass  # all places are free again


def test_waiting_ends_after_the_limit_or_at_the_deadline() -> None:
    for queue, seconds in ((HashQueue(1, seconds=0.01), PATIENT), (HashQueue(1), 0.01)):
        with queue:
            with ThreadPoolExecutor(1) as pool:

                def wait(queue: HashQueue = queue, seconds: float = seconds) -> None:
                    with deadline(seconds), queue:
                        pass

                with pytest.raises(Busy):
                    pool.submit(wait).result()
            assert queue.waiting == 0
        with queue:
            pass


def test_a_failure_inside_frees_the_place() -> None:
    queue = HashQueue(1, waiting=0)
    with pytest.raises(ZeroDivisionError), queue:
        raise ZeroDivisionError
    with queue:
        pass


def test_admits_as_many_as_can_hash_or_wait() -> None:
    queue = HashQueue(2, waiting=1)
    with queue.admission(), queue.admission():
        with queue.admission(), pytest.raises(Busy), queue.admission():
            pass
        with queue.admission():  # a place is free again
            pass
