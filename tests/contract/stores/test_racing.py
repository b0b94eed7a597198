"""Concurrent units of work: conflicts are detected, and no acknowledged change is lost."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from types import NoneType
from typing import TypeVar

import pytest
from contract.stores.directories import ANONYMOUS, Directory
from database_processes import in_processes, write

from application.deadlines import deadline
from application.ports import ConcurrentUpdate
from application.users import USER_TYPE
from domain.errors import RosterError
from domain.users import EmailTaken, NewUser, User, UserChanges

THREADS = 20


R = TypeVar("R")


def at_once(work: Callable[[int], R], times: int = THREADS) -> list[R | RosterError]:
    """Calls `work` in concurrent threads, and returns the results and the errors."""
    start = Barrier(THREADS)

    def one(number: int) -> R | RosterError:
        if number < THREADS:
            start.wait()
        try:
            with deadline(30):
                return work(number)
        except RosterError as error:
            return error

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(one, range(times)))


def test_exactly_one_of_20_concurrent_creations_of_an_email_succeeds(directory: Directory) -> None:
    spellings = ("é@example.org", "É@example.org", "e\u0301@example.org")
    results = at_once(lambda number: directory.add(spellings[number % 3], f"Creator {number}"))
    won = [result for result in results if isinstance(result, User)]
    assert [type(result) for result in results].count(EmailTaken) == THREADS - 1
    assert directory.find() == won


def test_100_concurrent_changes_are_all_applied(directory: Directory) -> None:
    user = directory.add("ann@example.org", "0")

    def changing(number: int) -> User:
        return directory.commands.change(user.id, UserChanges({"name": f"n{number}"}), ANONYMOUS)

    results = at_once(changing, times=100)
    versions = [result.version for result in results if isinstance(result, User)]
    assert sorted(versions) == list(range(2, 102))
    assert directory.reader.get(user.id).version == 101


def test_exactly_one_of_20_concurrent_changes_of_a_version_succeeds(directory: Directory) -> None:
    user = directory.add("ann@example.org")

    def changing(number: int) -> User:
        changes = UserChanges({"name": f"n{number}"})
        return directory.commands.change(user.id, changes, ANONYMOUS, expected=[1])

    won = [result for result in at_once(changing) if isinstance(result, User)]
    assert [directory.reader.get(user.id)] == won


def test_a_unit_with_locks_has_no_conflicts(directory: Directory) -> None:
    user = directory.add("ann@example.org")

    def changing(number: int) -> None:
        with directory.begin(ANONYMOUS, for_update=True) as work:
            before = work.repository(USER_TYPE).get(user.id)
            changes = UserChanges({"name": f"n{number}"})
            work.repository(USER_TYPE).save(
                before.with_changes(changes, at=work.now), before=before
            )

    assert at_once(changing) == [None] * THREADS
    assert directory.reader.get(user.id).version == 1 + THREADS


@pytest.mark.parametrize("kind", ["postgresql_18", "postgresql_15", "mariadb"])
def test_a_deadlock_is_a_conflict_for_one_unit(directory: Directory) -> None:
    ids = [directory.add(f"user{number}@example.org").id for number in range(2)]
    both_have_a_lock = Barrier(2)

    def crossing(number: int) -> None:
        with directory.begin(ANONYMOUS, for_update=True) as work:
            work.repository(USER_TYPE).get(ids[number])
            both_have_a_lock.wait()
            work.repository(USER_TYPE).get(ids[1 - number])

    def one(number: int) -> RosterError | None:
        try:
            with deadline(30):
                crossing(number)
        except RosterError as error:
            return error
        return None

    with ThreadPoolExecutor(2) as threads:
        results = list(threads.map(one, range(2)))
    assert {type(result) for result in results} == {ConcurrentUpdate, NoneType}, results


@pytest.mark.parametrize("kind", ["sqlite", "postgresql_18", "mariadb"])
def test_concurrent_processes_lose_no_changes(directory: Directory) -> None:
    user = directory.add("ann@example.org")
    calls = [(f"writer{number}", user.id, 50) for number in range(3)]
    in_processes(write, directory.engine, calls)
    assert directory.reader.get(user.id).version == 1 + 3 * 50
    assert len(directory.find()) == 1 + 3 * 50


def test_concurrent_imports_add_each_email_once(directory: Directory) -> None:
    new = [NewUser(email=f"u{number}@example.org", name="Ann") for number in range(50)]

    def adding(number: int) -> int:
        with directory.begin(ANONYMOUS) as work:
            return len(new) - len(work.repository(USER_TYPE).add_many(new, at=work.now))

    results = at_once(adding)
    assert sorted(results, key=str) == [0] * (THREADS - 1) + [len(new)]
    assert len(directory.find()) == len(new)
