"""Commands on many users at once, and counts by attribute, on every store."""

import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from contract.stores.directories import ANONYMOUS, Directory

from application.access import InsufficientScope, Principal
from application.bulk_commands import BulkCommands, ChangeSummary
from application.deadlines import deadline
from application.ports import ConcurrentUpdate, Context, Unavailable
from application.queries import Queries
from application.search import Condition, Op, Order, Search, Slice, total_order
from application.units import retrying
from application.users import USER_TYPE
from domain.errors import NotFound
from domain.users import EmailTaken, NewUser, User, UserChanges, UserNotFound

pytestmark = pytest.mark.slow

ALL = Search()
ADMINS = Search((Condition("role", Op.EQ, ("admin",)),))
MORE_THAN_A_PAGE = 1003


@pytest.fixture
def bulk(directory: Directory) -> BulkCommands[NewUser, User]:
    return BulkCommands(USER_TYPE, retrying(directory.begin))


@pytest.fixture
def queries(directory: Directory) -> Queries[NewUser, User]:
    return Queries(USER_TYPE, directory.reader)


@pytest.fixture
def people(directory: Directory) -> list[int]:
    roles = ("admin", "user", "admin", "user", "guest")
    return [
        directory.add(f"u{number}@x.test", f"U{number}", role=role).id
        for number, role in enumerate(roles)
    ]


def state(directory: Directory) -> dict[int, tuple[str, int]]:
    found = directory.reader.page(Search(place=Slice(1000))).items
    return {user.id: (user.role, user.version) for user in found}


def actions(directory: Directory) -> list[tuple[int | None, str]]:
    events = directory.events.page(
        Search(ordering=total_order((Order("id"),)), place=Slice(5000))
    ).items
    return [(event.subject_id, event.action) for event in events]


def test_changes_and_records_the_matches_of_a_search(
    directory: Directory, bulk: BulkCommands[NewUser, User], people: list[int]
) -> None:
    directory.commands.change(people[0], UserChanges({"is_active": True}), ANONYMOUS)
    summary = bulk.change(ADMINS, UserChanges({"is_active": True}), ANONYMOUS)
    assert summary == ChangeSummary(changed=1, unchanged=1)
    assert actions(directory)[-2:] == [(people[0], "changed"), (people[2], "changed")]


def test_a_change_that_ends_a_match_applies_to_every_match(
    directory: Directory, bulk: BulkCommands[NewUser, User], people: list[int]
) -> None:
    assert bulk.change(ADMINS, UserChanges({"role": "user"}), ANONYMOUS).changed == 2
    assert {role for role, _ in state(directory).values()} == {"user", "guest"}


def test_changes_and_deletes_more_than_a_page(
    directory: Directory, bulk: BulkCommands[NewUser, User]
) -> None:
    with directory.begin(ANONYMOUS) as work:
        users = work.repository(USER_TYPE)
        new = [
            USER_TYPE.new(email=f"u{number}@x.test", name="U") for number in range(MORE_THAN_A_PAGE)
        ]
        users.add_many(new, at=work.now)
    seen: list[int] = []

    def watch(items: Iterable[User]) -> Iterator[User]:
        for item in items:
            seen.append(item.id)
            yield item

    changed = bulk.change(ALL, UserChanges({"role": "admin"}), ANONYMOUS, watch)
    assert changed.changed == len(seen) == MORE_THAN_A_PAGE
    assert bulk.delete(ADMINS, ANONYMOUS) == MORE_THAN_A_PAGE
    assert state(directory) == {}
    assert len(actions(directory)) == 3 * MORE_THAN_A_PAGE


def test_returns_entities_in_the_order_of_their_ids(
    directory: Directory, bulk: BulkCommands[NewUser, User], people: list[int]
) -> None:
    first, second = people[3], people[0]
    summary = bulk.change([first, second, first], UserChanges({"role": "owner"}), ANONYMOUS)
    assert [user.id for user in summary.entities] == [first, second]
    assert {user.role for user in summary.entities} == {"owner"}
    assert bulk.delete([first, second, first], ANONYMOUS) == 2
    assert not {first, second} & state(directory).keys()


@pytest.mark.parametrize("command", ["change", "delete", "erase"])
def test_changes_nothing_if_one_id_does_not_exist(
    directory: Directory, bulk: BulkCommands[NewUser, User], people: list[int], command: str
) -> None:
    before = state(directory), actions(directory)
    more = (UserChanges({"role": "owner"}),) if command == "change" else ()
    with pytest.raises(UserNotFound):
        getattr(bulk, command)([people[0], 10**9, people[1]], *more, ANONYMOUS)
    assert (state(directory), actions(directory)) == before


def test_changes_nothing_if_two_users_would_have_the_same_email(
    directory: Directory, bulk: BulkCommands[NewUser, User], people: list[int]
) -> None:
    before = state(directory), actions(directory)
    with pytest.raises(EmailTaken):
        bulk.change(ADMINS, UserChanges({"email": "one@x.test"}), ANONYMOUS)
    assert (state(directory), actions(directory)) == before


