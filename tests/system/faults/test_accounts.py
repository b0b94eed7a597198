"""The account counts each kind of damage, shown with artificial damage."""

from typing import Any

import pytest
from faults.accounts import Account, Outcome, Reply, Task, account

DONE, REFUSED, UNKNOWN = Outcome.DONE, Outcome.REFUSED, Outcome.UNKNOWN


def user(user_id: str, email: str, name: str) -> dict[str, Any]:
    return {"id": user_id, "attributes": {"email": email, "name": name}}


def task(name: str, outcome: Outcome, *emails: str) -> Task:
    """A task with a reply that has the ids from 1 on."""
    ids = [{"data": {"id": str(number)}} for number, _ in enumerate(emails, 1)]
    reply = Reply(0, 1, outcome, "summary", {"atomic:results": ids})
    return Task(emails, name, "POST", "/", {}, replies=[reply])


def account_of(creations: list[Task], changes: list[Task], users: list[dict[str, Any]]) -> Account:
    return account(creations, [changes], [], users, [], 0)


A, B = user("1", "a", "done"), user("2", "b", "other")


@pytest.mark.parametrize(
    ("outcome", "users", "damage"),
    [
        (DONE, [A, B], {}),
        (UNKNOWN, [A, B], {}),
        (UNKNOWN, [], {}),
        (REFUSED, [], {}),
        (DONE, [], {"lost": 1}),
        (DONE, [user("7", "a", "done"), B], {"duplicated": 1}),
        (DONE, [A, A, B], {"duplicated": 1}),
        (UNKNOWN, [A], {"half_applied": 1}),
        (UNKNOWN, [user("1", "a", "half"), B], {"half_applied": 1}),
        (REFUSED, [A, B], {"done_though_refused": 1}),
    ],
)
def test_damage_to_created_users_is_counted(
    outcome: Outcome, users: list[dict[str, Any]], damage: dict[str, int]
) -> None:
    assert damage_in(account_of([task("done", outcome, "a", "b")], [], users)) == damage


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("third", {}),
        ("fourth", {}),
        ("fifth", {"done_though_refused": 1}),
        ("second", {"lost": 1}),
        ("first", {"lost": 2}),
    ],
)
def test_damage_to_changed_users_is_counted(name: str, damage: dict[str, int]) -> None:
    outcomes = {"first": DONE, "second": DONE, "third": DONE, "fourth": UNKNOWN, "fifth": REFUSED}
    changes = [task(each, outcome, "a") for each, outcome in outcomes.items()]
    assert damage_in(account_of([], changes, [user("1", "a", name)])) == damage


def damage_in(account: Account) -> dict[str, int]:
    names = ("lost", "duplicated", "half_applied", "done_though_refused")
    return {name: getattr(account, name) for name in names if getattr(account, name)}


CREATED = {"email": {"from": None, "to": "a"}, "name": {"from": None, "to": "old"}}
CHANGED = {"name": {"from": "old", "to": "done"}}
DELETED = {"email": {"from": "a", "to": None}, "name": {"from": "done", "to": None}}


def event(version: int, changes: dict[str, Any]) -> dict[str, Any]:
    return {"subject_id": "1", "version": version, "changes": changes}


@pytest.mark.parametrize(
    ("users", "events", "missing_events"),
    [
        ([A], [event(1, CREATED), event(2, CHANGED)], 0),
        ([], [event(1, CREATED), event(2, CHANGED), event(3, DELETED)], 0),
        ([A], [], 1),
        ([A], [event(1, CREATED)], 1),
        ([A], [event(2, CHANGED)], 1),
        ([A], [event(2, CHANGED), event(1, CREATED)], 1),
        ([A], [event(1, CREATED), event(2, CHANGED), event(2, CHANGED)], 1),
        ([A], [event(1, CREATED), event(2, CHANGED), event(3, DELETED)], 1),
        ([], [event(1, CREATED)], 1),
    ],
)
def test_events_that_do_not_lead_to_the_users_are_counted(
    users: list[dict[str, Any]], events: list[dict[str, Any]], missing_events: int
) -> None:
    assert account([], [], [], users, events, 0).missing_events == missing_events
