"""Imports and exports of pairs, and imports of references, without a database."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from adapters.memory.audit import MemoryEventReader
from adapters.memory.links import MemoryLinkReader
from adapters.memory.repository import MemoryReader
from adapters.memory.store import MemoryStore
from application.access import InsufficientScope, Principal
from application.commands import Commands
from application.groups import GROUP_TYPE, MEMBERSHIPS, OWNER
from application.imports import (
    BATCH,
    ImportOptions,
    ImportRefused,
    ImportSummary,
    Record,
    RejectedRecord,
)
from application.link_export import LinkExport
from application.link_import import LinkImport, UnknownReferences
from application.ports import Context
from application.record_import import Import
from application.reference_export import ReferenceExport
from application.references import MAX_REMEMBERED, References
from application.relationships import Relationships
from application.search import Search, walk
from application.units import retrying
from application.users import USER_TYPE
from domain.errors import Problem
from domain.groups import GroupNotFound, NewGroup
from domain.users import NewUser

ANONYMOUS = Context()
RELATIONSHIPS = Relationships(MEMBERSHIPS, OWNER)
Errors = list[tuple[int, str | None, str]]


class Directory:
    """Users and groups in memory."""

    def __init__(self) -> None:
        seconds = count()
        start = datetime(2026, 11, 22, tzinfo=UTC)
        self.store = MemoryStore(
            lambda: start + timedelta(seconds=next(seconds)), relationships=RELATIONSHIPS
        )
        run = retrying(self.store.begin)
        self.users = Commands(USER_TYPE, run, relationships=RELATIONSHIPS)
        self.groups = Commands(GROUP_TYPE, run, relationships=RELATIONSHIPS)
        self.imports = LinkImport(MEMBERSHIPS, self.store.begin)
        self.links = MemoryLinkReader(self.store)
        self.readers: Any = {
            each: MemoryReader(each, self.store) for each in (USER_TYPE, GROUP_TYPE)
        }
        self.exports = LinkExport(MEMBERSHIPS, self.readers, self.links)
        self.rejected: list[RejectedRecord] = []

    def user(self, name: str) -> int:
        return self.users.create(NewUser(email=f"{name}@example.org", name=name), ANONYMOUS).id

    def group(self, name: str, **more: Any) -> int:
        return self.groups.create(NewGroup(name=name, **more), ANONYMOUS).id

    def pairs(self) -> list[tuple[str, str]]:
        return [(group.name, user.email) for group, user in self.exports(None)]

    def events(self) -> list[tuple[str, str, int | None, Any]]:
        everything = walk(MemoryEventReader(self.store).page, Search())
        return [(e.action, e.subject_type, e.subject_id, e.changes) for e in everything]

    def import_pairs(self, *records: Any, **options: bool) -> ImportSummary:
        return self.imports(
            numbered(records), ANONYMOUS, ImportOptions(**options), self.rejected.append
        )

    def errors(self) -> Errors:
        return [
            (each.record.line, error.attribute, error.code)
            for each in self.rejected
            for error in each.errors
        ]


def numbered(records: Iterable[Any]) -> Iterator[Record]:
    for line, each in enumerate(records, start=1):
        yield each if isinstance(each, Record) else Record(line, each)


def pair(group: Any, user: Any) -> dict[str, Any]:
    return {"group": group, "user": user}


@pytest.fixture
def directory() -> Directory:
    made = Directory()
    for name in ("ann", "bob", "cy"):
        made.user(name)
    for name in ("Staff", "Board"):
        made.group(name)
    return made


def test_pairs_are_added_and_existing_ones_are_unchanged(directory: Directory) -> None:
    first = directory.import_pairs(
        pair("board", "BOB@example.org"), pair("STAFF", "bob@example.org")
    )
    assert first == ImportSummary(created=2)
    again = directory.import_pairs(
        pair("Board", "bob@example.org"),
        pair("Staff", "ann@example.org"),
        pair("staff", "Ann@example.org"),
    )
    assert again == ImportSummary(created=1, unchanged=2)
    assert directory.pairs() == [
        ("Staff", "ann@example.org"),
        ("Staff", "bob@example.org"),
        ("Board", "bob@example.org"),
    ]


def test_a_batch_records_one_event_for_each_entity(directory: Directory) -> None:
    before = len(directory.events())
    directory.import_pairs(
        pair("Staff", "bob@example.org"),
        pair("Board", "ann@example.org"),
        pair("Staff", "ann@example.org"),
    )
    *related, imported = directory.events()[before:]
    assert related == [
        ("related", "groups", 1, {"members": {"added": ["1", "2"]}}),
        ("related", "groups", 2, {"members": {"added": ["1"]}}),
        ("related", "users", 1, {"groups": {"added": ["1", "2"]}}),
        ("related", "users", 2, {"groups": {"added": ["1"]}}),
    ]
    assert imported[:3] == ("imported", "memberships", None)


def test_an_import_that_changes_nothing_records_nothing(directory: Directory) -> None:
    directory.import_pairs(pair("Staff", "bob@example.org"))
    before = directory.events()
    directory.import_pairs(pair("Staff", "bob@example.org"))
    assert directory.events() == before


INVALID = (
    pair("Staff", "ann@example.org"),
    pair("Nobody", "nobody"),
    {"user": "ann@example.org"},
    pair(["Staff"], None),
    pair("Staff", "1"),
    {**pair("Staff", "ann@example.org"), "shoe": 44},
    Record(7, {}, problem=Problem("malformed_csv", "The quotes don't pair.")),
    pair("\0", "x" * 5000),
)
ERRORS = [
    (2, "group", "group_not_found"),
    (2, "user", "user_not_found"),
    (3, "group", "missing"),
    (4, "group", "wrong_type"),
    (4, "user", "wrong_type"),
    (5, "user", "user_not_found"),
    (6, "shoe", "unknown_attribute"),
    (7, None, "malformed_csv"),
    (8, "group", "group_not_found"),
    (8, "user", "user_not_found"),
]


def test_invalid_records_refuse_the_import(directory: Directory) -> None:
    with pytest.raises(ImportRefused) as refused:
        directory.import_pairs(*INVALID)
    assert directory.errors() == ERRORS
    assert refused.value.summary == ImportSummary(bad=7)
    assert directory.pairs() == []


def test_invalid_records_can_be_skipped(directory: Directory) -> None:
    summary = directory.import_pairs(*INVALID, skip_errors=True)
    assert summary == ImportSummary(created=1, bad=7)
    assert directory.pairs() == [("Staff", "ann@example.org")]


def test_a_dry_run_stores_nothing(directory: Directory) -> None:
    before = directory.events()
    summary = directory.import_pairs(pair("Staff", "ann@example.org"), dry_run=True)
    assert summary == ImportSummary(created=1)
    assert (directory.pairs(), directory.events()) == ([], before)


def test_more_than_a_batch_is_imported_and_exported(directory: Directory) -> None:
    names = [f"user{number}" for number in range(BATCH + 200)]
    ids = [directory.user(name) for name in names]
    records = (pair("Board", f"{name}@example.org") for name in reversed(names))
    assert directory.import_pairs(*records).created == len(ids)
    exported = list(directory.exports(None))
    assert [(group.id, user.id) for group, user in exported] == [(2, each) for each in ids]


def test_an_export_skips_entities_that_were_deleted_meanwhile(directory: Directory) -> None:
    directory.import_pairs(*(pair("Staff", f"{name}@example.org") for name in ("ann", "bob")))

    class Deleting(MemoryLinkReader):
        """Deletes a user after it has read the pairs."""

        def pairs(self, *arguments: Any, **options: Any) -> Any:
            found = super().pairs(*arguments, **options)
            if found:
                directory.users.delete(1, ANONYMOUS)
            return found

    exports = LinkExport(MEMBERSHIPS, directory.readers, Deleting(directory.store))
    assert [user.id for _, user in exports(None)] == [2]


def test_a_list_is_changed_by_ids_and_keys(directory: Directory) -> None:
    def change(*texts: str, remove: bool = False) -> tuple[int, int]:
        records = numbered({"reference": text} for text in texts)
        return directory.imports.change_list(
            1, records, ANONYMOUS, directory.rejected.append, remove=remove
        )

    assert change("1", "BOB@example.org", "1") == (2, 1)
    assert directory.pairs() == [("Staff", "ann@example.org"), ("Staff", "bob@example.org")]
    assert change("ann@example.org", "3", remove=True) == (1, 1)
    with pytest.raises(UnknownReferences) as unknown:
        change("3", "zed@example.org", "007", "9" * 30, "4")
    assert unknown.value.code == "user_not_found"
    assert unknown.value.detail == "4 of 5 lines refer to no user; nothing was changed."
    with pytest.raises(UnknownReferences, match="1 of 2 lines refers to no user"):
        change("3", "zed@example.org")
    del directory.rejected[4:]
    assert directory.errors() == [(line, None, "user_not_found") for line in (2, 3, 4, 5)]
    assert directory.pairs() == [("Staff", "bob@example.org")]


def test_the_source_of_a_list_must_exist(directory: Directory) -> None:
    with pytest.raises(GroupNotFound):
        directory.imports.change_list(7, (), ANONYMOUS, directory.rejected.append)


def test_scopes_are_required(directory: Directory) -> None:
    reader = Principal("secret", None, "tests", frozenset(("groups:read",)))
    with pytest.raises(InsufficientScope):
        directory.imports((), Context(reader), ImportOptions(), directory.rejected.append)
    with pytest.raises(InsufficientScope):
        directory.imports.change_list(1, (), Context(reader), directory.rejected.append)
    with pytest.raises(InsufficientScope):
        directory.exports(reader)
    with pytest.raises(InsufficientScope):
        ReferenceExport(directory.readers)((), [OWNER], reader)


def test_memory_does_not_grow_with_the_number_of_references() -> None:
    class Everybody:
        """Knows every key."""

        def ids_by_keys(self, _: Any, keys: Any) -> dict[str, int]:
            return dict.fromkeys(keys, 7)

    resolver: Any = Everybody()
    references = References(resolver, USER_TYPE, by_id=False)
    for start in range(0, 3 * MAX_REMEMBERED, 1000):
        texts = {f"{number}@example.org" for number in range(start, start + 1000)}
        assert references.ids(texts).keys() == texts
        assert len(references._remembered) <= MAX_REMEMBERED


@pytest.mark.parametrize("update", [False, True])
def test_imports_resolve_references(directory: Directory, update: bool) -> None:
    records: list[dict[str, Any]] = [
        {"name": "A", "owner": "Ann@example.org"},
        {"name": "B", "owner": "2"},
        {"name": "C", "owner": None},
        {"name": "D"},
        {"name": "E", "owner": "zed@example.org"},
        {"name": "", "owner": "99"},
        {"name": "F", "owner": 2},
    ]
    if update:
        records.append({"name": "board", "owner": "3"})
    imports = Import(GROUP_TYPE, directory.store.begin, relationships=RELATIONSHIPS)
    options = ImportOptions(update=update, skip_errors=True)
    summary = imports(numbered(records), ANONYMOUS, options, directory.rejected.append)
    assert (summary.created, summary.changed, summary.bad) == (4, int(update), 3)
    assert directory.errors() == [
        (5, "owner", "related_not_found"),
        (6, "name", "blank"),
        (6, "owner", "related_not_found"),
        (7, "owner", "wrong_type"),
    ]
    groups = directory.readers[GROUP_TYPE].page(Search()).items
    owners = {each.name: each.owner for each in groups}
    assert owners == {"A": 1, "B": 2, "C": None, "D": None, "Staff": None} | (
        {"board": 3} if update else {"Board": None}
    )
    keyed = ReferenceExport(directory.readers)(groups, [OWNER], None)
    assert {each.name: each.owner for each in keyed}["A"] == "ann@example.org"
