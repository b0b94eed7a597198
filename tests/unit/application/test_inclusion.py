"""Inclusion while other units change what is included."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.memory.links import MemoryLinkReader
from adapters.memory.repository import MemoryReader
from adapters.memory.store import MemoryStore
from application.commands import Commands
from application.groups import GROUP_TYPE, MEMBERSHIPS, OWNER
from application.inclusion import CommittedState, Included, Step, include
from application.ports import Context
from application.relationship_commands import RelationshipCommands
from application.relationships import Relationships
from application.units import retrying
from application.users import USER_TYPE
from domain.groups import GroupChanges, NewGroup
from domain.users import NewUser

ANONYMOUS = Context()
RELATIONSHIPS = Relationships(MEMBERSHIPS, OWNER)
MEMBERS, GROUPS = MEMBERSHIPS.ends
ANN, BOB, CY = 1, 2, 3
STAFF, BOARD = 1, 2
OF_CY = GroupChanges({"owner": CY})


class Directory:
    """Three users. Ann and Bob are in two groups of Ann."""

    def __init__(self) -> None:
        now = datetime(2026, 11, 22, tzinfo=UTC)
        self.store = MemoryStore(lambda: now, relationships=RELATIONSHIPS)
        run = retrying(self.store.begin)
        self.users = Commands(USER_TYPE, run, relationships=RELATIONSHIPS)
        self.groups = Commands(GROUP_TYPE, run, relationships=RELATIONSHIPS)
        self.members = RelationshipCommands(MEMBERS, run)
        for name in ("ann", "bob", "cy"):
            self.users.create(NewUser(email=f"{name}@example.org", name=name), ANONYMOUS)
        for name in ("Staff", "Board"):
            new = NewGroup(name=name, owner=ANN)
            self.groups.create(new, ANONYMOUS, related={"members": [ANN, BOB]})

    def include_while(self, change: Callable[[], object], *steps: Step) -> tuple[Any, Included]:
        """Includes from a group. The change happens after the first list has been read."""
        changes = iter([change])

        class Changing(MemoryLinkReader):
            def first(self, *arguments: Any, **options: Any) -> Any:
                found = super().first(*arguments, **options)
                for each in changes:
                    each()
                return found

        readers = {each: MemoryReader(each, self.store) for each in (USER_TYPE, GROUP_TYPE)}
        group = readers[GROUP_TYPE].get(STAFF)
        source = CommittedState(readers, Changing(self.store))
        return group, include(source, GROUP_TYPE, [group], steps)


def unlinked(group: Any, included: Included) -> set[tuple[str, int]]:
    """Returns what is included without a link in the group or in other included entities."""
    groups = {STAFF: group} | {
        key: each
        for key, each in included.entities.get(GROUP_TYPE, {}).items()
        if key != STAFF  # which is in the primary data
    }
    linked = {("users", each.owner) for each in groups.values()}
    for relationship, by_source in included.links.items():
        target = relationship.target.name
        linked |= {(target, each.id) for of in by_source.values() for each in of.entities}
    return {(kind.name, key) for kind, by_id in included.entities.items() for key in by_id} - linked


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.members.remove(STAFF, [BOB], ANONYMOUS),
        lambda d: d.members.replace(STAFF, [CY], ANONYMOUS),
        lambda d: d.users.delete(BOB, ANONYMOUS),
        lambda d: d.users.delete(ANN, ANONYMOUS),
        lambda d: d.groups.change(STAFF, OF_CY, ANONYMOUS),
        lambda d: d.groups.change(BOARD, OF_CY, ANONYMOUS),
        lambda d: d.groups.delete(STAFF, ANONYMOUS),
    ],
)
@pytest.mark.parametrize(
    "steps",
    [
        (Step(MEMBERS, (Step(GROUPS, (Step(MEMBERS),)),)),),
        (Step(MEMBERS, (Step(GROUPS, (Step(OWNER),)),)),),
        (Step(MEMBERS, (Step(GROUPS, (Step(OWNER), Step(MEMBERS))),)), Step(OWNER)),
        (Step(OWNER, (Step(GROUPS, (Step(MEMBERS),)),)), Step(MEMBERS, (Step(GROUPS),))),
    ],
)
def test_everything_is_linked_although_it_changes_meanwhile(
    steps: tuple[Step, ...], change: Callable[[Directory], object]
) -> None:
    directory = Directory()
    group, included = directory.include_while(lambda: change(directory), *steps)
    assert not unlinked(group, included)
