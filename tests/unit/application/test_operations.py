"""Many commands in one unit of work, on the in-memory store."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from adapters.memory.store import MemoryStore
from application.commands import Commands
from application.operations import (
    Change,
    Create,
    CreatedBy,
    Delete,
    Operation,
    OperationRefused,
    Operations,
)
from application.ports import ConcurrentUpdate, Context, UnitOfWork
from application.units import MAX_RETRIES, retrying
from application.users import USER_TYPE
from domain.users import EmailTaken, NewUser, User, UserChanges

ANONYMOUS = Context()
ANN = NewUser(email="ann@example.org", name="Ann")
perform = Operations({"users": partial(Commands, USER_TYPE)})


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(lambda: datetime(2026, 11, 22, tzinfo=UTC))


def conflicting(store: MemoryStore, times: int) -> Callable[..., Any]:
    """Begins units. The first ones raise ConcurrentUpdate at their end."""
    conflicts = iter(range(times))

    @contextmanager
    def begin(context: Context, *, for_update: bool = False) -> Iterator[UnitOfWork]:
        with store.begin(context, for_update=for_update) as work:
            yield work
            if next(conflicts, None) is not None:
                raise ConcurrentUpdate

    return begin


def test_a_unit_runs_again_from_its_start_after_a_conflict(store: MemoryStore) -> None:
    operations: list[Operation] = [
        Create("users", ANN),
        Change("users", CreatedBy(0), UserChanges({"name": "Zoë"}), expected=[1]),
        Create("users", NewUser(email="bob@example.org", name="Bob")),
        Delete("users", CreatedBy(2)),
    ]
    run = retrying(conflicting(store, MAX_RETRIES))
    created, changed, bob, deleted = perform(operations, run, ANONYMOUS)
    assert created is not None
    assert changed is not None
    assert bob is not None
    assert list(store.rows(USER_TYPE).values()) == [changed]
    assert (created.id, created.version, changed.version) == (changed.id, 1, 2)
    assert bob.id != changed.id
    assert deleted is None


def test_a_unit_with_too_many_conflicts_raises_concurrent_update(store: MemoryStore) -> None:
    run = retrying(conflicting(store, MAX_RETRIES + 1))
    with pytest.raises(ConcurrentUpdate):
        perform([Create("users", ANN)], run, ANONYMOUS)
    assert store.rows(USER_TYPE) == {}


def test_a_conflict_in_an_operation_does_not_reject_the_unit(store: MemoryStore) -> None:
    attempts: list[int] = []

    class Conflicting(Commands[NewUser, User]):
        def create(self, new: Any, context: Context, **related: Any) -> Any:
            attempts.append(1)
            if len(attempts) == 1:
                raise ConcurrentUpdate
            return super().create(new, context, **related)

    Operations({"users": partial(Conflicting, USER_TYPE)})(
        [Create("users", ANN)], retrying(store.begin), ANONYMOUS
    )
    assert len(store.rows(USER_TYPE)) == 1


@pytest.mark.parametrize(
    ("changed", "locked"),
    [
        ([1, 2], []),
        ([1, 1], []),
        ([2, 1], [[2, 1]]),
        ([1, 3, 2, 1], [[1, 3, 2]]),
    ],
)
def test_operations_lock_the_users_first_unless_they_change_them_by_ascending_id(
    store: MemoryStore, changed: list[int], locked: list[list[int]]
) -> None:
    seen: list[list[int]] = []

    class Watched(Commands[NewUser, User]):
        def lock(self, entity_ids: Collection[int], context: Context) -> None:
            seen.append([*entity_ids])
            super().lock(entity_ids, context)

    run = retrying(store.begin)
    for number in range(3):
        perform([Create("users", replace(ANN, email=f"{number}@example.org"))], run, ANONYMOUS)
    Operations({"users": partial(Watched, USER_TYPE)})(
        [Change("users", each, UserChanges({"name": "Zoë"})) for each in changed], run, ANONYMOUS
    )
    assert seen == locked


def test_a_rejected_operation_is_named_and_undoes_the_others(store: MemoryStore) -> None:
    with pytest.raises(OperationRefused) as caught:
        perform([Create("users", ANN), Create("users", ANN)], retrying(store.begin), ANONYMOUS)
    assert caught.value.position == 1
    assert isinstance(caught.value.error, EmailTaken)
    assert store.rows(USER_TYPE) == {}
