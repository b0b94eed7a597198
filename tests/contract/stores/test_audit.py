"""The audit log on every store."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise
from typing import Any

import pytest
from contract.stores.directories import ANONYMOUS, Directory
from sqlalchemy import Engine

from adapters.sql.engine import make_engine
from application.access import Principal
from application.audit import Event, History
from application.commands import Commands
from application.deadlines import deadline
from application.ports import Context, UnitOfWork
from application.search import Condition, Op, Order, Search, Slice
from application.units import nested, retrying
from application.users import USER_TYPE
from domain.errors import RosterError
from domain.users import NewUser, User, UserChanges, UserNotFound

SCOPES = frozenset({"users:read", "users:write", "users:erase"})
ANN_PHONE = Context(Principal("key_set", "https://issuer.test/é", "ann's phone é", SCOPES), "r-1")


def history(directory: Directory, user_id: int, **options: Any) -> tuple[Event, ...]:
    users = History(USER_TYPE, directory.events, directory.reader.get)
    return users.page(user_id, Search(users.about(user_id), **options), None).items


def recorded(directory: Directory, user_id: int) -> list[tuple[str, int | None, object]]:
    return [(event.action, event.version, event.changes) for event in history(directory, user_id)]


def feed(directory: Directory, *, size: int = 100) -> list[tuple[int, Event]]:
    """Reads all events in pages, each after the last position of the page before."""
    events: list[tuple[int, Event]] = []
    while page := directory.events.read_from(events[-1][0] if events else 0, size=size):
        events += page
    return events


def test_a_history_is_about_one_entity_for_any_search(directory: Directory) -> None:
    ann, bob = directory.add("ann@example.org"), directory.add("bob@example.org")
    users = History(USER_TYPE, directory.events, directory.reader.get)
    assert users.page(ann.id, Search(), None).items == history(directory, ann.id)
    assert users.page(ann.id, Search(users.about(bob.id)), None).items == ()


@pytest.mark.parametrize(
    "found",
    [
        Condition("action", Op.EQ, ("changed",), True),
        Condition("action", Op.CONTAINS, ("hange",), True),
    ],
)
def test_finds_events_by_their_action(directory: Directory, found: Condition) -> None:
    ann = directory.add("ann@example.org")
    for name in ("Anna", "Anne"):
        directory.commands.change(ann.id, UserChanges({"name": name}), ANONYMOUS)
    directory.commands.delete(ann.id, ANONYMOUS)
    users = History(USER_TYPE, directory.events, directory.reader.get)
    page = users.page(ann.id, Search((*users.about(ann.id), found)), None)
    assert [event.action for event in page.items] == ["changed", "changed"]


def test_records_each_change_of_a_user(directory: Directory) -> None:
    ann = directory.add("ann@example.org", "Ann")
    changes = UserChanges({"name": "Änne 👩‍🚀", "is_active": True, "role": "user"})
    directory.commands.change(ann.id, changes, ANONYMOUS)
    directory.commands.delete(ann.id, ANONYMOUS)
    nothing = {"from": None}
    assert recorded(directory, ann.id) == [
        (
            "created",
            1,
            {
                "email": {"from": None, "to": "ann@example.org"},
                "name": {"from": None, "to": "Ann"},
                "is_active": {"from": None, "to": False},
                "role": nothing | {"to": "user"},
            },
        ),
        (
            "changed",
            2,
            {
                "name": {"from": "Ann", "to": "Änne 👩‍🚀"},
                "is_active": {"from": False, "to": True},
            },
        ),
        (
            "deleted",
            3,
            {
                "email": {"from": "ann@example.org", "to": None},
                "name": {"from": "Änne 👩‍🚀", "to": None},
                "is_active": {"from": True, "to": None},
                "role": {"from": "user", "to": None},
            },
        ),
    ]


def test_an_event_has_its_time_and_actor(directory: Directory) -> None:
    with directory.begin(ANN_PHONE) as work:
        user = work.repository(USER_TYPE).add(
            NewUser(email="ann@example.org", name="Ann"), at=work.now
        )
        now = work.now
    (event,) = history(directory, user.id)
    assert (event.time, event.actor, event.request_id) == (now, "ann's phone é", "r-1")
    assert (event.subject_type, event.subject_id) == ("users", user.id)
    assert history(directory, directory.add("bob@example.org").id)[0].actor is None


def test_records_the_changes_of_a_new_use_case(directory: Directory) -> None:
    def suspend(work: UnitOfWork, user_id: int) -> None:
        user = work.repository(USER_TYPE).get(user_id)
        off = user.with_changes(UserChanges({"is_active": False, "role": "suspended"}), at=work.now)
        work.repository(USER_TYPE).save(off, before=user)

    user = directory.add("ann@example.org", is_active=True)
    retrying(directory.begin)(ANN_PHONE, lambda work: suspend(work, user.id))
    last = history(directory, user.id)[-1]
    assert (last.action, last.actor, last.changes) == (
        "changed",
        "ann's phone é",
        {"is_active": {"from": True, "to": False}, "role": {"from": "user", "to": "suspended"}},
    )


def test_does_not_record_a_change_without_effect(directory: Directory) -> None:
    user = directory.add("ann@example.org")
    directory.commands.change(user.id, UserChanges({"name": user.name}), ANONYMOUS)
    with directory.begin(ANONYMOUS) as work:
        work.repository(USER_TYPE).save(user, before=user)
    assert [event.action for event in history(directory, user.id)] == ["created"]


def test_does_not_record_a_failed_unit(directory: Directory) -> None:
    user = directory.add("ann@example.org")
    with pytest.raises(ZeroDivisionError), directory.begin(ANONYMOUS) as work:
        work.repository(USER_TYPE).add(NewUser(email="bob@example.org", name="Bob"), at=work.now)
        work.repository(USER_TYPE).remove(user)
        raise ZeroDivisionError
    assert [event.action for _, event in feed(directory)] == ["created"]


def test_records_only_changes_before_a_rollback_to_a_savepoint(directory: Directory) -> None:
    with directory.begin(ANONYMOUS) as work:
        joined = Commands(USER_TYPE, nested(work))
        ann = joined.create(NewUser(email="ann@example.org", name="Ann"), ANONYMOUS)
        undo = work.savepoint()
        joined.create(NewUser(email="bob@example.org", name="Bob"), ANONYMOUS)
        joined.change(ann.id, UserChanges({"name": "Anne"}), ANONYMOUS)
        undo()
        joined.create(NewUser(email="eve@example.org", name="Eve"), ANONYMOUS)
    emails = [event.changes["email"]["to"] for _, event in feed(directory)]
    assert emails == ["ann@example.org", "eve@example.org"]


def test_records_the_first_state_of_many_users(directory: Directory) -> None:
    directory.add("taken@example.org")
    new = [NewUser(email=f"Ü{n}@example.org", name=f"N\\{n}") for n in range(1500)]
    taken = NewUser(email="TAKEN@example.org", name="Taken")
    with directory.begin(ANN_PHONE) as work:
        assert list(
            work.repository(USER_TYPE).add_many([*new[:700], taken, *new[700:]], at=work.now)
        ) == [700]
    users = directory.find()[1:]
    events = [event for _, event in feed(directory)][1:]
    assert [(e.subject_id, e.version, e.changes["name"]["to"]) for e in events] == [
        (user.id, 1, user.name) for user in users
    ]
    assert {(e.action, e.actor, e.request_id) for e in events} == {
        ("created", "ann's phone é", "r-1")
    }


def test_records_special_characters_unchanged(directory: Directory) -> None:
    name = "100% %s %(user_id)s %% '; -- \\ \\' :x ?"
    with directory.begin(ANONYMOUS) as work:
        user = work.repository(USER_TYPE).add(
            NewUser(email="ann@example.org", name=name), at=work.now
        )
        work.audit.flush()
        assert work.repository(USER_TYPE).get(user.id) == user
    (event,) = history(directory, user.id)
    assert event.changes["name"] == {"from": None, "to": name}


def test_reads_a_history_in_pages_from_its_end(directory: Directory) -> None:
    user = directory.add("ann@example.org")
    directory.add("bob@example.org")
    for number in range(5):
        directory.commands.change(user.id, UserChanges({"name": f"n{number}"}), ANONYMOUS)
    newest = (Order("id", descending=True),)
    page = history(directory, user.id, ordering=newest, place=Slice(2))
    assert [event.version for event in page] == [6, 5]
    page = history(directory, user.id, ordering=newest, place=Slice(2, after=(page[-1].id,)))
    assert [event.version for event in page] == [4, 3]


def test_events_of_concurrent_changes_are_ordered_by_version(directory: Directory) -> None:
    user = directory.add("ann@example.org", "n")

    def changing(number: int) -> object:
        with deadline(30):
            changes = UserChanges({"name": f"n{number}"})
            return directory.commands.change(user.id, changes, ANONYMOUS)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(changing, range(40)))
    events = history(directory, user.id, place=Slice(100))
    assert [event.version for event in events] == list(range(1, 42))
    for earlier, later in pairwise(events[1:]):
        assert later.changes["name"]["from"] == earlier.changes["name"]["to"]
    assert [event for _, event in feed(directory, size=7)] == list(events)


def test_continuing_from_the_last_position_misses_no_event(directory: Directory) -> None:
    emails = [f"u{number}@example.org" for number in range(120)]
    seen: list[tuple[int, Event]] = []

    def adding(email: str) -> object:
        with deadline(30):
            return directory.add(email)

    with ThreadPoolExecutor(6) as threads:
        adding_all = [threads.submit(adding, email) for email in emails]
        while not all(each.done() for each in adding_all):
            seen += directory.events.read_from(seen[-1][0] if seen else 0, size=5)
    assert [each.exception() for each in adding_all] == [None] * len(emails)
    while page := directory.events.read_from(seen[-1][0], size=5):
        seen += page
    positions = [position for position, _ in seen]
    assert positions == sorted(set(positions))
    assert sorted(event.changes["email"]["to"] for _, event in seen) == sorted(emails)


@pytest.mark.parametrize("kind", ["postgresql_18", "postgresql_15", "mariadb"])
def test_an_event_of_a_slow_unit_follows_the_events_already_read(directory: Directory) -> None:
    with ExitStack() as slow:
        work = slow.enter_context(directory.begin(ANONYMOUS))
        user = work.repository(USER_TYPE).add(
            NewUser(email="slow@example.org", name="Slow"), at=work.now
        )
        work.audit.flush()
        work.repository(USER_TYPE).get(user.id)  # now its event is written, with the smaller id
        directory.add("fast@example.org")
        ((position, first),) = directory.events.read_from(0, size=10)
        assert first.changes["email"]["to"] == "fast@example.org"
    ((_, second),) = directory.events.read_from(position, size=10)
    assert second.changes["email"]["to"] == "slow@example.org"
    assert second.id < first.id


def test_positions_never_change(directory: Directory) -> None:
    directory.add("a@example.org")
    before = feed(directory)
    directory.add("b@example.org")
    assert feed(directory)[:1] == before


@pytest.mark.parametrize("exists", [True, False], ids=["exists", "deleted"])
def test_an_erased_history_keeps_its_events_without_personal_data(
    directory: Directory, exists: bool
) -> None:
    user = directory.add("ann@example.org", "Ann")
    other = directory.add("bob@example.org", "Bob")
    directory.commands.change(user.id, UserChanges({"name": "Anne", "role": "admin"}), ANONYMOUS)
    if not exists:
        directory.commands.delete(user.id, ANONYMOUS)
    directory.commands.erase(user.id, ANN_PHONE)
    erased = {"erased": True}
    assert recorded(directory, user.id) == [
        (
            "created",
            1,
            {
                "email": erased,
                "name": erased,
                "is_active": {"from": None, "to": False},
                "role": {"from": None, "to": "user"},
            },
        ),
        ("changed", 2, {"name": erased, "role": {"from": "user", "to": "admin"}}),
        (
            "deleted",
            3,
            {
                "email": erased,
                "name": erased,
                "is_active": {"from": False, "to": None},
                "role": {"from": "admin", "to": None},
            },
        ),
        ("erased", None, {}),
    ]
    assert history(directory, user.id)[-1].actor == "ann's phone é"
    assert history(directory, other.id)[0].changes["name"] == {"from": None, "to": "Bob"}
    with pytest.raises(UserNotFound):
        directory.reader.get(user.id)


def test_rejects_the_erasure_of_an_unknown_user(directory: Directory) -> None:
    user = directory.add("ann@example.org")
    with pytest.raises(UserNotFound):
        directory.commands.erase(user.id + 1, ANONYMOUS)
    assert [event.action for _, event in feed(directory)] == ["created"]


def test_erases_a_long_history_completely(directory: Directory) -> None:
    user = directory.add("ann@example.org", "n")

    def change_often(work: UnitOfWork) -> None:
        now: User = work.repository(USER_TYPE).get(user.id)
        for number in range(1100):
            later = now.with_changes(UserChanges({"name": f"n{number}"}), at=work.now)
            now = work.repository(USER_TYPE).save(later, before=now)

    retrying(directory.begin)(ANONYMOUS, change_often)
    directory.commands.erase(user.id, ANONYMOUS)
    events = history(directory, user.id, place=Slice(3000))
    assert len(events) == 1103
    assert {str(event.changes.get("name")) for event in events[:-1]} == {"{'erased': True}"}


@pytest.mark.parametrize("kind", ["postgresql_18", "postgresql_15"])
def test_events_by_copy_are_the_same(
    directory: Directory, directory_of: Callable[[Engine], Directory]
) -> None:
    url = directory.engine.url.render_as_string(hide_password=False)
    exclusive = directory_of(make_engine(url, exclusive=True))
    new = [NewUser(email=f"u{n}@x.test", name=f"\\N\"'\\{n}") for n in range(3)]
    for context in (ANONYMOUS, ANN_PHONE):
        with exclusive.begin(context) as work:
            work.repository(USER_TYPE).add_many(new, at=work.now)
            users = work.repository(USER_TYPE).find_by_keys(
                USER_TYPE.unique[0], [each.email for each in new]
            )
            now = work.now
        for user in users.values():
            (event,) = history(exclusive, user.id)
            assert event[1:6] == (now, *context.actor, context.request_id)
            assert event.changes["name"] == {"from": None, "to": user.name}
        with exclusive.begin(context) as work:
            for user in users.values():
                work.repository(USER_TYPE).remove(user)


def test_does_not_record_a_rejected_command(directory: Directory) -> None:
    directory.add("ann@example.org")
    with pytest.raises(RosterError):
        directory.add("ANN@example.org")
    assert [event.action for _, event in feed(directory)] == ["created"]
