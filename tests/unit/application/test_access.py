"""The use cases of resources consult the policy, so that no entry point can bypass it."""

from collections.abc import Callable

import pytest
from contract.stores.directories import GROUPS, MEMBERS, RelatedDirectory

from application.access import InsufficientScope, Principal
from application.audit import History
from application.groups import GROUP_TYPE, OWNER
from application.imports import ImportOptions, Record
from application.inclusion import Step
from application.ports import Context
from application.queries import Queries
from application.record_import import Import
from application.search import AnyOf, Condition, Not, Op, Related, Search
from application.users import USER_TYPE
from domain.groups import GroupChanges, NewGroup
from domain.users import NewUser, User, UserChanges

Use = Callable[[RelatedDirectory, Context], object]

SCOPES = ("users:read", "users:write", "users:erase", "groups:read", "groups:write")
IS_STAFF = Related("groups", (Condition("id", Op.EQ, (1,)),))
ACTIVE = Condition("is_active", Op.EQ, (True,))
STAFF = Search((IS_STAFF,))


@pytest.fixture
def directory() -> RelatedDirectory:
    directory = RelatedDirectory("memory", None)
    directory.group("Staff", members=[directory.user("ann")])
    return directory


def context(*scopes: str) -> Context:
    return Context(Principal("secret", None, "tests", frozenset(scopes)))


def queries(directory: RelatedDirectory) -> Queries[NewUser, User]:
    return Queries(USER_TYPE, directory.user_reader, relationships=directory.relationships)


def history(directory: RelatedDirectory) -> History:
    return History(USER_TYPE, directory.event_reader, directory.user_reader.get)


def import_bob(directory: RelatedDirectory, used: Context, options: ImportOptions) -> object:
    record = Record(1, {"email": "bob@example.org", "name": "Bob"})
    return Import(USER_TYPE, directory.begin)([record], used, options, lambda _: None)


@pytest.mark.parametrize(
    ("required", "use"),
    [
        (
            {"users:write"},
            lambda d, c: d.users.create(NewUser(email="b@example.org", name="B"), c),
        ),
        (
            {"users:read", "users:write"},
            lambda d, c: d.users.change(1, UserChanges({"name": "B"}), c),
        ),
        ({"users:write"}, lambda d, c: d.users.delete(1, c)),
        ({"users:write", "users:erase"}, lambda d, c: d.users.erase(1, c)),
        ({"groups:write"}, lambda d, c: d.groups.create(NewGroup(name="B"), c)),
        ({"users:read"}, lambda d, c: queries(d).get(1, c.principal)),
        ({"users:read"}, lambda d, c: queries(d).page(Search(), c.principal)),
        ({"users:read"}, lambda d, c: queries(d).count(Search(), c.principal)),
        (
            {"users:read"},
            lambda d, c: queries(d).count_by(Search(), "role", c.principal, limit=1),
        ),
        ({"users:read", "groups:read"}, lambda d, c: queries(d).page(STAFF, c.principal)),
        (
            {"users:read", "groups:read"},
            lambda d, c: queries(d).page(Search((Not(IS_STAFF),)), c.principal),
        ),
        (
            {"users:read", "groups:read"},
            lambda d, c: queries(d).page(Search((AnyOf(((ACTIVE,), (IS_STAFF,))),)), c.principal),
        ),
        (
            {"users:read", "groups:read"},
            lambda d, c: queries(d).count_by(STAFF, "role", c.principal, limit=1),
        ),
        ({"users:read"}, lambda d, c: history(d).page(1, Search(), c.principal)),
        ({"users:write"}, lambda d, c: import_bob(d, c, ImportOptions())),
        (
            {"users:read", "users:write"},
            lambda d, c: import_bob(d, c, ImportOptions(update=True)),
        ),
        ({"groups:write"}, lambda d, c: d.queries.authorize_new(GROUPS, c.principal)),
        ({"groups:write"}, lambda d, c: d.queries.authorize_new(MEMBERS, c.principal)),
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
    directory: RelatedDirectory, required: set[str], use: Use
) -> None:
    for missing in required:
        others = [each for each in SCOPES if each != missing]
        with pytest.raises(InsufficientScope, match=missing):
            use(directory, context(*others))
    use(directory, context(*required))
