"""Many at once: one wins where one must, and nothing that was answered is lost."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from application.deadlines import deadline
from application.ports import ConcurrentUpdate, Context
from application.search import Search, Slice
from application.users import USER_TYPE
from domain.errors import RosterError
from domain.users import EmailTaken, NewUser, User, UserChanges

NOBODY = Context()
THREADS = 20


def at_once(work: Callable[[int], object], times: int = THREADS) -> list[object]:
    """What each call gave or raised; all of them begin together, THREADS at a time."""
    start = Barrier(THREADS)

    def one(number: int) -> object:
        if number < THREADS:
            start.wait()
        try:
            with deadline(30):
                return work(number)
        except RosterError as error:
            return error

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(one, range(times)))


def test_of_20_creators_of_one_email_exactly_one_wins(directory) -> None:
    spellings = ("é@example.org", "É@example.org", "e\u0301@example.org")
    results = at_once(lambda number: directory.add(spellings[number % 3], f"Creator {number}"))
    won = [result for result in results if isinstance(result, User)]
    assert [type(result) for result in results].count(EmailTaken) == THREADS - 1
    assert directory.reader.page(Search()).items == (*won,)


def test_100_racing_changes_lose_none(directory) -> None:
    user = directory.add("ann@example.org", "0")

    def changing(number: int) -> User:
        return directory.commands.change(user.id, UserChanges({"name": f"n{number}"}), NOBODY)

    results = at_once(changing, times=100)
    assert [result for result in results if not isinstance(result, User)] == []
    assert sorted(result.version for result in results) == list(range(2, 102))
    assert directory.reader.get(user.id).version == 101


def test_of_racing_changes_to_one_version_exactly_one_happens(directory) -> None:
    user = directory.add("ann@example.org")

    def changing(number: int) -> User:
        changes = UserChanges({"name": f"n{number}"})
        return directory.commands.change(user.id, changes, NOBODY, expected=[1])

    won = [result for result in at_once(changing) if isinstance(result, User)]
    assert [directory.reader.get(user.id)] == won


def test_a_unit_that_holds_is_not_overtaken(directory) -> None:
    user = directory.add("ann@example.org")

    def changing(number: int) -> None:
        with directory.begin(NOBODY, for_update=True) as work:
            before = work.repository(USER_TYPE).get(user.id)
            changes = UserChanges({"name": f"n{number}"})
            work.repository(USER_TYPE).save(
                before.with_changes(changes, at=work.now), before=before
            )

    assert at_once(changing) == [None] * THREADS
    assert directory.reader.get(user.id).version == 1 + THREADS


@pytest.mark.parametrize("kind", ["postgresql_18", "postgresql_15", "mariadb"])
def test_units_that_wait_for_each_other_are_overtaken(directory) -> None:
    ids = [directory.add(f"user{number}@example.org").id for number in range(2)]
    both_hold_one = Barrier(2)

    def crossing(number: int) -> None:
        with directory.begin(NOBODY, for_update=True) as work:
            work.repository(USER_TYPE).get(ids[number])
            both_hold_one.wait()
            work.repository(USER_TYPE).get(ids[1 - number])

    def one(number: int) -> object:
        try:
            with deadline(30):
                return crossing(number)
        except RosterError as error:
            return error

    with ThreadPoolExecutor(2) as threads:
        results = list(threads.map(one, range(2)))
    assert [type(result) for result in results].count(ConcurrentUpdate) == 1
    assert None in results, "the other one went through"


_WRITER = """
import sys
from datetime import UTC, datetime
from adapters.sql.engine import make_engine
from adapters.sql.store import SqlStore
from adapters.sql.users import USERS_TABLE
from application.commands import Commands
from application.deadlines import deadline
from application.ports import Context
from application.units import retrying
from application.users import USER_TYPE
from domain.users import NewUser, UserChanges

url, name, user_id, times = *sys.argv[1:3], *map(int, sys.argv[3:])
engine = make_engine(url)
store = SqlStore(engine, lambda: datetime.now(UTC).replace(microsecond=0), [USERS_TABLE])
commands = Commands(USER_TYPE, retrying(store.begin))
for number in range(times):
    with deadline(20):
        commands.change(user_id, UserChanges({"name": f"{name}-{number}"}), Context())
        commands.create(NewUser(email=f"{name}-{number}@example.org", name=name), Context())
engine.dispose()
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql_18", "mariadb"])
def test_processes_that_write_at_once_lose_nothing(directory) -> None:
    user = directory.add("ann@example.org")
    url = directory.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-W", "error", "-c", _WRITER, url]
    writers = [
        subprocess.Popen([*command, f"writer{number}", str(user.id), "50"], stderr=subprocess.PIPE)
        for number in range(3)
    ]
    complaints = [writer.communicate(timeout=60)[1] for writer in writers]
    assert complaints == [b""] * 3
    assert directory.reader.get(user.id).version == 1 + 3 * 50
    assert len(directory.reader.page(Search(place=Slice(1000))).items) == 1 + 3 * 50


def test_of_20_who_add_the_same_many_each_email_is_added_once(directory) -> None:
    new = [NewUser(email=f"u{number}@example.org", name="Ann") for number in range(50)]

    def adding(number: int) -> int:
        with directory.begin(NOBODY) as work:
            return len(new) - len(work.repository(USER_TYPE).add_many(new, at=work.now))

    results = at_once(adding)
    assert sorted(results) == [0] * (THREADS - 1) + [len(new)]
    assert len(directory.reader.page(Search(place=Slice(100))).items) == len(new)
