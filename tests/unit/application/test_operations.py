"""Many commands as one unit of work, on the memory store."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from adapters.memory.store import MemoryStore
from application.commands import Commands
from application.operations import Change, Create, CreatedBy, Delete, OperationRefused, Operations
from application.ports import ConcurrentUpdate, Context, UnitOfWork
from application.units import MAX_RETRIES, retrying
from application.users import USER_TYPE
from domain.users import EmailTaken, NewUser, UserChanges

NOBODY = Context()
ANN = NewUser(email="ann@example.org", name="Ann")
perform = Operations({"users": partial(Commands, USER_TYPE)})


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(lambda: datetime(2026, 11, 22, tzinfo=UTC))


def overtaken(store: MemoryStore, times: int) -> Callable[..., Any]:
    """Begins units of which the first are overtaken once all of them is done."""
    left = iter(range(times))

    @contextmanager
    def begin(context: Context, *, for_update: bool = False) -> Iterator[UnitOfWork]:
        with store.begin(context, for_update=for_update) as work:
            yield work
            if next(left, None) is not None:
                raise ConcurrentUpdate

    return begin


def test_a_unit_that_was_overtaken_runs_again_from_the_start(store: MemoryStore) -> None:
    operations = [
        Create("users", ANN),
        Change("users", CreatedBy(0), UserChanges({"name": "Zoë"}), expected=[1]),
        Create("users", NewUser(email="bob@example.org", name="Bob")),
        Delete("users", CreatedBy(2)),
    ]
    run = retrying(overtaken(store, MAX_RETRIES))
    created, changed, bob, gone = perform(operations, run, NOBODY)
    assert list(store.rows(USER_TYPE).values()) == [changed]
    assert (created.id, created.version, changed.version) == (changed.id, 1, 2)
    assert bob.id != changed.id
    assert gone is None


def test_a_unit_that_is_always_overtaken_is_no_operations_fault(store: MemoryStore) -> None:
    run = retrying(overtaken(store, MAX_RETRIES + 1))
    with pytest.raises(ConcurrentUpdate):
        perform([Create("users", ANN)], run, NOBODY)
    assert not store.rows(USER_TYPE)


def test_an_operation_that_is_overtaken_does_not_refuse_the_unit(store: MemoryStore) -> None:
    attempts: list[int] = []

    class Overtaking(Commands):
        def create(self, new: NewUser, context: Context) -> Any:
            attempts.append(1)
            if len(attempts) == 1:
                raise ConcurrentUpdate
            return super().create(new, context)

    Operations({"users": partial(Overtaking, USER_TYPE)})(
        [Create("users", ANN)], retrying(store.begin), NOBODY
    )
    assert len(store.rows(USER_TYPE)) == 1


def test_a_refusal_names_its_operation_and_leaves_nothing(store: MemoryStore) -> None:
    with pytest.raises(OperationRefused) as caught:
        perform([Create("users", ANN), Create("users", ANN)], retrying(store.begin), NOBODY)
    assert caught.value.position == 1
    assert isinstance(caught.value.error, EmailTaken)
    assert not store.rows(USER_TYPE)
