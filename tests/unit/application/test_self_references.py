"""Entities of a type that refers to itself."""

from datetime import UTC, datetime
from typing import Final

import pytest

from adapters.memory.audit import MemoryEventReader
from adapters.memory.repository import MemoryReader
from adapters.memory.store import MemoryStore
from application.bulk_commands import BulkCommands, Targets
from application.commands import Commands
from application.groups import GROUP_TYPE
from application.ports import Context
from application.reference_export import ReferenceExport
from application.relationships import Relationships, ToOne
from application.search import Search
from application.units import retrying
from domain.groups import Group, GroupChanges, NewGroup

ANONYMOUS: Final = Context()
RELATIONSHIPS: Final = Relationships(ToOne("owner", GROUP_TYPE, GROUP_TYPE))


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(lambda: datetime(2026, 11, 22, tzinfo=UTC), relationships=RELATIONSHIPS)


@pytest.fixture
def commands(store: MemoryStore) -> Commands[NewGroup, Group]:
    """Commands on groups whose owners are groups. Group 1 is its own owner and that of group 2."""
    commands: Commands[NewGroup, Group] = Commands(
        GROUP_TYPE, retrying(store.begin), relationships=RELATIONSHIPS
    )
    commands.create(NewGroup(name="a"), ANONYMOUS)
    commands.change(1, GroupChanges({"owner": 1}), ANONYMOUS)
    commands.create(NewGroup(name="b", owner=1), ANONYMOUS)
    return commands


def test_an_entity_that_refers_to_itself_can_be_deleted(
    store: MemoryStore, commands: Commands[NewGroup, Group]
) -> None:
    commands.delete(1, ANONYMOUS)
    assert [(each.id, each.owner) for each in store.rows(GROUP_TYPE).values()] == [(2, None)]
    events = MemoryEventReader(store).page(Search()).items
    assert [(each.action, each.subject_id, each.version) for each in events[3:]] == [
        ("changed", 1, 3),
        ("changed", 2, 2),
        ("deleted", 1, 4),
    ]


@pytest.mark.parametrize("targets", [[1, 2], Search()])
def test_an_entity_and_those_that_refer_to_it_can_be_deleted_together(
    store: MemoryStore, commands: Commands[NewGroup, Group], targets: Targets
) -> None:
    bulk = BulkCommands(GROUP_TYPE, retrying(store.begin), relationships=RELATIONSHIPS)
    assert bulk.delete(targets, ANONYMOUS) == 2
    assert not store.rows(GROUP_TYPE)


def test_a_reference_to_an_entity_whose_name_is_a_number_is_exported_as_its_id(
    store: MemoryStore, commands: Commands[NewGroup, Group]
) -> None:
    commands.create(NewGroup(name="1", owner=2), ANONYMOUS)
    commands.create(NewGroup(name="c", owner=3), ANONYMOUS)
    groups = MemoryReader(GROUP_TYPE, store)
    export = ReferenceExport({GROUP_TYPE: groups})
    exported = export(groups.page(Search()).items, RELATIONSHIPS.to_one(GROUP_TYPE), None)
    assert [(each.name, each.owner) for each in exported] == [
        *(("a", "a"), ("b", "a"), ("1", "b"), ("c", "3")),
    ]
