"""Responses that are stored for repeated requests, on every store."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier, Event
from typing import Any
from uuid import uuid4

import pytest
from contract.stores.directories import ANONYMOUS, Directory

from adapters.memory.repository import MemoryReader
from adapters.memory.store import MemoryStore
from adapters.sql.store import SqlStore
from adapters.sql.users import USERS_TABLE
from application.commands import Commands
from application.deadlines import deadline
from application.idempotency import IdempotentRequest, run_idempotently
from application.ports import (
    KeyInUse,
    KeyReused,
    StoredResponse,
    TooManyStoredResponses,
    Unavailable,
    UnitRunner,
)
from application.units import retrying
from application.users import USER_TYPE
from domain.users import EmailTaken, NewUser

TTL = timedelta(hours=24)
REQUEST = IdempotentRequest("k" * 64, "d" * 64, "o")
THREADS = 12
TAKEN = StoredResponse(409, {"Content-Type": "text/plain"}, b"taken")


Handler = Callable[[UnitRunner], StoredResponse]


def creating(email: str = "ann@example.org") -> Handler:
    """A handler that creates a user."""

    def respond(run: UnitRunner) -> StoredResponse:
        user = Commands(USER_TYPE, run).create(NewUser(email=email, name="Ann"), ANONYMOUS)
        return StoredResponse(201, {"ETag": '"1"', "Location": f"/{user.id}"}, b"\x00\xff{}" * 9)

    return respond


def rejecting(run: UnitRunner) -> StoredResponse:
    """A handler that raises EmailTaken."""
    Commands(USER_TYPE, run).create(NewUser(email="new@example.org", name="New"), ANONYMOUS)
    raise EmailTaken


def send(
    directory: Directory, request: IdempotentRequest = REQUEST, handler: Handler | None = None
) -> StoredResponse:
    """Handles a request, or returns the stored response."""
    run = retrying(directory.begin)
    return run_idempotently(run, request, ANONYMOUS, handler or creating(), lambda _: TAKEN)


def test_returns_the_first_response_again(directory: Directory) -> None:
    first = send(directory)
    assert first.body == b"\x00\xff{}" * 9
    assert [send(directory), send(directory, handler=rejecting)] == [first, first]
    assert directory.emails() == ["ann@example.org"]


def test_stores_a_response_of_any_length(directory: Directory) -> None:
    long = StoredResponse(200, {"ETag": "ü" * 1000}, bytes(range(256)) * 2**12)
    assert send(directory, handler=lambda _: long) == long
    assert send(directory) == long


def test_rejects_a_key_that_is_reused_for_another_request(directory: Directory) -> None:
    send(directory)
    with pytest.raises(KeyReused):
        send(directory, replace(REQUEST, digest="e" * 64))


def test_stores_an_error_response_and_undoes_the_unit(directory: Directory) -> None:
    assert [send(directory, handler=rejecting), send(directory)] == [TAKEN, TAKEN]
    assert directory.emails() == []
    with pytest.raises(KeyReused):
        send(directory, replace(REQUEST, digest="e" * 64))


def test_stores_the_response_to_a_violated_constraint(directory: Directory) -> None:
    directory.add("ann@example.org")
    assert [send(directory), send(directory)] == [TAKEN, TAKEN]
    assert directory.emails() == ["ann@example.org"]


def test_does_not_store_a_retryable_error(directory: Directory) -> None:
    def unavailable(_: UnitRunner) -> StoredResponse:
        raise Unavailable

    with pytest.raises(Unavailable):
        send(directory, handler=unavailable)
    assert send(directory, replace(REQUEST, digest="e" * 64)).status == 201


def test_a_key_can_be_reused_after_its_response_expires(directory: Directory) -> None:
    with directory.begin(ANONYMOUS) as work:
        start = work.now
        assert work.idempotency.reserve("old", "d", owner="o", at=start) is None
        work.idempotency.store("old", StoredResponse(200, {}, b""))
    with directory.begin(ANONYMOUS) as work:
        almost = start + TTL - timedelta(milliseconds=1)
        assert work.idempotency.reserve("old", "d", owner="o", at=almost) == StoredResponse(
            200, {}, b""
        )
    with directory.begin(ANONYMOUS) as work:
        assert work.idempotency.reserve("old", "e", owner="o", at=start + TTL) is None
        work.idempotency.store("old", StoredResponse(201, {}, b""))
    with directory.begin(ANONYMOUS) as work:
        assert work.idempotency.reserve("old", "e", owner="o", at=start + TTL) == StoredResponse(
            201, {}, b""
        )


@pytest.mark.parametrize("kind", ["sqlite", "postgresql_18", "postgresql_15", "mariadb"])
def test_deletes_expired_responses(directory: Directory) -> None:
    for number in range(3):
        send(
            directory,
            IdempotentRequest(str(number), "d", "o"),
            lambda _: StoredResponse(200, {}, b""),
        )
    with directory.begin(ANONYMOUS) as work:
        work.idempotency.reserve("new", "d", owner="o", at=work.now + TTL)
        work.idempotency.store("new", StoredResponse(200, {}, b""))
    with directory.engine.connect() as connection:
        keys = connection.exec_driver_sql("SELECT request_key FROM answers").scalars().all()
    assert keys == ["new"]


def test_handles_concurrent_requests_once_and_returns_the_response_to_all(
    directory: Directory,
) -> None:
    start = Barrier(THREADS)

    def send_request(number: int) -> StoredResponse:
        start.wait()
        with deadline(30):
            return send(directory, handler=creating(f"user{number}@example.org"))

    with ThreadPoolExecutor(THREADS) as threads:
        responses = list(threads.map(send_request, range(THREADS)))
    assert len(directory.emails()) == 1
    assert responses == [responses[0]] * THREADS


@pytest.mark.parametrize("kind", ["postgresql_18", "postgresql_15", "mariadb"])
def test_a_request_that_waits_too_long_for_the_first_response_fails(directory: Directory) -> None:
    started, resumed = Event(), Event()

    def slow(run: UnitRunner) -> StoredResponse:
        started.set()
        assert resumed.wait(20)
        return creating()(run)

    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(send, directory, REQUEST, slow)
        assert started.wait(20)
        with pytest.raises(KeyInUse), deadline(1):
            send(directory)
        resumed.set()
        assert first.result() == send(directory)


LIMITED: dict[str, Any] = {"idempotency_bytes": 10_000}


def now() -> datetime:
    return datetime.now(UTC)


def storing(size: int) -> Handler:
    """A handler that creates a user, and returns a response of `size` bytes."""

    def respond(run: UnitRunner) -> StoredResponse:
        Commands(USER_TYPE, run).create(
            NewUser(email=f"{uuid4().hex}@example.org", name="Ann"), ANONYMOUS
        )
        return StoredResponse(200, {}, b"x" * size)

    return respond


@pytest.fixture
def limited(directory: Directory) -> Directory:
    """The same directory, in which a principal can store 10,000 bytes."""
    if directory.database is None:
        store = MemoryStore(now, **LIMITED)
        return replace(directory, store=store, reader=MemoryReader(USER_TYPE, store))
    return replace(directory, store=SqlStore(directory.engine, now, [USERS_TABLE], **LIMITED))


def test_a_principal_can_store_a_limited_number_of_bytes(limited: Directory) -> None:
    for number in range(3):
        send(limited, IdempotentRequest(f"key{number}", "d", "ann"), storing(3000))
    with pytest.raises(TooManyStoredResponses) as caught:
        send(limited, IdempotentRequest("large", "d", "ann"), storing(3000))
    assert TTL - timedelta(seconds=5) <= timedelta(seconds=caught.value.retry_after)
    assert timedelta(seconds=caught.value.retry_after) <= TTL + timedelta(hours=1)
    send(limited, IdempotentRequest("small", "d", "ann"), storing(900))
    assert len(limited.emails()) == 4
    send(
        limited, IdempotentRequest("key0", "d", "ann"), rejecting
    )  # a stored response is still returned
    send(limited, IdempotentRequest("key0 of another", "d", "bob"), storing(3000))


def test_a_cleanup_does_not_reset_the_limit(limited: Directory) -> None:
    for number in range(3):
        send(limited, IdempotentRequest(f"key{number}", "d", "ann"), storing(3000))
    with limited.begin(ANONYMOUS) as work:
        assert work.idempotency.delete_expired(work.now - TTL) == 0
    with pytest.raises(TooManyStoredResponses):
        send(limited, IdempotentRequest("large", "d", "ann"), storing(3000))


def test_rejects_a_request_before_handling_it_if_there_is_no_space(limited: Directory) -> None:
    with limited.begin(ANONYMOUS) as work:
        work.idempotency.reserve("all", "d", owner="ann", at=work.now)
        work.idempotency.store(
            "all", StoredResponse(200, {}, b"x" * 9998)
        )  # plus {} for the headers
    with pytest.raises(TooManyStoredResponses):
        send(
            limited,
            IdempotentRequest("next", "d", "ann"),
            lambda _: pytest.fail("the request is handled"),
        )
    with limited.begin(ANONYMOUS) as work:
        expired = work.now + TTL + timedelta(hours=1)
        assert work.idempotency.reserve("next", "d", owner="ann", at=expired) is None
        work.idempotency.store("next", StoredResponse(200, {}, b"x" * 9998))


def test_concurrent_requests_of_a_principal_share_the_limit(limited: Directory) -> None:
    send(limited, IdempotentRequest("first", "d", "ann"), storing(5998))

    def send_request(number: int) -> int:
        with deadline(30):
            try:
                return send(
                    limited, IdempotentRequest(f"key{number}", "d", "ann"), storing(998)
                ).status
            except TooManyStoredResponses:
                return 429

    with ThreadPoolExecutor(THREADS) as threads:
        statuses = list(threads.map(send_request, range(100)))
    assert statuses.count(200) == len(limited.emails()) - 1 == 4
