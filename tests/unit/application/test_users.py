"""The use cases, on the in-memory store."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from adapters.memory.repository import MemoryReader
from adapters.memory.store import MemoryStore
from application.commands import Commands
from application.ports import Begin, ConcurrentUpdate, Context, UnitOfWork
from application.search import Search
from application.units import MAX_RETRIES, nested, retrying
from application.users import USER_TYPE
from domain.attributes import ReadOnly, StaleVersion
from domain.users import EmailTaken, NewUser, UserChanges, UserNotFound

NOBODY = Context()


class Clock:
    """A clock that a test moves."""

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
def users(store: MemoryStore) -> MemoryReader:
    return MemoryReader(USER_TYPE, store)


@pytest.fixture
def commands(store: MemoryStore) -> Commands:
    return Commands(USER_TYPE, retrying(store.begin))


def new(email: str = "ann@example.org", name: str = "Ann") -> NewUser:
    return NewUser(email=email, name=name)


def test_a_created_user_is_in_the_directory(
    commands: Commands, users: MemoryReader, clock: Clock
) -> None:
    ann = commands.create(new(), NOBODY)
    assert users.get(ann.id) == ann
    assert (ann.creation_time, ann.update_time, ann.version) == (clock.now, clock.now, 1)


def test_an_email_is_held_once(commands: Commands, users: MemoryReader) -> None:
    commands.create(new(), NOBODY)
    with pytest.raises(EmailTaken):
        commands.create(new(email="ANN@Example.org"), NOBODY)
    assert len(users.page(Search()).items) == 1


def test_a_change_is_stored_with_its_time(
    commands: Commands, users: MemoryReader, clock: Clock
) -> None:
    ann = commands.create(new(), NOBODY)
    clock.now += timedelta(seconds=1)
    commands.change(ann.id, UserChanges({"name": "Anne"}), NOBODY)
    found = users.get(ann.id)
    assert (found.name, found.update_time, found.version) == ("Anne", clock.now, 2)


def test_a_change_that_changes_nothing_stores_nothing(
    commands: Commands, users: MemoryReader, clock: Clock
) -> None:
    ann = commands.create(new(), NOBODY)
    clock.now += timedelta(seconds=1)
    assert commands.change(ann.id, UserChanges({"name": "Ann"}), NOBODY) == ann
    assert users.get(ann.id) == ann


def test_a_change_can_not_take_the_email_of_another(
    commands: Commands, users: MemoryReader
) -> None:
    ann, bob = commands.create(new(), NOBODY), commands.create(new("bob@example.org"), NOBODY)
    with pytest.raises(EmailTaken):
        commands.change(bob.id, UserChanges({"email": "Ann@example.org"}), NOBODY)
    assert users.get(bob.id) == bob
    own = commands.change(ann.id, UserChanges({"email": "ANN@example.org"}), NOBODY)
    assert own.email == "ANN@example.org"


def test_a_change_meant_for_another_version_changes_nothing(
    commands: Commands, users: MemoryReader
) -> None:
    ann = commands.create(new(), NOBODY)
    with pytest.raises(StaleVersion):
        commands.change(ann.id, UserChanges({"name": "Anne"}), NOBODY, expected={2})
    assert users.get(ann.id) == ann
    assert commands.change(ann.id, UserChanges({"name": "Anne"}), NOBODY, expected={1}).version == 2


def test_a_stale_version_is_told_before_a_read_only_attribute(commands: Commands) -> None:
    ann = commands.create(new(), NOBODY)
    changes = UserChanges({}, {"creation_time": None})
    with pytest.raises(StaleVersion):
        commands.change(ann.id, changes, NOBODY, expected={2})
    with pytest.raises(ReadOnly):
        commands.change(ann.id, changes, NOBODY)


def test_a_deleted_user_is_gone_for_good(commands: Commands, users: MemoryReader) -> None:
    ann = commands.create(new(), NOBODY)
    commands.delete(ann.id, NOBODY)
    with pytest.raises(UserNotFound):
        users.get(ann.id)
    with pytest.raises(UserNotFound):
        commands.delete(ann.id, NOBODY)
    with pytest.raises(UserNotFound):
        commands.change(ann.id, UserChanges({"name": "Anne"}), NOBODY)
    assert commands.create(new(), NOBODY).id != ann.id


def test_a_deletion_meant_for_another_version_deletes_nothing(
    commands: Commands, users: MemoryReader
) -> None:
    ann = commands.create(new(), NOBODY)
    with pytest.raises(StaleVersion):
        commands.delete(ann.id, NOBODY, expected={2})
    assert users.get(ann.id) == ann
    commands.delete(ann.id, NOBODY, expected={1, 2})


def test_commands_that_join_a_unit_happen_with_it_or_not_at_all(
    store: MemoryStore, users: MemoryReader
) -> None:
    with pytest.raises(EmailTaken), store.begin(NOBODY) as work:
        joined = Commands(USER_TYPE, nested(work))
        joined.create(new("bob@example.org"), NOBODY)
        joined.create(new(), NOBODY)
        joined.create(new(), NOBODY)
    assert users.page(Search()).items == ()
    with store.begin(NOBODY) as work:
        joined = Commands(USER_TYPE, nested(work))
        bob = joined.create(new("bob@example.org"), NOBODY)
        joined.change(bob.id, UserChanges({"name": "Bob"}), NOBODY)
    assert [user.name for user in users.page(Search()).items] == ["Bob"]


class Overtaking:
    """Units of the store, the first few of which are overtaken when they end."""

    def __init__(self, begin: Begin, times: int) -> None:
        self._begin = begin
        self._left = times
        self.held: list[bool] = []

    @contextmanager
    def __call__(self, context: Context, *, for_update: bool = False) -> Iterator[UnitOfWork]:
        self.held.append(for_update)
        with self._begin(context, for_update=for_update) as work:
            yield work
            if self._left:
                self._left -= 1
                raise ConcurrentUpdate


def test_a_unit_that_was_overtaken_runs_again_and_holds_what_it_reads(
    store: MemoryStore, users: MemoryReader
) -> None:
    begin = Overtaking(store.begin, MAX_RETRIES)
    Commands(USER_TYPE, retrying(begin)).create(new(), NOBODY)
    assert begin.held == [False, True, True, True]
    assert len(users.page(Search()).items) == 1


def test_a_unit_that_is_overtaken_again_and_again_says_so_in_the_end(
    store: MemoryStore, users: MemoryReader
) -> None:
    begin = Overtaking(store.begin, MAX_RETRIES + 1)
    with pytest.raises(ConcurrentUpdate):
        Commands(USER_TYPE, retrying(begin)).create(new(), NOBODY)
    assert len(begin.held) == MAX_RETRIES + 1
    assert users.page(Search()).items == ()


def test_a_refusal_is_not_tried_again(store: MemoryStore) -> None:
    begin = Overtaking(store.begin, 0)
    commands = Commands(USER_TYPE, retrying(begin))
    commands.create(new(), NOBODY)
    with pytest.raises(EmailTaken):
        commands.create(new(), NOBODY)
    assert len(begin.held) == 2
