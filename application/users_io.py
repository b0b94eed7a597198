"""Users in their thousands: a stream of records in, what was done with them out.

Nothing here grows with the length of the stream.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import Any, Final, NamedTuple

from application.deadlines import anew
from application.ports import Begin, Context, Overtaken, UnitOfWork
from application.trail import Action, NewEvent
from application.users import RECORDED
from domain.errors import Conflict, Invalid, Problem
from domain.text import email_key
from domain.users import EmailTaken, NewUser, User, UserChanges

BATCH: Final = 1000
LONGEST_SECONDS: Final = 24 * 3600.0
"""A stream may take as long as nobody would wait for a request."""

MOST_FAULTS: Final = 20
"""How many faults of one record are reported."""

_TAKEN: Final = EmailTaken()


class Record(NamedTuple):
    """What a stream says of one user, judged by nobody yet. A tuple, since there are millions.

    `line` is where it begins, from 1; `source` is what its reader wants to remember of it.
    `problem` says why it can't be read, where it can't.
    """

    line: int
    attributes: Mapping[str, Any]
    source: object = None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a record; with which attribute, where it is one's."""

    attribute: str | None
    code: str
    detail: str

    def __str__(self) -> str:
        said = f"{self.code}: {self.detail}"
        return f"{self.attribute}: {said}" if self.attribute is not None else said


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that was not taken, and all that was found wrong with it."""

    record: Record
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """How many records came to what."""

    created: int = 0
    changed: int = 0
    unchanged: int = 0
    bad: int = 0

    @property
    def records(self) -> int:
        """All of them."""
        return self.created + self.changed + self.unchanged + self.bad


class ImportRefused(Conflict):
    """Records were bad, so that nothing was imported: all that is `kept` is their count."""

    code = "import_refused"

    def __init__(self, tally: Tally) -> None:
        super().__init__(f"{tally.bad} of {tally.records} records are bad; nothing was imported.")
        self.kept = Tally(bad=tally.bad)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How records are taken.

    `update`: one whose email is held changes that user, instead of being bad.
    `skip_errors`: the good ones are taken although others are bad.
    `dry_run`: everything is tried and nothing is kept.
    """

    update: bool = False
    skip_errors: bool = False
    dry_run: bool = False


class UserImport:
    """Takes records as users, all of them or none, in one unit of work."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    def __call__(
        self,
        records: Iterable[Record],
        context: Context,
        manner: Manner,
        report: Callable[[BadRecord], None],
    ) -> Tally:
        """Take them in their order; what is bad is reported in that order.

        The unit opens within the deadline, then has LONGEST_SECONDS of its own. Raises
        ImportRefused where a record is bad, unless those are skipped, and what Begin raises.
        """
        take = _updating if manner.update else _adding
        tally = Tally()
        with suppress(_OnlyTried), self._begin(context, holding=manner.update) as work:
            anew(LONGEST_SECONDS)
            source = iter(records)
            while batch := list(islice(source, BATCH)):
                taken = take(work, batch)
                for bad in taken.in_order():
                    report(bad)
                tally = taken.added_to(tally)
            if tally.bad and not manner.skip_errors:
                raise ImportRefused(tally)
            if manner.dry_run:
                raise _OnlyTried
            work.trail.add(
                NewEvent(Action.IMPORTED.value, RECORDED.type, None, None, asdict(tally))
            )
        return tally


class _OnlyTried(Exception):
    """Ends a unit of work of which nothing is to be kept."""


@dataclass(slots=True)
class _Taken:
    """What came of one batch."""

    created: int = 0
    changed: int = 0
    unchanged: int = 0
    bad: list[BadRecord] = field(default_factory=list)

    def refuse(self, record: Record, *faults: Fault) -> None:
        self.bad.append(BadRecord(record, faults))

    def in_order(self) -> list[BadRecord]:
        return sorted(self.bad, key=lambda bad: bad.record.line)

    def added_to(self, tally: Tally) -> Tally:
        return replace(
            tally,
            created=tally.created + self.created,
            changed=tally.changed + self.changed,
            unchanged=tally.unchanged + self.unchanged,
            bad=tally.bad + len(self.bad),
        )


def _judged(
    taken: _Taken, records: Sequence[Record], judge: Callable[[Mapping[str, Any]], Any]
) -> list[tuple[Record, Any]]:
    """The records that can be read and break no rule, each with what the judge made of it."""
    good = []
    for record in records:
        if problem := record.problem:
            taken.refuse(record, Fault(None, problem.code, problem.detail))
            continue
        try:
            good.append((record, judge(record.attributes)))
        except Invalid as error:
            faults = (
                Fault(v.attribute, v.problem.code, v.problem.detail)
                for v in error.violations[:MOST_FAULTS]
            )
            taken.refuse(record, *faults)
    return good


def _adding(work: UnitOfWork, batch: Sequence[Record]) -> _Taken:
    """Every record becomes a new user."""
    taken = _Taken()
    good = _judged(taken, batch, NewUser.of)
    held = work.users.add_many([new for _, new in good], at=work.now)
    for position in held:
        taken.refuse(good[position][0], Fault(_TAKEN.attribute, _TAKEN.code, _TAKEN.detail))
    taken.created = len(good) - len(held)
    return taken


def _updating(work: UnitOfWork, batch: Sequence[Record]) -> _Taken:
    """A record changes the user who holds its email; of several the last one stands."""
    taken = _Taken()
    for some in _without_repeated_emails(_judged(taken, batch, _changes)):
        holders = work.users.holders([changes.attributes["email"] for _, changes in some])
        new = []
        for record, changes in some:
            if user := holders.get(email_key(changes.attributes["email"])):
                _change(work, user, changes, taken)
            else:
                new.append(record._replace(attributes=changes.attributes))
        created = [each for _, each in _judged(taken, new, NewUser.of)]
        if work.users.add_many(created, at=work.now):
            raise Overtaken  # by another who added one since we looked
        taken.created += len(created)
    return taken


def _changes(attributes: Mapping[str, Any]) -> UserChanges:
    """Without an email it can't be found: judged as a new user, which can't do without either."""
    if "email" not in attributes:
        NewUser.of(attributes)
    return UserChanges(attributes)


def _without_repeated_emails(
    good: Sequence[tuple[Record, UserChanges]],
) -> Iterable[list[tuple[Record, UserChanges]]]:
    """Cut where an email comes again, so that a later record finds what an earlier one left."""
    some: dict[str, tuple[Record, UserChanges]] = {}
    for record, changes in good:
        key = email_key(changes.attributes["email"])
        if key in some:
            yield list(some.values())
            some = {}
        some[key] = (record, changes)
    yield list(some.values())


def _change(work: UnitOfWork, user: User, changes: UserChanges, taken: _Taken) -> None:
    after = user.changed(changes, at=work.now)
    if after is user:
        taken.unchanged += 1
    else:
        work.users.save(after, before=user)
        taken.changed += 1
