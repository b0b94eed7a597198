"""What was asked for, what was answered, and what is there in the end."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import Enum
from itertools import takewhile
from typing import Any

User = tuple[str, str]  # its id and its name


class Outcome(Enum):
    """What an answer tells of what happened."""

    DONE = "done"
    REFUSED = "nothing happened: 503 with Retry-After in time, or nobody was there to be asked"
    UNKNOWN = "it may have happened: outcome_unknown, or the connection broke"
    WRONG = "what no client should ever be told"


@dataclass(frozen=True)
class Answer:
    """One answer, or its lack."""

    began: float
    ended: float
    outcome: Outcome
    told: str
    document: Any = None

    @property
    def seconds(self) -> float:
        return self.ended - self.began


@dataclass
class Task:
    """Something to be done once: asked for once, or under its key until it is acknowledged.

    The users that it makes have the emails, in the order given; the first has the name, unless
    it is changed later.
    """

    emails: tuple[str, ...]
    name: str | None
    method: str
    path: str
    body: Mapping[str, Any]
    key: str | None = None
    answers: list[Answer] = field(default_factory=list)

    @property
    def outcome(self) -> Outcome:
        found = {answer.outcome for answer in self.answers}
        order = (Outcome.DONE, Outcome.UNKNOWN, Outcome.WRONG)
        return next((each for each in order if each in found), Outcome.REFUSED)

    @property
    def acknowledged(self) -> bool:
        return self.outcome is Outcome.DONE

    @property
    def ids(self) -> tuple[str, ...]:
        """Of the users that it made, as the first answer told them."""
        document = next(each for each in self.answers if each.outcome is Outcome.DONE).document
        results = document.get("atomic:results") or [document]
        return tuple(result["data"]["id"] for result in results)[: len(self.emails)]


@dataclass(frozen=True)
class Account:
    """What came of a fault. From `lost` to `wrong_responses` there must be none."""

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
"""What there must be none of."""


def _shown(cell: float) -> str:
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)


def account(
    makings: Sequence[Task],
    changes: Iterable[Sequence[Task]],
    answers: Sequence[Answer],
    users: Sequence[Mapping[str, Any]],
    events: Iterable[Mapping[str, Any]],
    mended: float,
) -> Account:
    """Reckon it. `changes` are those of one user each, in the order in which they were sent.

    `events` are all that happened, in their order: they must lead to the users that are there.
    """
    found = {
        user["attributes"]["email"]: (user["id"], user["attributes"]["name"]) for user in users
    }
    series = list(changes)
    tasks = [*makings, *(task for each in series for task in each)]
    outcomes = Counter(task.outcome for task in tasks)
    states = {id(task): _state(task, found) for task in makings}
    return Account(
        tried=len(tasks),
        acknowledged=outcomes[Outcome.DONE],
        refused=outcomes[Outcome.REFUSED],
        unknown=outcomes[Outcome.UNKNOWN],
        lost=sum(task.acknowledged and states[id(task)] == "absent" for task in makings)
        + sum(_lost(each, found) for each in series),
        duplicated=len(users) - len(found) + sum(_made_again(task, found) for task in makings),
        half_applied=sum(state == "half" for state in states.values()),
        done_though_refused=sum(
            task.outcome is Outcome.REFUSED and states[id(task)] != "absent" for task in makings
        )
        + sum(_done_though_refused(each, found) for each in series),
        missing_events=len(_with_missing_events(users, events)),
        wrong_responses=sum(answer.outcome is Outcome.WRONG for answer in answers),
        failed_after_the_fault=len(_failed(answers, mended)),
        seconds_to_recover=_recovery(answers, mended),
    )


def _state(task: Task, found: Mapping[str, User]) -> str:
    there = [found[email] for email in task.emails if email in found]
    if not there:
        return "absent"
    whole = len(there) == len(task.emails) and task.name in (None, there[0][1])
    return "whole" if whole else "half"


def _made_again(task: Task, found: Mapping[str, User]) -> bool:
    """Whether what is there is another than what was acknowledged."""
    if not task.acknowledged:
        return False
    pairs = zip(task.emails, task.ids, strict=True)
    return any(found[email][0] != user_id for email, user_id in pairs if email in found)


def _lost(changes: Sequence[Task], found: Mapping[str, User]) -> int:
    """The acknowledged changes after the one that is there."""
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
    """The ids of those to whose state their events do not lead, step by step."""
    broken = set()
    states: dict[str, dict[str, Any]] = {}
    versions: dict[str, int] = {}
    for event in events:
        user_id = event["subject_id"]
        if user_id is None:  # an import, beside its users
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
        told = states.get(user_id, {})
        told = {name: value for name, value in told.items() if value is not None}
        if {name: told.get(name) for name in ("email", "name")} != {
            name: there.get(user_id, {}).get(name) for name in ("email", "name")
        }:
            broken.add(user_id)
    return broken


def _failed(answers: Sequence[Answer], mended: float) -> list[Answer]:
    return [each for each in answers if each.began > mended and each.outcome is not Outcome.DONE]


def _recovery(answers: Sequence[Answer], mended: float) -> float:
    """From the mending to the end of the last failure, or else to the first success."""
    failed = _failed(answers, mended)
    done = [each.ended for each in answers if each.ended > mended and each not in failed]
    return max((each.ended for each in failed), default=min(done, default=mended)) - mended
