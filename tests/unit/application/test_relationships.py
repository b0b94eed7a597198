"""The scopes that relationships require. tests/contract/stores has what stores must do."""

from collections.abc import Callable

import pytest
from contract.stores.directories import GROUPS, MEMBERS, RelatedDirectory

from application.access import InsufficientScope, Principal
from application.groups import GROUP_TYPE, OWNER
from application.inclusion import Step
from application.ports import Context
from application.search import Condition, Op, Search
from domain.groups import GroupChanges, NewGroup
from domain.users import NewUser, UserChanges


@pytest.fixture
def directory() -> RelatedDirectory:
    return RelatedDirectory("memory", None)


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
        (
            {"users:read", "users:write", "groups:write"},
            lambda d, c: d.users.change(1, UserChanges({}), c, related={"groups": [1]}),
        ),
        (
            {"groups:read", "groups:write"},
            lambda d, c: d.groups.change(1, GroupChanges({}), c, related={"members": []}),
        ),
        (
            {"groups:read", "groups:write"},
            lambda d, c: d.groups.change(1, GroupChanges({"owner": 1}), c),
        ),
        ({"groups:write"}, lambda d, c: d.groups.set_reference(1, OWNER, 1, c)),
        ({"groups:write"}, lambda d, c: d.groups.delete(1, c)),
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
            {"groups:read", "users:read"},
            lambda d, c: d.queries.one(OWNER, 1, c.principal, resources=True),
        ),
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
    directory: RelatedDirectory,
    required: set[str],
    act: Callable[[RelatedDirectory, Context], object],
) -> None:
    ann = directory.user("ann")
    directory.group("Staff", members=[ann])
    for missing in required:
        others = [each for each in SCOPES if each != missing]
        with pytest.raises(InsufficientScope):
            act(directory, context(*others))
    act(directory, context(*required))
