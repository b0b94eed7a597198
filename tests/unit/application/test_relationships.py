"""Memberships and owners of groups, on the in-memory store."""

from collections.abc import Callable, Sequence
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
from application.inclusion import Step
from application.ports import Context, LinkChange, TooManyLinks
from application.relationship_commands import RelationshipCommands
from application.relationship_queries import RelationshipQueries
from application.relationships import (
    RelatedNotFound,
    Relationships,
    ReplacementTooLarge,
    fingerprint,
)
from application.search import AnyOf, Condition, IsNull, Not, Op, Order, Related, Search, Slice
from application.units import retrying
from application.users import USER_TYPE
from domain.attributes import StaleVersion
from domain.groups import GroupChanges, GroupNotFound, NameTaken, NewGroup
from domain.users import NewUser, UserNotFound

NOBODY = Context()
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
        return self.users.create(NewUser(email=f"{name}@example.org", name=name), NOBODY).id

    def group(self, name: str, **more: Any) -> int:
        related = {"members": more.pop("members", ())}
        return self.groups.create(NewGroup(name=name, **more), NOBODY, related=related).id

    def member_ids(self, group_id: int, search: Search = Search()) -> list[int]:  # noqa: B008
        page = self.queries.page(MEMBERS, group_id, search, None, resources=True)
        return [each.id for each in page.items]

    def found(self, *tests: Any) -> list[int]:
        return [each.id for each in self.user_reader.page(Search(tests)).items]

    def events(self) -> list[tuple[str, str, int | None, Any]]:
        page = MemoryEventReader(self.store).page(Search(place=Slice(1000)))
        return [(e.action, e.subject_type, e.subject_id, e.changes) for e in page.items]


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.fixture
def people(directory: Directory) -> Sequence[int]:
    return [directory.user(name) for name in ("ann", "bob", "cy", "dee")]


def test_both_sides_see_the_same_memberships(directory: Directory, people: Sequence[int]) -> None:
    ann, bob, *_ = people
    staff, board = directory.group("Staff", members=[bob, ann]), directory.group("Board")
    assert directory.groups_of.add(ann, [board, staff], NOBODY) == LinkChange([board], [])
    assert directory.member_ids(staff) == [ann, bob]
    assert directory.member_ids(board) == [ann]
    page = directory.queries.page(GROUPS, ann, Search(), None, resources=True)
    assert [each.id for each in page.items] == [staff, board]


def test_changes_are_repeatable(directory: Directory, people: Sequence[int]) -> None:
    ann, bob, cy, _ = people
    staff = directory.group("Staff", members=[ann])
    assert directory.members.add(staff, [ann, bob, bob], NOBODY) == LinkChange([bob], [])
    assert directory.members.remove(staff, [cy, 99, ann], NOBODY) == LinkChange([], [ann])
    assert directory.members.remove(staff, [ann], NOBODY) == LinkChange([], [])
    assert directory.members.replace(staff, [cy, ann], NOBODY) == LinkChange([ann, cy], [bob])
    assert directory.member_ids(staff) == [ann, cy]


def test_a_membership_changes_neither_side(directory: Directory, people: Sequence[int]) -> None:
    ann, *_ = people
    staff = directory.group("Staff")
    before = directory.user_reader.get(ann), directory.group_reader.get(staff)
    directory.members.add(staff, [ann], NOBODY)
    assert (directory.user_reader.get(ann), directory.group_reader.get(staff)) == before


def test_the_audit_log_has_an_event_for_each_side(
    directory: Directory, people: Sequence[int]
) -> None:
    ann, bob, *_ = people
    staff = directory.group("Staff", members=[ann])
    before = len(directory.events())
    directory.members.replace(staff, [bob], NOBODY)
    directory.members.replace(staff, [bob], NOBODY)  # changes nothing
    assert directory.events()[before:] == [
        ("related", "groups", staff, {"members": {"added": [str(bob)], "removed": [str(ann)]}}),
        ("related", "users", bob, {"groups": {"added": [str(staff)]}}),
        ("related", "users", ann, {"groups": {"removed": [str(staff)]}}),
    ]


