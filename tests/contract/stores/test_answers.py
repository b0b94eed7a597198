"""Answers that are kept for repetitions: one promise, every store."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier, Event
from uuid import uuid4

import pytest

from adapters.memory.repository import MemoryReader
from adapters.memory.store import MemoryStore
from adapters.sql.store import SqlStore
from adapters.sql.users import USERS_TABLE
from application.commands import Commands
from application.deadlines import deadline
from application.idempotency import IdempotentRequest, run_idempotently
from application.ports import (
    IDEMPOTENCY_TTL,
    Context,
    KeyInUse,
    KeyReused,
    StoredResponse,
    TooManyStoredResponses,
    Unavailable,
    UnitRunner,
)
from application.search import Search
from application.units import retrying
from application.users import USER_TYPE
from domain.users import EmailTaken, NewUser

NOBODY = Context()
ASKED = IdempotentRequest("k" * 64, "d" * 64, "o")
THREADS = 12
TAKEN = StoredResponse(409, {"Content-Type": "text/plain"}, b"taken")


def creating(email: str = "ann@example.org"):
    def answer(run: UnitRunner) -> StoredResponse:
        user = Commands(USER_TYPE, run).create(NewUser(email=email, name="Ann"), NOBODY)
        return StoredResponse(201, {"ETag": '"1"', "Location": f"/{user.id}"}, b"\x00\xff{}" * 9)

    return answer


def refusing(run: UnitRunner) -> StoredResponse:
    Commands(USER_TYPE, run).create(NewUser(email="new@example.org", name="New"), NOBODY)
    raise EmailTaken


def ask(directory, asked: IdempotentRequest = ASKED, answering=None) -> StoredResponse:
    run = retrying(directory.begin)
    return run_idempotently(run, asked, NOBODY, answering or creating(), lambda _: TAKEN)


def emails(directory) -> list[str]:
    return [user.email for user in directory.reader.page(Search()).items]


def test_the_first_answer_is_given_again(directory) -> None:
    first = ask(directory)
    assert first.body == b"\x00\xff{}" * 9
    assert [ask(directory), ask(directory, answering=refusing)] == [first, first]
    assert emails(directory) == ["ann@example.org"]


def test_an_answer_of_any_length_is_kept(directory) -> None:
    long = StoredResponse(200, {"ETag": "ü" * 1000}, bytes(range(256)) * 2**12)
    assert ask(directory, answering=lambda _: long) == long
    assert ask(directory) == long


def test_a_key_is_not_for_another_request(directory) -> None:
    ask(directory)
    with pytest.raises(KeyReused):
        ask(directory, replace(ASKED, digest="e" * 64))


def test_a_refusal_is_an_answer_and_leaves_nothing_else(directory) -> None:
    assert [ask(directory, answering=refusing), ask(directory)] == [TAKEN, TAKEN]
    assert emails(directory) == []
    with pytest.raises(KeyReused):
        ask(directory, replace(ASKED, digest="e" * 64))


def test_what_the_database_refused_is_an_answer_too(directory) -> None:
    directory.add("ann@example.org")
    assert [ask(directory), ask(directory)] == [TAKEN, TAKEN]
    assert emails(directory) == ["ann@example.org"]


def test_what_could_not_be_done_now_is_no_answer(directory) -> None:
    def unavailable(_: UnitRunner) -> StoredResponse:
        raise Unavailable

    with pytest.raises(Unavailable):
        ask(directory, answering=unavailable)
    assert ask(directory, replace(ASKED, digest="e" * 64)).status == 201


def test_a_key_is_free_once_its_answer_is_too_old(directory) -> None:
    with directory.begin(NOBODY) as work:
        start = work.now
        assert work.idempotency.reserve("old", "d", owner="o", at=start) is None
        work.idempotency.store("old", StoredResponse(200, {}, b""))
    with directory.begin(NOBODY) as work:
        almost = start + IDEMPOTENCY_TTL - timedelta(milliseconds=1)
        assert work.idempotency.reserve("old", "d", owner="o", at=almost) == StoredResponse(
            200, {}, b""
        )
    with directory.begin(NOBODY) as work:
        assert work.idempotency.reserve("old", "e", owner="o", at=start + IDEMPOTENCY_TTL) is None
        work.idempotency.store("old", StoredResponse(201, {}, b""))
    with directory.begin(NOBODY) as work:
        assert work.idempotency.reserve(
            "old", "e", owner="o", at=start + IDEMPOTENCY_TTL
        ) == StoredResponse(201, {}, b"")


@pytest.mark.parametrize("kind", ["sqlite", "postgresql_18", "postgresql_15", "mariadb"])
def test_old_answers_are_swept(directory) -> None:
    for number in range(3):
        ask(
            directory,
            IdempotentRequest(str(number), "d", "o"),
            lambda _: StoredResponse(200, {}, b""),
        )
    with directory.begin(NOBODY) as work:
        work.idempotency.reserve("new", "d", owner="o", at=work.now + IDEMPOTENCY_TTL)
        work.idempotency.store("new", StoredResponse(200, {}, b""))
    with directory.engine.connect() as connection:
        kept = connection.exec_driver_sql("SELECT request_key FROM answers").scalars().all()
    assert kept == ["new"]


def test_of_many_at_once_one_does_it_and_all_get_its_answer(directory) -> None:
    start = Barrier(THREADS)

    def asking(number: int) -> StoredResponse:
        start.wait()
        with deadline(30):
            return ask(directory, answering=creating(f"user{number}@example.org"))

    with ThreadPoolExecutor(THREADS) as threads:
        answers = list(threads.map(asking, range(THREADS)))
    assert len(emails(directory)) == 1
    assert answers == [answers[0]] * THREADS


@pytest.mark.parametrize("kind", ["postgresql_18", "postgresql_15", "mariadb"])
def test_who_waits_too_long_for_the_first_answer_is_told(directory) -> None:
    begun, done = Event(), Event()

    def slow(run: UnitRunner) -> StoredResponse:
        begun.set()
        done.wait(20)
        return creating()(run)

    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(ask, directory, ASKED, slow)
        begun.wait(20)
        with pytest.raises(KeyInUse), deadline(1):
            ask(directory)
        done.set()
        assert first.result() == ask(directory)


LIMITED = {"answer_bytes": 10_000}


def now() -> datetime:
    return datetime.now(UTC)


def storing(size: int, then=lambda: None):
    def answer(run: UnitRunner) -> StoredResponse:
        Commands(USER_TYPE, run).create(
            NewUser(email=f"{uuid4().hex}@example.org", name="Ann"), NOBODY
        )
        then()
        return StoredResponse(200, {}, b"x" * size)

    return answer


@pytest.fixture
def limited(directory):
    """The same directory, where a principal can store 10,000 bytes."""
    if directory.engine is None:
        store = MemoryStore(now, **LIMITED)
        return replace(directory, begin=store.begin, reader=MemoryReader(USER_TYPE, store))
    return replace(
        directory,
        begin=SqlStore(directory.engine, now, [USERS_TABLE], **LIMITED).begin,
    )


def test_a_principal_can_store_so_many_bytes(limited) -> None:
    for number in range(3):
        ask(limited, IdempotentRequest(f"key{number}", "d", "ann"), storing(3000))
    with pytest.raises(TooManyStoredResponses) as refused:
        ask(limited, IdempotentRequest("large", "d", "ann"), storing(3000))
    assert IDEMPOTENCY_TTL - timedelta(seconds=5) <= timedelta(seconds=refused.value.retry_after)
    assert timedelta(seconds=refused.value.retry_after) <= IDEMPOTENCY_TTL + timedelta(hours=1)
    ask(limited, IdempotentRequest("small", "d", "ann"), storing(900))
    assert len(emails(limited)) == 4
    ask(limited, IdempotentRequest("key0", "d", "ann"), refusing)  # what is stored can still be had
    ask(limited, IdempotentRequest("key0 of another", "d", "bob"), storing(3000))


def test_a_principal_without_space_is_refused_before_anything_is_done(limited) -> None:
    with limited.begin(NOBODY) as work:
        work.idempotency.reserve("all", "d", owner="ann", at=work.now)
        work.idempotency.store("all", StoredResponse(200, {}, b"x" * 9998))  # and {} of its headers
    with pytest.raises(TooManyStoredResponses):
        ask(
            limited,
            IdempotentRequest("next", "d", "ann"),
            lambda _: pytest.fail("nothing is to be done"),
        )
    with limited.begin(NOBODY) as work:
        expired = work.now + IDEMPOTENCY_TTL + timedelta(hours=1)
        assert work.idempotency.reserve("next", "d", owner="ann", at=expired) is None
        work.idempotency.store("next", StoredResponse(200, {}, b"x" * 9998))


def test_principals_share_the_limit_among_their_requests_at_once(limited) -> None:
    ask(limited, IdempotentRequest("first", "d", "ann"), storing(5998))

    def asking(number: int) -> int:
        with deadline(30):
            try:
                return ask(
                    limited, IdempotentRequest(f"key{number}", "d", "ann"), storing(998)
                ).status
            except TooManyStoredResponses:
                return 429

    with ThreadPoolExecutor(THREADS) as threads:
        statuses = list(threads.map(asking, range(100)))
    assert statuses.count(200) == len(emails(limited)) - 1 == 4