def test_repeats_the_whole_attempt_after_a_conflict(
    bulk: BulkCommands[NewUser, User], people: list[int]
) -> None:
    attempts: list[list[int]] = []

    def watch(items: Iterable[User]) -> Iterator[User]:
        attempts.append([])
        for item in items:
            attempts[-1].append(item.id)
            if len(attempts) == 1 and len(attempts[0]) == 2:
                raise ConcurrentUpdate
            yield item

    assert bulk.delete(ADMINS, ANONYMOUS, watch) == 2
    assert [len(each) for each in attempts] == [2, 2]


@pytest.mark.parametrize("command", ["change", "delete", "erase"])
def test_locks_matches_before_changing_them(
    directory: Directory, bulk: BulkCommands[NewUser, User], people: list[int], command: str
) -> None:
    def overtake() -> str:
        try:
            with deadline(0.3):
                directory.commands.change(people[2], UserChanges({"role": "user"}), ANONYMOUS)
        except Unavailable:
            return "had to wait"
        return "overtook"

    outcomes = []

    def watch(items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            with ThreadPoolExecutor(1) as other:
                outcomes.append(other.submit(overtake).result())
            yield item

    changes = (UserChanges({"name": "Ann"}),) if command == "change" else ()
    getattr(bulk, command)(ADMINS, *changes, ANONYMOUS, watch)
    assert outcomes == ["had to wait"] * 2


@pytest.mark.parametrize("kind", ["postgresql_18", "postgresql_15", "mariadb"])
def test_skips_users_that_are_changed_or_deleted_meanwhile(
    directory: Directory, bulk: BulkCommands[NewUser, User], people: list[int]
) -> None:
    with ThreadPoolExecutor(1) as other:
        with directory.begin(ANONYMOUS, for_update=True) as work:
            users = work.repository(USER_TYPE)
            first, second = users.get(people[0]), users.get(people[2])
            after = first.with_changes(UserChanges({"role": "owner"}), at=work.now)
            users.save(after, before=first)
            users.remove(second)
            deleted = other.submit(bulk.delete, ADMINS, ANONYMOUS)
        assert deleted.result() == 0
    assert state(directory)[people[0]] == ("owner", 2)


def test_erases_the_matches_and_users_deleted_before(
    directory: Directory, bulk: BulkCommands[NewUser, User], people: list[int]
) -> None:
    directory.commands.delete(people[4], ANONYMOUS)
    assert bulk.erase([people[4], people[1]], ANONYMOUS) == 2
    assert bulk.erase(ADMINS, ANONYMOUS) == 2
    events = directory.events.page(Search(place=Slice(1000))).items
    assert set(re.findall(r"u\d@x\.test", str(events))) == {"u3@x.test"}


def test_checks_the_access_policy(
    bulk: BulkCommands[NewUser, User], queries: Queries[NewUser, User], people: list[int]
) -> None:
    reader = Context(Principal("secret", None, "ann", frozenset({"users:read"})))
    for command in (
        lambda: bulk.change(ALL, UserChanges({"role": "owner"}), reader),
        lambda: bulk.delete(ALL, reader),
        lambda: bulk.erase(ALL, reader),
        lambda: queries.count_by(ALL, "role", Principal("secret", None, "ann"), limit=1),
    ):
        with pytest.raises(InsufficientScope):
            command()


def test_counts_the_matches(queries: Queries[NewUser, User], people: list[int]) -> None:
    assert queries.count(ALL, None) == 5
    assert queries.count(ADMINS, None) == 2
    assert queries.count(Search((Condition("role", Op.EQ, ("owner",)),)), None) == 0


def test_counts_values_by_descending_frequency(
    queries: Queries[NewUser, User], directory: Directory, people: list[int]
) -> None:
    groups = queries.count_by(ALL, "role", None, limit=10)
    assert (groups.items, groups.more) == ((("admin", 2), ("user", 2), ("guest", 1)), False)
    groups = queries.count_by(ALL, "role", None, limit=2)
    assert (groups.items, groups.more) == ((("admin", 2), ("user", 2)), True)
    assert queries.count_by(ADMINS, "role", None, limit=10).items == (("admin", 2),)
    assert queries.count_by(ALL, "is_active", None, limit=10).items == ((False, 5),)
    groups = queries.count_by(Search(place=Slice(1)), "role", None, limit=10)
    assert groups == queries.count_by(ALL, "role", None, limit=10), "all pages are counted"
    directory.add("ANN@x.test", "u0")
    names = dict(queries.count_by(ALL, "name", None, limit=10).items)
    assert (names["U0"], names["u0"]) == (1, 1), "values are compared exactly"
    times = queries.count_by(ALL, "creation_time", None, limit=10).items
    assert [time for time, _ in times] == sorted(time for time, _ in times)


def test_an_id_that_disappears_is_not_an_internal_error(
    bulk: BulkCommands[NewUser, User], people: list[int]
) -> None:
    bulk.delete([people[0]], ANONYMOUS)
    with pytest.raises(NotFound):
        bulk.delete(people, ANONYMOUS)
