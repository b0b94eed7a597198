"""Compares the requests and replies of a run with the users that exist at its end."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import Enum
from itertools import takewhile
from typing import Any

User = tuple[str, str]  # its id and its name


class Outcome(Enum):
    """The meaning of a reply for the request."""

    DONE = "done"
    REFUSED = "nothing happened: 503 with Retry-After in time, or no connection"
    UNKNOWN = "it may have happened: outcome_unknown, or the connection broke"
    WRONG = "a reply that no client should receive"


@dataclass(frozen=True)
class Reply:
    """A response, or the error instead of one."""

    began: float
    ended: float
    outcome: Outcome
    summary: str
    document: Any = None

    @property
    def seconds(self) -> float:
        return self.ended - self.began


@dataclass
class Task:
    """A change that must happen once. A task with a key is retried until it is acknowledged.

    The task creates users with the emails, in this order. The first has the name, unless a later
    task changes it.
    """

    emails: tuple[str, ...]
    name: str | None
    method: str
    path: str
    body: Mapping[str, Any]
    key: str | None = None
    replies: list[Reply] = field(default_factory=list)

    @property
    def outcome(self) -> Outcome:
        found = {reply.outcome for reply in self.replies}
        order = (Outcome.DONE, Outcome.UNKNOWN, Outcome.WRONG)
        return next((each for each in order if each in found), Outcome.REFUSED)

    @property
    def acknowledged(self) -> bool:
        return self.outcome is Outcome.DONE

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the created users, from the first successful reply."""
        document = next(each for each in self.replies if each.outcome is Outcome.DONE).document
        results = document.get("atomic:results") or [document]
        return tuple(result["data"]["id"] for result in results)[: len(self.emails)]


@dataclass(frozen=True)
class Account:
    """The consequences of a fault. The counts from `lost` to `wrong_responses` must be 0."""

    tried: int
    acknowledged: int
    refused: int
    unknown: int
    lost: int
    duplicated: int
    half_applied: int
    done_though_refused: int
    missing_events: int
    wrong_responses: int
    failed_after_the_fault: int
    seconds_to_recover: float

    def row(self, fault: str) -> str:
        cells = (getattr(self, each.name) for each in fields(self))
        return f"| {fault} | " + " | ".join(_shown(cell) for cell in cells) + " |"

    @classmethod
    def head(cls) -> tuple[str, str]:
        names = ["fault", *(each.name.replace("_", " ") for each in fields(cls))]
        return f"| {' | '.join(names)} |", f"| --- |{' ---: |' * (len(names) - 1)}"


DAMAGE = (
    "lost",
    "duplicated",
    "half_applied",
    "done_though_refused",
    "missing_events",
    "wrong_responses",
)
"""The fields that must be 0."""


def _shown(cell: float) -> str:
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)


def account(
    creations: Sequence[Task],
    changes: Iterable[Sequence[Task]],
    replies: Sequence[Reply],
    users: Sequence[Mapping[str, Any]],
    events: Iterable[Mapping[str, Any]],
    recovered_at: float,
) -> Account:
    """Returns the account. Each item of `changes` has the tasks for one user in order.

    The `events` must lead to the users.
    """
    found = {
        user["attributes"]["email"]: (user["id"], user["attributes"]["name"]) for user in users
    }
    series = list(changes)
    tasks = [*creations, *(task for each in series for task in each)]
    outcomes = Counter(task.outcome for task in tasks)
    states = {id(task): _state(task, found) for task in creations}
    return Account(
        tried=len(tasks),
        acknowledged=outcomes[Outcome.DONE],
        refused=outcomes[Outcome.REFUSED],
        unknown=outcomes[Outcome.UNKNOWN],
        lost=sum(task.acknowledged and states[id(task)] == "absent" for task in creations)
        + sum(_lost(each, found) for each in series),
        duplicated=len(users) - len(found) + sum(_differs(task, found) for task in creations),
        half_applied=sum(state == "half" for state in states.values()),
        done_though_refused=sum(
            task.outcome is Outcome.REFUSED and states[id(task)] != "absent" for task in creations
        )
        + sum(_done_though_refused(each, found) for each in series),
        missing_events=len(_with_missing_events(users, events)),
        wrong_responses=sum(reply.outcome is Outcome.WRONG for reply in replies),
        failed_after_the_fault=len(_failed(replies, recovered_at)),
        seconds_to_recover=_recovery(replies, recovered_at),
    )


def _state(task: Task, found: Mapping[str, User]) -> str:
    there = [found[email] for email in task.emails if email in found]
    if not there:
        return "absent"
    whole = len(there) == len(task.emails) and task.name in (None, there[0][1])
    return "whole" if whole else "half"


def _differs(task: Task, found: Mapping[str, User]) -> bool:
    """Returns True if the id of a user is not the acknowledged one."""
    if not task.acknowledged:
        return False
    pairs = zip(task.emails, task.ids, strict=True)
    return any(found[email][0] != user_id for email, user_id in pairs if email in found)


def _lost(changes: Sequence[Task], found: Mapping[str, User]) -> int:
    """The number of acknowledged changes after the last one that the user shows."""
    if not changes:
        return 0
    name = found.get(changes[0].emails[0], ("", ""))[1]
    later = list(takewhile(lambda task: task.name != name, reversed(changes)))
    return sum(task.acknowledged for task in later)


def _done_though_refused(changes: Sequence[Task], found: Mapping[str, User]) -> int:
    return sum(
        task.outcome is Outcome.REFUSED and found.get(task.emails[0], ("", ""))[1] == task.name
        for task in changes
    )


def _with_missing_events(
    users: Sequence[Mapping[str, Any]], events: Iterable[Mapping[str, Any]]
) -> set[str]:
    """The ids of the users whose events do not lead to their state."""
    broken = set()
    states: dict[str, dict[str, Any]] = {}
    versions: dict[str, int] = {}
    for event in events:
        user_id = event["subject_id"]
        if user_id is None:  # the event of an import, without a user
            continue
        state = states.setdefault(user_id, {})
        if event["version"] != versions.get(user_id, 0) + 1:
            broken.add(user_id)
        versions[user_id] = event["version"]
        for name, change in event["changes"].items():
            if state.get(name) != change["from"]:
                broken.add(user_id)
            state[name] = change["to"]
    there = {user["id"]: user["attributes"] for user in users}
    for user_id in states.keys() | there.keys():
        logged = states.get(user_id, {})
        logged = {name: value for name, value in logged.items() if value is not None}
        if {name: logged.get(name) for name in ("email", "name")} != {
            name: there.get(user_id, {}).get(name) for name in ("email", "name")
        }:
            broken.add(user_id)
    return broken


def _failed(replies: Sequence[Reply], recovered_at: float) -> list[Reply]:
    late = (each for each in replies if each.began > recovered_at)
    return [each for each in late if each.outcome is not Outcome.DONE]


def _recovery(replies: Sequence[Reply], recovered_at: float) -> float:
    """The seconds from the end of the fault to the last failure, or else to the first success."""
    failed = _failed(replies, recovered_at)
    done = [each.ended for each in replies if each.ended > recovered_at and each not in failed]
    last = max((each.ended for each in failed), default=min(done, default=recovered_at))
    return last - recovered_at
