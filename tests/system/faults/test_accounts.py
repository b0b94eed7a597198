"""The reckoning sees each kind of damage, shown by damage that is made up."""

from typing import Any

import pytest
from faults.accounts import Account, Answer, Outcome, Task, account

DONE, REFUSED, UNKNOWN = Outcome.DONE, Outcome.REFUSED, Outcome.UNKNOWN


def user(user_id: str, email: str, name: str) -> dict[str, Any]:
    return {"id": user_id, "attributes": {"email": email, "name": name}}


def task(name: str, outcome: Outcome, *emails: str) -> Task:
    """To which the answer was that the users are those from 1 on."""
    ids = [{"data": {"id": str(number)}} for number, _ in enumerate(emails, 1)]
    answer = Answer(0, 1, outcome, "told", {"atomic:results": ids})
    return Task(emails, name, "POST", "/", {}, answers=[answer])


def reckoned(makings: list[Task], changes: list[Task], users: list[dict[str, Any]]) -> Account:
    return account(makings, [changes], [], users, [], 0)


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
def test_damage_to_what_was_made_is_seen(
    outcome: Outcome, users: list[dict[str, Any]], damage: dict[str, int]
) -> None:
    assert found(reckoned([task("done", outcome, "a", "b")], [], users)) == damage


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
def test_damage_to_what_was_changed_is_seen(name: str, damage: dict[str, int]) -> None:
    outcomes = {"first": DONE, "second": DONE, "third": DONE, "fourth": UNKNOWN, "fifth": REFUSED}
    changes = [task(each, outcome, "a") for each, outcome in outcomes.items()]
    assert found(reckoned([], changes, [user("1", "a", name)])) == damage


def found(account: Account) -> dict[str, int]:
    names = ("lost", "duplicated", "half_applied", "done_though_refused")
    return {name: getattr(account, name) for name in names if getattr(account, name)}


CREATED = {"email": {"from": None, "to": "a"}, "name": {"from": None, "to": "old"}}
CHANGED = {"name": {"from": "old", "to": "done"}}
GONE = {"email": {"from": "a", "to": None}, "name": {"from": "done", "to": None}}


def event(version: int, changes: dict[str, Any]) -> dict[str, Any]:
    return {"subject_id": "1", "version": version, "changes": changes}


@pytest.mark.parametrize(
    ("users", "events", "missing_events"),
    [
        ([A], [event(1, CREATED), event(2, CHANGED)], 0),
        ([], [event(1, CREATED), event(2, CHANGED), event(3, GONE)], 0),
        ([A], [], 1),
        ([A], [event(1, CREATED)], 1),
        ([A], [event(2, CHANGED)], 1),
        ([A], [event(2, CHANGED), event(1, CREATED)], 1),
        ([A], [event(1, CREATED), event(2, CHANGED), event(2, CHANGED)], 1),
        ([A], [event(1, CREATED), event(2, CHANGED), event(3, GONE)], 1),
        ([], [event(1, CREATED)], 1),
    ],
)
def test_a_trail_that_does_not_lead_to_what_is_there_is_seen(
    users: list[dict[str, Any]], events: list[dict[str, Any]], missing_events: int
) -> None:
    assert account([], [], [], users, events, 0).missing_events == missing_events
