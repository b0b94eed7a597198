"""The scopes that relationships require. tests/contract/stores has what stores must do."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from adapters.memory.links import MemoryLinkReader
from adapters.memory.repository import MemoryReader
from adapters.memory.store import MemoryStore
from application.access import InsufficientScope, Principal
from application.commands import Commands
from application.groups import GROUP_TYPE, MEMBERSHIPS, OWNER
from application.inclusion import Step
from application.ports import Context
from application.relationship_commands import RelationshipCommands
from application.relationship_queries import RelationshipQueries
from application.relationships import Relationships
from application.search import Condition, Op, Search
from application.units import retrying
from application.users import USER_TYPE
from domain.groups import NewGroup
from domain.users import NewUser

ANONYMOUS = Context()
RELATIONSHIPS = Relationships(MEMBERSHIPS, OWNER)
MEMBERS, GROUPS = MEMBERSHIPS.ends


class Directory:
    """Users and groups on one store."""

    def __init__(self) -> None:
        seconds = count()
        start = datetime(2026, 11, 22, tzinfo=UTC)
        self.store = MemoryStore(
            lambda: start + timedelta(seconds=next(seconds)), relationships=RELATIONSHIPS
        )
        run = retrying(self.store.begin)
        self.users = Commands(USER_TYPE, run, relationships=RELATIONSHIPS, replaceable=3)
        self.groups = Commands(GROUP_TYPE, run, relationships=RELATIONSHIPS, replaceable=3)
        self.members = RelationshipCommands(MEMBERS, run)
        self.groups_of = RelationshipCommands(GROUPS, run)
        self.user_reader = MemoryReader(USER_TYPE, self.store)
        self.group_reader = MemoryReader(GROUP_TYPE, self.store)
        self.queries = RelationshipQueries(
            {USER_TYPE: self.user_reader, GROUP_TYPE: self.group_reader},
            MemoryLinkReader(self.store),
            RELATIONSHIPS,
        )

    def user(self, name: str) -> int:
        return self.users.create(NewUser(email=f"{name}@example.org", name=name), ANONYMOUS).id

    def group(self, name: str, **more: Any) -> int:
        related = {"members": more.pop("members", ())}
        return self.groups.create(NewGroup(name=name, **more), ANONYMOUS, related=related).id


@pytest.fixture
def directory() -> Directory:
    return Directory()


SCOPES = ("users:read", "users:write", "groups:read", "groups:write")


def context(*scopes: str) -> Context:
    return Context(Principal("secret", None, "tests", frozenset(scopes)))


@pytest.mark.parametrize(
    ("required", "act"),
    [
        ({"groups:write"}, lambda d, c: d.members.add(1, [1], c)),
        ({"groups:write"}, lambda d, c: d.members.remove(1, [1], c)),
        ({"users:read", "groups:write"}, lambda d, c: d.groups_of.replace(1, [1], c)),
        (
            {"users:write", "groups:write"},
            lambda d, c: d.users.create(
                NewUser(email="new@example.org", name="New"), c, related={"groups": [1]}
            ),
        ),
        (
            {"groups:write"},
            lambda d, c: d.groups.create(
                NewGroup(name="New", owner=1), c, related={"members": [1]}
            ),
        ),
        ({"users:write"}, lambda d, c: d.users.delete(1, c)),
        (
            {"groups:read"},
            lambda d, c: d.queries.page(MEMBERS, 1, Search(), c.principal, resources=False),
        ),
        (
            {"groups:read", "users:read"},
            lambda d, c: d.queries.page(MEMBERS, 1, Search(), c.principal, resources=True),
        ),
        (
            {"groups:read", "users:read"},
            lambda d, c: d.queries.page(
                MEMBERS,
                1,
                Search((Condition("email_key", Op.EQ, ("x",)),)),
                c.principal,
                resources=False,
            ),
        ),
        (
            {"groups:read", "users:read"},
            lambda d, c: d.queries.page(GROUPS, 1, Search(), c.principal, resources=False),
        ),
        ({"groups:read"}, lambda d, c: d.queries.one(OWNER, 1, c.principal, resources=False)),
        (
            {"users:read"},
            lambda d, c: d.queries.include(GROUP_TYPE, (), [Step(OWNER)], c.principal),
        ),
        (
            {"groups:read", "users:read"},
            lambda d, c: d.queries.include(
                GROUP_TYPE, (), [Step(OWNER, (Step(GROUPS),))], c.principal
            ),
        ),
    ],
)
def test_each_required_scope_is_necessary_and_all_suffice(
    directory: Directory, required: set[str], act: Callable[[Directory, Context], object]
) -> None:
    ann = directory.user("ann")
    directory.group("Staff", members=[ann])
    for missing in required:
        others = [each for each in SCOPES if each != missing]
        with pytest.raises(InsufficientScope):
            act(directory, context(*others))
    act(directory, context(*required))
