"""A store calls the reaction of a type in the unit of work that changes an entity of the type."""

from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import pytest
from contract.stores.directories import ANONYMOUS, RelatedDirectory

from application.bulk_commands import BulkCommands
from application.commands import Commands
from application.groups import GROUP_TYPE
from application.imports import ImportOptions, Record
from application.operations import Change, Create, CreatedBy, Delete, Operation, Operations
from application.ports import UnitOfWork
from application.record_import import Import
from application.search import Search
from application.units import retrying
from application.users import USER_TYPE
from domain.users import NewUser


class Chronicle:
    """Writes each change of a user to the description of the only group."""

    def saved(self, work: UnitOfWork, before: Any, after: Any) -> None:
        assert work.repository(USER_TYPE).get(after.id) == after
        self._write(work, f"{before.name} became {after.name}.")

    def removed(self, work: UnitOfWork, entity: Any) -> None:
        assert work.repository(USER_TYPE).get(entity.id) == entity  # the row still exists
        self._write(work, f"{entity.name} left.")

    def erased(self, work: UnitOfWork, values: Collection[str]) -> None:
        self._write(work, f"{' and '.join(sorted(values))} erased.")

    def _write(self, work: UnitOfWork, sentence: str) -> None:
        groups = work.repository(GROUP_TYPE)
        (group,) = groups.page(Search()).items
        changes = GROUP_TYPE.changes({"description": (group.description or "") + sentence})
        groups.save(group.with_changes(changes, at=work.now), before=group)


@pytest.fixture
def related(new_related: Callable[..., Any]) -> Any:
    """Users whose changes have a reaction, and a group."""
    related = new_related({USER_TYPE: Chronicle()})
    related.group("Chronicle")
    return related


def written(related: RelatedDirectory) -> str:
    with related.begin(ANONYMOUS) as work:
        (group,) = work.repository(GROUP_TYPE).page(Search()).items
    return str(group.description or "")


def named(name: str) -> Any:
    return USER_TYPE.changes({"name": name})


def test_single_commands_call_the_reaction(related: RelatedDirectory) -> None:
    ann = related.user("Ann")
    assert written(related) == ""
    related.users.change(ann, named("Ann"), ANONYMOUS)  # changes nothing
    assert written(related) == ""
    related.users.change(ann, named("Anna"), ANONYMOUS)
    related.users.delete(ann, ANONYMOUS)
    bob = related.user("Bob")
    related.users.erase(bob, ANONYMOUS)
    assert written(related) == ("Ann became Anna.Anna left.Bob left.Bob@example.org erased.")


def test_bulk_commands_call_the_reaction_for_each_entity_and_for_all_erased_persons(
    related: RelatedDirectory,
) -> None:
    bulk = BulkCommands(USER_TYPE, retrying(related.begin), relationships=related.relationships)
    ids = [related.user(name) for name in ("Ann", "Bob", "Cyd")]
    bulk.change(ids[:2], named("X"), ANONYMOUS)
    bulk.delete(ids[:1], ANONYMOUS)
    bulk.erase(Search(), ANONYMOUS)
    assert written(related) == (
        "Ann became X.Bob became X.X left."
        "X left.Cyd left.Bob@example.org and Cyd@example.org erased."
    )


def test_an_import_with_update_calls_the_reaction(related: RelatedDirectory) -> None:
    related.user("Ann")
    records = [
        Record(1, {"email": "Ann@example.org", "name": "Anna"}),
        Record(2, {"email": "Bob@example.org", "name": "Bob"}),
    ]
    Import(USER_TYPE, related.begin)(records, ANONYMOUS, ImportOptions(update=True), print)
    assert written(related) == "Ann became Anna."


def test_operations_call_the_reaction(related: RelatedDirectory) -> None:
    perform = Operations({"users": partial(Commands, USER_TYPE)})
    operations: list[Operation] = [
        Create("users", NewUser(email="ann@example.org", name="Ann")),
        Change("users", CreatedBy(0), named("Anna")),
        Delete("users", CreatedBy(0)),
    ]
    perform(operations, retrying(related.begin), ANONYMOUS)
    assert written(related) == "Ann became Anna.Anna left."


def test_a_reaction_is_rolled_back_with_its_unit(related: RelatedDirectory) -> None:
    ann = related.user("Ann")
    with pytest.raises(LookupError), related.begin(ANONYMOUS) as work:
        users = work.repository(USER_TYPE)
        users.remove(users.get(ann))
        raise LookupError
    assert written(related) == ""
    assert related.users.change(ann, named("Anna"), ANONYMOUS).version == 2