def test_creation_is_recorded_before_memberships(
    directory: Directory, people: Sequence[int]
) -> None:
    ann, *_ = people
    before = len(directory.events())
    staff = directory.group("Staff", members=[ann], owner=ann)
    created, related, *others = directory.events()[before:]
    assert created[:3] == ("created", "groups", staff)
    assert created[3] == {
        "name": {"from": None, "to": "Staff"},
        "owner": {"from": None, "to": str(ann)},
    }
    assert related == ("related", "groups", staff, {"members": {"added": [str(ann)]}})
    assert len(others) == 1


def test_a_deleted_user_leaves_groups_and_owns_none(
    directory: Directory, people: Sequence[int]
) -> None:
    ann, bob, *_ = people
    staff = directory.group("Staff", members=[ann, bob], owner=ann)
    board = directory.group("Board", owner=ann)
    before = len(directory.events())
    directory.users.delete(ann, NOBODY)
    assert directory.member_ids(staff) == [bob]
    assert [(each.owner, each.version) for each in directory.group_reader.page(Search()).items] == [
        (None, 2),
        (None, 2),
    ]
    lost = {"owner": {"from": str(ann), "to": None}}
    *others, deleted = directory.events()[before:]
    assert others == [
        ("related", "groups", staff, {"members": {"removed": [str(ann)]}}),
        ("changed", "groups", staff, lost),
        ("changed", "groups", board, lost),
    ]
    assert deleted[:3] == ("deleted", "users", ann)


def test_a_deleted_group_has_no_members(directory: Directory, people: Sequence[int]) -> None:
    ann, *_ = people
    staff = directory.group("Staff", members=[ann])
    directory.groups.delete(staff, NOBODY)
    with pytest.raises(GroupNotFound):
        directory.member_ids(staff)
    assert directory.queries.page(GROUPS, ann, Search(), None, resources=True).items == ()
    assert directory.user_reader.get(ann).version == 1


@pytest.mark.parametrize("change", ["add", "replace", "create", "change", "owner"])
def test_related_entities_must_exist(
    directory: Directory, people: Sequence[int], change: str
) -> None:
    ann, *_ = people
    staff = directory.group("Staff", members=[ann])
    ids = [ann, 98, 99]
    relate: dict[str, Callable[[], object]] = {
        "add": lambda: directory.members.add(staff, ids, NOBODY),
        "replace": lambda: directory.members.replace(staff, ids, NOBODY),
        "create": lambda: directory.group("Other", members=ids),
        "change": lambda: directory.groups.change(
            staff, GroupChanges({"name": "New"}), NOBODY, related={"members": ids}
        ),
        "owner": lambda: directory.groups.change(staff, GroupChanges({"owner": 99}), NOBODY),
    }
    with pytest.raises(RelatedNotFound) as refusal:
        relate[change]()
    assert refusal.value.ids == ({99} if change == "owner" else {98, 99})
    assert refusal.value.attribute == ("owner" if change == "owner" else "members")
    assert directory.member_ids(staff) == [ann]
    assert [each.name for each in directory.group_reader.page(Search()).items] == ["Staff"]


def test_a_change_can_name_the_list_that_it_expects(
    directory: Directory, people: Sequence[int]
) -> None:
    ann, bob, cy, _ = people
    staff = directory.group("Staff", members=[ann, bob])
    expected = {fingerprint([bob, ann])}
    directory.members.replace(staff, [cy], NOBODY, expected=expected)
    for change in (directory.members.add, directory.members.remove, directory.members.replace):
        with pytest.raises(StaleVersion):
            change(staff, [ann], NOBODY, expected=expected)
    assert directory.member_ids(staff) == [cy]


def test_a_long_list_cannot_be_replaced(directory: Directory, people: Sequence[int]) -> None:
    staff = directory.group("Staff", members=people)
    with pytest.raises(ReplacementTooLarge):
        directory.members.replace(staff, [], NOBODY, limit=3)
    with pytest.raises(ReplacementTooLarge):
        directory.groups.change(staff, GroupChanges({}), NOBODY, related={"members": []})
    assert directory.member_ids(staff) == people
    directory.members.replace(staff, [], NOBODY)
    assert directory.member_ids(staff) == []


