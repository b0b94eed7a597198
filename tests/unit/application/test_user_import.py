"""The use case of an import, on the in-memory store."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.memory.store import MemoryStore
from application.deadlines import deadline, time_left
from application.entities import UniqueKey
from application.groups import GROUP_TYPE
from application.imports import (
    BATCH,
    ImportOptions,
    ImportRefused,
    ImportSummary,
    Record,
    RejectedRecord,
)
from application.ports import ConcurrentUpdate, Context, OutcomeUnknown, UnitOfWork
from application.record_import import Import
from application.users import USER_TYPE
from domain.attributes import KeyTaken
from domain.errors import Problem
from domain.text import fold
from domain.users import NewUser

ANONYMOUS = Context()


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
    """The reported lines and codes, in order."""

    def __call__(self, bad: RejectedRecord) -> None:
        self.append((bad.record.line, [error.code for error in bad.errors]))


def test_imports_records_of_many_batches_in_order(store: MemoryStore) -> None:
    count = 2 * BATCH + 1
    summary = Import(USER_TYPE, store.begin)(numbered(count), ANONYMOUS, ImportOptions(), Reports())
    assert summary == ImportSummary(created=count)
    assert names(store) == [(f"u{number}@x.test", "U") for number in range(1, count + 1)]


def test_reports_all_kinds_of_bad_records_in_order(store: MemoryStore) -> None:
    unreadable = Record(3, {}, None, Problem("malformed_csv", "must be valid"))
    mixed = [
        *records({"email": "a@x.test", "name": "A"}, {"email": "A@x.test", "name": "A"}),
        unreadable,
        Record(4, {"email": "b", "name": " "}),
        Record(5, {"email": "Ａ@x.test", "name": "A"}),
    ]
    reports = Reports()
    with pytest.raises(ImportRefused) as caught:
        Import(USER_TYPE, store.begin)(mixed, ANONYMOUS, ImportOptions(), reports)
    assert reports == [
        (2, ["email_taken"]),
        (3, ["malformed_csv"]),
        (4, ["invalid_email", "blank"]),
        (5, ["email_taken"]),
    ]
    assert caught.value.summary == ImportSummary(bad=4)
    assert caught.value.detail == "4 of 5 records are bad; nothing was imported."
    with pytest.raises(ImportRefused, match="1 of 1 records is bad"):
        Import(USER_TYPE, store.begin)([unreadable], ANONYMOUS, ImportOptions(), Reports())
    assert names(store) == []


class Secret:
    """An extra column whose values are not stored."""

    name = "secret"

    def parse(self, value: object) -> Any:
        return value

    def store(self, work: UnitOfWork, values: Any) -> None:
        pass


def test_only_an_extra_column_requires_a_unique_key(store: MemoryStore) -> None:
    without_key = replace(USER_TYPE, unique=())
    summary = Import(without_key, store.begin)(numbered(2), ANONYMOUS, ImportOptions(), Reports())
    assert summary == ImportSummary(created=2)
    with pytest.raises(ValueError, match="secret requires a unique key"):
        Import(without_key, store.begin, extra=Secret())


def test_finds_a_duplicate_in_a_later_batch(store: MemoryStore) -> None:
    reports = Reports()
    records = [*numbered(BATCH + 1), Record(BATCH + 2, {"email": "U1@x.test", "name": "Again"})]
    options = ImportOptions(skip_errors=True)
    summary = Import(USER_TYPE, store.begin)(records, ANONYMOUS, options, reports)
    assert (summary.created, reports) == (BATCH + 1, [(BATCH + 2, ["email_taken"])])


def test_an_update_applies_the_last_record_of_an_email(store: MemoryStore) -> None:
    rows = records(
        {"email": "a@x.test", "name": "A1"},
        {"email": "b@x.test", "name": "B"},
        {"email": "A@x.test", "name": "A2"},
        {"email": "A@x.test"},
        {"email": "b@x.test", "name": "B"},
        {"email": "Ａ@x.test", "name": "A3"},
    )
    summary = Import(USER_TYPE, store.begin)(rows, ANONYMOUS, ImportOptions(update=True), Reports())
    assert summary == ImportSummary(created=2, changed=2, unchanged=2)
    assert names(store) == [("Ａ@x.test", "A3"), ("b@x.test", "B")]
    assert [user.version for user in store.rows(USER_TYPE).values()] == [3, 1]


class DescriptionTaken(KeyTaken):
    """Another group has the description."""

    code = "description_taken"
    noun = "group"
    attribute = "description"
    meaning = "Another group has this description."


TWO_KEYS = replace(
    GROUP_TYPE, unique=(*GROUP_TYPE.unique, UniqueKey("description", DescriptionTaken, fold))
)
"""A type with two unique keys. The second one can be null."""


def test_an_update_rejects_a_record_whose_other_unique_key_is_taken(store: MemoryStore) -> None:
    rows = records(
        {"name": "a", "description": "one"},
        {"name": "b"},
        {"name": "c", "description": "ONE"},
        {"name": "b", "description": "two"},
        {"name": "d", "description": "Two"},
        {"name": "b", "description": "One"},
        {"name": "a", "description": "three"},
        {"name": "b", "description": "one"},
        {"name": "b", "description": "ONE"},
        {"name": "a", "description": None},
        {"name": "c", "description": "three"},
    )
    reports = Reports()
    options = ImportOptions(update=True, skip_errors=True)
    summary = Import(TWO_KEYS, store.begin)(rows, ANONYMOUS, options, reports)
    assert reports == [(each, ["description_taken"]) for each in (3, 5, 6)]
    assert summary == ImportSummary(created=3, changed=5, bad=3)
    assert [(each.name, each.description) for each in store.rows(TWO_KEYS).values()] == [
        ("a", None),
        ("b", "ONE"),
        ("c", "three"),
    ]


def test_an_update_creates_an_entity_for_a_record_without_the_key(store: MemoryStore) -> None:
    by_description = replace(GROUP_TYPE, unique=TWO_KEYS.unique[1:])
    rows = records(
        {"name": "a"}, {"name": "b", "description": None}, {"name": "c", "description": "C"}
    )
    options = ImportOptions(update=True)
    summary = Import(by_description, store.begin)(rows, ANONYMOUS, options, Reports())
    assert summary == ImportSummary(created=3)


def test_a_dry_run_changes_nothing(store: MemoryStore) -> None:
    with store.begin(ANONYMOUS) as work:
        work.repository(USER_TYPE).add(NewUser(email="u1@x.test", name="Before"), at=work.now)
    options = ImportOptions(update=True, dry_run=True)
    summary = Import(USER_TYPE, store.begin)(numbered(3), ANONYMOUS, options, Reports())
    assert summary == ImportSummary(created=2, changed=1)
    assert names(store) == [("u1@x.test", "Before")]


def test_an_interrupted_stream_imports_nothing(store: MemoryStore) -> None:
    def interrupted() -> Iterator[Record]:
        yield from numbered(BATCH)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Import(USER_TYPE, store.begin)(interrupted(), ANONYMOUS, ImportOptions(), Reports())
    assert names(store) == []


def test_an_import_has_its_own_time_limit_after_it_began(store: MemoryStore) -> None:
    left: list[float] = []

    def observed() -> Iterator[Record]:
        left.append(time_left() or 0.0)
        yield from numbered(1)

    with deadline(5):
        Import(USER_TYPE, store.begin)(observed(), ANONYMOUS, ImportOptions(), Reports())
    assert left[0] > 3600


@pytest.mark.parametrize("error", [ConcurrentUpdate, OutcomeUnknown])
@pytest.mark.parametrize("update", [False, True])
def test_does_not_read_a_stream_twice_and_an_update_locks_its_rows(
    store: MemoryStore, error: type[Exception], update: bool
) -> None:
    opened = []

    @contextmanager
    def begin(context: Context, *, for_update: bool = False) -> Iterator[UnitOfWork]:
        opened.append(for_update)
        with store.begin(context) as work:
            yield work
        raise error

    with pytest.raises(error):
        Import(USER_TYPE, begin)(numbered(1), ANONYMOUS, ImportOptions(update=update), Reports())
    assert opened == [update]
