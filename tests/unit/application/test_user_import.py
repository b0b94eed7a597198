"""The import as a use case, on the in-memory store."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.memory.store import MemoryStore
from application.deadlines import deadline, time_left
from application.ports import ConcurrentUpdate, Context, OutcomeUnknown, UnitOfWork
from application.record_import import (
    BATCH,
    Import,
    ImportOptions,
    ImportRefused,
    ImportSummary,
    Record,
    RejectedRecord,
)
from application.users import USER_TYPE
from domain.errors import Problem
from domain.users import NewUser

NOBODY = Context()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(lambda: datetime(2026, 11, 22, tzinfo=UTC))


def records(*users: dict[str, Any]) -> list[Record]:
    return [Record(number, attributes) for number, attributes in enumerate(users, start=1)]


def numbered(count: int) -> Iterator[Record]:
    for number in range(1, count + 1):
        yield Record(number, {"email": f"u{number}@x.test", "name": "U"})


def names(store: MemoryStore) -> list[tuple[str, str]]:
    return [(user.email, user.name) for user in store.rows(USER_TYPE).values()]


class Reports(list[tuple[int, list[str]]]):
    """The lines and codes that were reported, in the order in which they were."""

    def __call__(self, bad: RejectedRecord) -> None:
        self.append((bad.record.line, [error.code for error in bad.errors]))


def test_records_of_many_batches_become_users_in_their_order(store: MemoryStore) -> None:
    count = 2 * BATCH + 1
    tally = Import(USER_TYPE, store.begin)(numbered(count), NOBODY, ImportOptions(), Reports())
    assert tally == ImportSummary(created=count)
    assert names(store) == [(f"u{number}@x.test", "U") for number in range(1, count + 1)]


def test_bad_records_are_reported_in_order_whatever_finds_them(store: MemoryStore) -> None:
    unreadable = Record(3, {}, None, Problem("malformed_csv", "must be better"))
    some = [
        *records({"email": "a@x.test", "name": "A"}, {"email": "A@x.test", "name": "A"}),
        unreadable,
        Record(4, {"email": "b", "name": " "}),
        Record(5, {"email": "Ａ@x.test", "name": "A"}),
    ]
    reports = Reports()
    with pytest.raises(ImportRefused) as refused:
        Import(USER_TYPE, store.begin)(some, NOBODY, ImportOptions(), reports)
    assert reports == [
        (2, ["email_taken"]),
        (3, ["malformed_csv"]),
        (4, ["invalid_email", "blank"]),
        (5, ["email_taken"]),
    ]
    assert refused.value.summary == ImportSummary(bad=4)
    assert names(store) == []


def test_a_duplicate_is_found_batches_later(store: MemoryStore) -> None:
    reports = Reports()
    again = [*numbered(BATCH + 1), Record(BATCH + 2, {"email": "U1@x.test", "name": "Again"})]
    manner = ImportOptions(skip_errors=True)
    tally = Import(USER_TYPE, store.begin)(again, NOBODY, manner, reports)
    assert (tally.created, reports) == (BATCH + 1, [(BATCH + 2, ["email_taken"])])


def test_the_last_record_of_an_email_stands_in_an_update(store: MemoryStore) -> None:
    some = records(
        {"email": "a@x.test", "name": "A1"},
        {"email": "b@x.test", "name": "B"},
        {"email": "A@x.test", "name": "A2"},
        {"email": "A@x.test"},
        {"email": "b@x.test", "name": "B"},
        {"email": "Ａ@x.test", "name": "A3"},
    )
    tally = Import(USER_TYPE, store.begin)(some, NOBODY, ImportOptions(update=True), Reports())
    assert tally == ImportSummary(created=2, changed=2, unchanged=2)
    assert names(store) == [("Ａ@x.test", "A3"), ("b@x.test", "B")]
    assert [user.version for user in store.rows(USER_TYPE).values()] == [3, 1]


def test_a_dry_run_leaves_everything_as_it_is(store: MemoryStore) -> None:
    with store.begin(NOBODY) as work:
        work.repository(USER_TYPE).add(NewUser(email="u1@x.test", name="Before"), at=work.now)
    manner = ImportOptions(update=True, dry_run=True)
    tally = Import(USER_TYPE, store.begin)(numbered(3), NOBODY, manner, Reports())
    assert tally == ImportSummary(created=2, changed=1)
    assert names(store) == [("u1@x.test", "Before")]


def test_a_stream_that_breaks_off_leaves_nothing(store: MemoryStore) -> None:
    def breaking() -> Iterator[Record]:
        yield from numbered(BATCH)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Import(USER_TYPE, store.begin)(breaking(), NOBODY, ImportOptions(), Reports())
    assert names(store) == []


def test_the_unit_opens_within_the_deadline_and_then_has_its_own_time(store: MemoryStore) -> None:
    left: list[float] = []

    def looking() -> Iterator[Record]:
        left.append(time_left() or 0.0)
        yield from numbered(1)

    with deadline(5):
        Import(USER_TYPE, store.begin)(looking(), NOBODY, ImportOptions(), Reports())
    assert left[0] > 3600


@pytest.mark.parametrize("refusal", [ConcurrentUpdate, OutcomeUnknown])
@pytest.mark.parametrize("update", [False, True])
def test_a_stream_is_not_taken_twice_and_so_an_update_holds_what_it_reads(
    store: MemoryStore, refusal: type[Exception], update: bool
) -> None:
    opened = []

    @contextmanager
    def begin(context: Context, *, for_update: bool = False) -> Iterator[UnitOfWork]:
        opened.append(for_update)
        with store.begin(context) as work:
            yield work
        raise refusal

    with pytest.raises(refusal):
        Import(USER_TYPE, begin)(numbered(1), NOBODY, ImportOptions(update=update), Reports())
    assert opened == [update]
