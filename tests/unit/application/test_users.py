"""The use cases, on the in-memory store."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from adapters.memory.repository import MemoryReader
from adapters.memory.store import MemoryStore
from application.commands import Commands
from application.deadlines import deadline
from application.ports import Begin, ConcurrentUpdate, Context, UnitOfWork
from application.search import Search
from application.units import MAX_RETRIES, nested, retrying
from application.users import USER_TYPE
from domain.attributes import ReadOnly, StaleVersion
from domain.users import EmailTaken, NewUser, User, UserChanges, UserNotFound

ANONYMOUS = Context()


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 9, 30, 0, 123000, UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryStore:
    return MemoryStore(clock)


@pytest.fixture
def users(store: MemoryStore) -> MemoryReader[User]:
    return MemoryReader(USER_TYPE, store)


@pytest.fixture
def commands(store: MemoryStore) -> Commands[NewUser, User]:
    return Commands(USER_TYPE, retrying(store.begin))


def new(email: str = "ann@example.org", name: str = "Ann") -> NewUser:
    return NewUser(email=email, name=name)


def test_a_created_user_is_stored(
    commands: Commands[NewUser, User], users: MemoryReader[User], clock: Clock
) -> None:
    ann = commands.create(new(), ANONYMOUS)
    assert users.get(ann.id) == ann
    assert (ann.creation_time, ann.update_time, ann.version) == (clock.now, clock.now, 1)


def test_rejects_an_email_that_is_taken(
    commands: Commands[NewUser, User], users: MemoryReader[User]
) -> None:
    commands.create(new(), ANONYMOUS)
    with pytest.raises(EmailTaken):
        commands.create(new(email="ANN@Example.org"), ANONYMOUS)
    assert [user.email for user in users.page(Search()).items] == ["ann@example.org"]


def test_a_change_is_stored_with_its_time(
    commands: Commands[NewUser, User], users: MemoryReader[User], clock: Clock
) -> None:
    ann = commands.create(new(), ANONYMOUS)
    clock.now += timedelta(seconds=1)
    commands.change(ann.id, UserChanges({"name": "Anne"}), ANONYMOUS)
    stored = users.get(ann.id)
    assert (stored.name, stored.update_time, stored.version) == ("Anne", clock.now, 2)


def test_a_change_without_effect_stores_nothing(
    commands: Commands[NewUser, User], users: MemoryReader[User], clock: Clock
) -> None:
    ann = commands.create(new(), ANONYMOUS)
    clock.now += timedelta(seconds=1)
    assert commands.change(ann.id, UserChanges({"name": "Ann"}), ANONYMOUS) == ann
    assert users.get(ann.id) == ann


def test_a_change_cannot_take_the_email_of_another_user(
    commands: Commands[NewUser, User], users: MemoryReader[User]
) -> None:
    ann, bob = commands.create(new(), ANONYMOUS), commands.create(new("bob@example.org"), ANONYMOUS)
    with pytest.raises(EmailTaken):
        commands.change(bob.id, UserChanges({"email": "Ann@example.org"}), ANONYMOUS)
    assert users.get(bob.id) == bob
    own = commands.change(ann.id, UserChanges({"email": "ANN@example.org"}), ANONYMOUS)
    assert own.email == "ANN@example.org"


def test_rejects_a_change_that_expects_another_version(
    commands: Commands[NewUser, User], users: MemoryReader[User]
) -> None:
    ann = commands.create(new(), ANONYMOUS)
    with pytest.raises(StaleVersion):
        commands.change(ann.id, UserChanges({"name": "Anne"}), ANONYMOUS, expected={2})
    assert users.get(ann.id) == ann
    assert (
        commands.change(ann.id, UserChanges({"name": "Anne"}), ANONYMOUS, expected={1}).version == 2
    )


def test_reports_a_stale_version_before_a_read_only_attribute(
    commands: Commands[NewUser, User],
) -> None:
    ann = commands.create(new(), ANONYMOUS)
    changes = UserChanges({}, {"creation_time": None})
    with pytest.raises(StaleVersion):
        commands.change(ann.id, changes, ANONYMOUS, expected={2})
    with pytest.raises(ReadOnly):
        commands.change(ann.id, changes, ANONYMOUS)


def test_a_deleted_user_and_its_id_do_not_return(
    commands: Commands[NewUser, User], users: MemoryReader[User]
) -> None:
    ann = commands.create(new(), ANONYMOUS)
    commands.delete(ann.id, ANONYMOUS)
    with pytest.raises(UserNotFound):
        users.get(ann.id)
    with pytest.raises(UserNotFound):
        commands.delete(ann.id, ANONYMOUS)
    with pytest.raises(UserNotFound):
        commands.change(ann.id, UserChanges({"name": "Anne"}), ANONYMOUS)
    assert commands.create(new(), ANONYMOUS).id != ann.id


def test_rejects_a_deletion_that_expects_another_version(
    commands: Commands[NewUser, User], users: MemoryReader[User]
) -> None:
    ann = commands.create(new(), ANONYMOUS)
    with pytest.raises(StaleVersion):
        commands.delete(ann.id, ANONYMOUS, expected={2})
    assert users.get(ann.id) == ann
    commands.delete(ann.id, ANONYMOUS, expected={1, 2})
    with pytest.raises(UserNotFound):
        users.get(ann.id)


def test_commands_in_a_unit_are_applied_with_it_or_not_at_all(
    store: MemoryStore, users: MemoryReader[User]
) -> None:
    with pytest.raises(EmailTaken), store.begin(ANONYMOUS) as work:
        joined = Commands(USER_TYPE, nested(work))
        joined.create(new("bob@example.org"), ANONYMOUS)
        joined.create(new(), ANONYMOUS)
        joined.create(new(), ANONYMOUS)
    assert users.page(Search()).items == ()
    with store.begin(ANONYMOUS) as work:
        joined = Commands(USER_TYPE, nested(work))
        bob = joined.create(new("bob@example.org"), ANONYMOUS)
        joined.change(bob.id, UserChanges({"name": "Bob"}), ANONYMOUS)
    assert [user.name for user in users.page(Search()).items] == ["Bob"]


class Conflicting:
    """Begins units of the store. The first ones raise ConcurrentUpdate at their end."""

    def __init__(self, begin: Begin, times: int) -> None:
        self._begin = begin
        self._conflicts = times
        self.locked: list[bool] = []

    @contextmanager
    def __call__(self, context: Context, *, for_update: bool = False) -> Iterator[UnitOfWork]:
        self.locked.append(for_update)
        with self._begin(context, for_update=for_update) as work:
            yield work
            if self._conflicts:
                self._conflicts -= 1
                raise ConcurrentUpdate


def test_a_unit_runs_again_with_locks_after_a_conflict(
    store: MemoryStore, users: MemoryReader[User]
) -> None:
    begin = Conflicting(store.begin, MAX_RETRIES)
    Commands(USER_TYPE, retrying(begin)).create(new(), ANONYMOUS)
    assert begin.locked == [False] + [True] * MAX_RETRIES
    assert [user.version for user in users.page(Search()).items] == [1]


def test_a_unit_with_too_many_conflicts_raises_concurrent_update(
    store: MemoryStore, users: MemoryReader[User]
) -> None:
    begin = Conflicting(store.begin, MAX_RETRIES + 1)
    with pytest.raises(ConcurrentUpdate):
        Commands(USER_TYPE, retrying(begin)).create(new(), ANONYMOUS)
    assert len(begin.locked) == MAX_RETRIES + 1
    assert users.page(Search()).items == ()


def test_pauses_before_each_retry_but_the_first(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[object] = []
    monkeypatch.setattr("application.units.sleep", pauses.append)
    monkeypatch.setattr("application.units.uniform", lambda shortest, longest: (shortest, longest))
    run = Commands(USER_TYPE, retrying(Conflicting(store.begin, MAX_RETRIES)))
    run.create(new(), ANONYMOUS)
    longest = [0.02, 0.04, 0.08, 0.16] + [0.2] * (MAX_RETRIES - 5)
    assert pauses == [(0, each) for each in longest]


def test_does_not_retry_a_conflict_after_the_deadline(store: MemoryStore) -> None:
    begin = Conflicting(store.begin, MAX_RETRIES)
    with deadline(0), pytest.raises(ConcurrentUpdate):
        Commands(USER_TYPE, retrying(begin)).create(new(), ANONYMOUS)
    assert len(begin.locked) == 2


def test_does_not_retry_a_rejected_command(store: MemoryStore) -> None:
    begin = Conflicting(store.begin, 0)
    commands = Commands(USER_TYPE, retrying(begin))
    commands.create(new(), ANONYMOUS)
    with pytest.raises(EmailTaken):
        commands.create(new(), ANONYMOUS)
    assert len(begin.locked) == 2