def test_one_request_changes_a_limited_number(directory: Directory, people: Sequence[int]) -> None:
    ann, bob, cy, _ = people
    staff = directory.group("Staff", members=[ann, bob, cy])
    board = directory.group("Board", owner=ann)
    directory.members.add(board, [ann], NOBODY)
    limited = Context(link_limit=2)
    with pytest.raises(TooManyLinks):
        directory.groups.delete(staff, limited)
    with pytest.raises(TooManyLinks):  # two memberships and one ownership
        directory.users.delete(ann, limited)
    with pytest.raises(TooManyLinks):
        directory.members.replace(staff, [], limited)
    assert directory.member_ids(staff) == [ann, bob, cy]
    directory.members.remove(staff, [ann], limited)
    directory.users.delete(ann, limited)
    directory.groups.delete(staff, NOBODY)


def test_names_of_groups_are_unique_when_folded(directory: Directory) -> None:
    directory.group("Straße")
    with pytest.raises(NameTaken):
        directory.group("STRASSE")


def test_unknown_sources(directory: Directory, people: Sequence[int]) -> None:
    ann, *_ = people
    with pytest.raises(GroupNotFound):
        directory.members.add(99, [ann], NOBODY)
    with pytest.raises(UserNotFound):
        directory.groups_of.remove(99, [1], NOBODY)
    with pytest.raises(GroupNotFound):
        directory.queries.one(OWNER, 99, None, resources=True)


def test_searches_follow_relationships(directory: Directory, people: Sequence[int]) -> None:
    ann, bob, cy, dee = people
    staff = directory.group("Staff", members=[ann, bob], owner=dee)
    board = directory.group("Board", members=[bob, cy], description="Decides")
    in_staff = Related("groups", (Condition("id", Op.IN, (staff,)),))
    in_any = Related("groups")
    named = Related("groups", (Condition("name", Op.EQ, ("Board",)),))
    is_dee = Condition("name", Op.EQ, ("dee",))
    assert directory.found(in_staff) == [ann, bob]
    assert directory.found(in_staff, named) == [bob]  # by different groups
    assert directory.found(Not(in_any)) == [dee]
    assert directory.found(Not(named)) == [ann, dee]
    assert directory.found(AnyOf(((in_staff, named), (is_dee,)))) == [bob, dee]
    groups = directory.group_reader.page
    owned = Related("owner", (Condition("name", Op.EQ, ("dee",)),))
    assert [each.id for each in groups(Search((owned,))).items] == [staff]
    assert [each.id for each in groups(Search((IsNull("owner"),))).items] == [board]
    assert [each.id for each in groups(Search((Not(IsNull("description")),))).items] == [board]
    by_description = Search(ordering=(Order("description"), Order("id")))
    assert [each.id for each in groups(by_description).items] == [staff, board]


def test_inclusion_follows_steps(directory: Directory, people: Sequence[int]) -> None:
    ann, bob, *_ = people
    staff = directory.group("Staff", members=[ann, bob], owner=ann)
    board = directory.group("Board", members=[bob])
    steps = [Step(OWNER), Step(MEMBERS, (Step(GROUPS),))]
    group = directory.group_reader.get(staff)
    included = directory.queries.include(GROUP_TYPE, [group], steps, None)
    assert {kind.name: [*by_id] for kind, by_id in included.entities.items()} == {
        "users": [ann, bob],
        "groups": [staff, board],
    }
    members = included.linked(MEMBERS, staff)
    assert members is not None
    assert ([each.id for each in members.entities], members.more) == ([ann, bob], False)
    groups = included.linked(GROUPS, bob)
    assert groups is not None
    assert [each.id for each in groups.entities] == [staff, board]
    assert included.linked(MEMBERS, board) is None


def test_a_step_includes_the_first_25(directory: Directory) -> None:
    ids = [directory.user(f"u{number}") for number in range(27)]
    staff = directory.group("Staff", members=ids[::-1])
    group = directory.group_reader.get(staff)
    included = directory.queries.include(GROUP_TYPE, [group], [Step(MEMBERS)], None)
    members = included.linked(MEMBERS, staff)
    assert members is not None
    assert ([each.id for each in members.entities], members.more) == (ids[:25], True)


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
            {"groups:read", "users:read"},
            lambda d, c: d.queries.include(GROUP_TYPE, (), [Step(OWNER)], c.principal),
        ),
    ],
)
def test_scopes(
    directory: Directory, required: set[str], act: Callable[[Directory, Context], object]
) -> None:
    ann = directory.user("ann")
    directory.group("Staff", members=[ann])
    for missing in required:
        others = [each for each in SCOPES if each != missing]
        with pytest.raises(InsufficientScope):
            act(directory, context(*others))
    act(directory, context(*required))
