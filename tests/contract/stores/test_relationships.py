"""Memberships and owners of groups, on every store."""

from collections.abc import Callable, Sequence

import pytest
from contract.stores.directories import ANONYMOUS, RelatedDirectory

from application.groups import GROUP_TYPE, MEMBERSHIPS, OWNER
from application.inclusion import Step
from application.ports import Context, LinkChange, TooManyLinks
from application.relationships import RelatedNotFound, ReplacementTooLarge, fingerprint
from application.search import AnyOf, Condition, IsNull, Not, Op, Order, Related, Search
from domain.attributes import StaleVersion
from domain.groups import GroupChanges, GroupNotFound, NameTaken
from domain.users import UserNotFound

MEMBERS, GROUPS = MEMBERSHIPS.ends


MISSING = 10**12


@pytest.fixture
def people(related: RelatedDirectory) -> Sequence[int]:
    return [related.user(name) for name in ("ann", "bob", "cy", "dee")]


def test_both_sides_see_the_same_memberships(
    related: RelatedDirectory, people: Sequence[int]
) -> None:
    ann, bob, *_ = people
    staff, board = related.group("Staff", members=[bob, ann]), related.group("Board")
    assert related.groups_of.add(ann, [board, staff], ANONYMOUS) == LinkChange([board], [])
    assert related.member_ids(staff) == [ann, bob]
    assert related.member_ids(board) == [ann]
    page = related.queries.page(GROUPS, ann, Search(), None, resources=True)
    assert [each.id for each in page.items] == [staff, board]


def test_changes_are_repeatable(related: RelatedDirectory, people: Sequence[int]) -> None:
    ann, bob, cy, _ = people
    staff = related.group("Staff", members=[ann])
    assert related.members.add(staff, [ann, bob, bob], ANONYMOUS) == LinkChange([bob], [])
    assert related.members.remove(staff, [cy, MISSING, 10**30, ann], ANONYMOUS) == LinkChange(
        [], [ann]
    )
    assert related.members.remove(staff, [ann], ANONYMOUS) == LinkChange([], [])
    assert related.members.replace(staff, [cy, ann], ANONYMOUS) == LinkChange([ann, cy], [bob])
    assert related.member_ids(staff) == [ann, cy]


def test_a_membership_changes_neither_side(
    related: RelatedDirectory, people: Sequence[int]
) -> None:
    ann, *_ = people
    staff = related.group("Staff")
    before = related.user_reader.get(ann), related.group_reader.get(staff)
    related.members.add(staff, [ann], ANONYMOUS)
    assert (related.user_reader.get(ann), related.group_reader.get(staff)) == before


def test_finds_the_entities_that_refer_to_any_of_several(
    related: RelatedDirectory, people: Sequence[int]
) -> None:
    ann, bob, *_ = people
    staff = related.group("Staff", owner=ann)
    board = related.group("Board", owner=bob)
    related.group("Choir")
    keys = tuple(related.user_reader.get(each).email_key for each in (ann, bob))
    owned = Search((Related("owner", (Condition("email_key", Op.EQ, keys),)),))
    assert {each.id for each in related.group_reader.page(owned).items} == {staff, board}


def test_the_audit_log_has_an_event_for_each_side(
    related: RelatedDirectory, people: Sequence[int]
) -> None:
    ann, bob, *_ = people
    staff = related.group("Staff", members=[ann])
    before = len(related.recorded())
    related.members.replace(staff, [bob], ANONYMOUS)
    related.members.replace(staff, [bob], ANONYMOUS)  # changes nothing
    assert related.recorded()[before:] == [
        ("related", "groups", staff, {"members": {"added": [str(bob)], "removed": [str(ann)]}}),
        ("related", "users", bob, {"groups": {"added": [str(staff)]}}),
        ("related", "users", ann, {"groups": {"removed": [str(staff)]}}),
    ]


def test_creation_is_recorded_before_memberships(
    related: RelatedDirectory, people: Sequence[int]
) -> None:
    ann, *_ = people
    before = len(related.recorded())
    staff = related.group("Staff", members=[ann], owner=ann)
    created, with_members, *others = related.recorded()[before:]
    assert created[:3] == ("created", "groups", staff)
    assert created[3] == {
        "name": {"from": None, "to": "Staff"},
        "owner": {"from": None, "to": str(ann)},
    }
    assert with_members == ("related", "groups", staff, {"members": {"added": [str(ann)]}})
    assert len(others) == 1


def test_a_deleted_user_leaves_groups_and_owns_none(
    related: RelatedDirectory, people: Sequence[int]
) -> None:
    ann, bob, *_ = people
    staff = related.group("Staff", members=[ann, bob], owner=ann)
    board = related.group("Board", owner=ann)
    before = len(related.recorded())
    related.users.delete(ann, ANONYMOUS)
    assert related.member_ids(staff) == [bob]
    assert [(each.owner, each.version) for each in related.group_reader.page(Search()).items] == [
        (None, 2),
        (None, 2),
    ]
    lost = {"owner": {"from": str(ann), "to": None}}
    *others, deleted = related.recorded()[before:]
    assert others == [
        ("changed", "groups", staff, lost),
        ("changed", "groups", board, lost),
        ("related", "groups", staff, {"members": {"removed": [str(ann)]}}),
    ]
    assert deleted[:3] == ("deleted", "users", ann)


def test_a_deleted_group_has_no_members(related: RelatedDirectory, people: Sequence[int]) -> None:
    ann, *_ = people
    staff = related.group("Staff", members=[ann])
    related.groups.delete(staff, ANONYMOUS)
    with pytest.raises(GroupNotFound):
        related.member_ids(staff)
    assert related.queries.page(GROUPS, ann, Search(), None, resources=True).items == ()
    assert related.user_reader.get(ann).version == 1


@pytest.mark.parametrize("change", ["add", "replace", "create", "change", "owner"])
def test_related_entities_must_exist(
    related: RelatedDirectory, people: Sequence[int], change: str
) -> None:
    ann, *_ = people
    staff = related.group("Staff", members=[ann])
    ids = [ann, MISSING, MISSING + 1]
    relate: dict[str, Callable[[], object]] = {
        "add": lambda: related.members.add(staff, ids, ANONYMOUS),
        "replace": lambda: related.members.replace(staff, ids, ANONYMOUS),
        "create": lambda: related.group("Other", members=ids),
        "change": lambda: related.groups.change(
            staff, GroupChanges({"name": "New"}), ANONYMOUS, related={"members": ids}
        ),
        "owner": lambda: related.groups.change(staff, GroupChanges({"owner": MISSING}), ANONYMOUS),
    }
    with pytest.raises(RelatedNotFound) as refusal:
        relate[change]()
    assert refusal.value.ids == ({MISSING} if change == "owner" else {MISSING, MISSING + 1})
    assert refusal.value.attribute == ("owner" if change == "owner" else "members")
    assert related.member_ids(staff) == [ann]
    assert [each.name for each in related.group_reader.page(Search()).items] == ["Staff"]


def test_a_change_can_name_the_list_that_it_expects(
    related: RelatedDirectory, people: Sequence[int]
) -> None:
    ann, bob, cy, _ = people
    staff = related.group("Staff", members=[ann, bob])
    expected = {fingerprint([bob, ann])}
    related.members.replace(staff, [cy], ANONYMOUS, expected=expected)
    for change in (related.members.add, related.members.remove, related.members.replace):
        with pytest.raises(StaleVersion):
            change(staff, [ann], ANONYMOUS, expected=expected)
    assert related.member_ids(staff) == [cy]


def test_a_long_list_cannot_be_replaced(related: RelatedDirectory, people: Sequence[int]) -> None:
    staff = related.group("Staff", members=people)
    with pytest.raises(ReplacementTooLarge):
        related.members.replace(staff, [], ANONYMOUS, limit=3)
    with pytest.raises(ReplacementTooLarge):
        related.groups.change(staff, GroupChanges({}), ANONYMOUS, related={"members": []})
    assert related.member_ids(staff) == people
    related.members.replace(staff, [], ANONYMOUS)
    assert related.member_ids(staff) == []


def test_one_request_changes_a_limited_number(
    related: RelatedDirectory, people: Sequence[int]
) -> None:
    ann, bob, cy, _ = people
    staff = related.group("Staff", members=[ann, bob, cy])
    board = related.group("Board", owner=ann)
    related.members.add(board, [ann], ANONYMOUS)
    limited = Context(link_limit=2)
    with pytest.raises(TooManyLinks):
        related.groups.delete(staff, limited)
    with pytest.raises(TooManyLinks):  # two memberships and one ownership
        related.users.delete(ann, limited)
    with pytest.raises(TooManyLinks):
        related.members.replace(staff, [], limited)
    assert related.member_ids(staff) == [ann, bob, cy]
    related.members.remove(staff, [ann], limited)
    related.users.delete(ann, limited)
    related.groups.delete(staff, ANONYMOUS)


def test_names_of_groups_are_unique_when_folded(related: RelatedDirectory) -> None:
    related.group("Straße")
    with pytest.raises(NameTaken):
        related.group("STRASSE")


def test_the_relationships_of_an_unknown_entity_are_not_found(
    related: RelatedDirectory, people: Sequence[int]
) -> None:
    ann, *_ = people
    with pytest.raises(GroupNotFound):
        related.members.add(MISSING, [ann], ANONYMOUS)
    with pytest.raises(UserNotFound):
        related.groups_of.remove(MISSING, [1], ANONYMOUS)
    with pytest.raises(GroupNotFound):
        related.queries.one(OWNER, MISSING, None, resources=True)


def test_searches_follow_relationships(related: RelatedDirectory, people: Sequence[int]) -> None:
    ann, bob, cy, dee = people
    staff = related.group("Staff", members=[ann, bob], owner=dee)
    board = related.group("Board", members=[bob, cy], description="Decides")
    in_staff = Related("groups", (Condition("id", Op.IN, (staff,)),))
    in_any = Related("groups")
    named = Related("groups", (Condition("name", Op.EQ, ("Board",)),))
    is_dee = Condition("name", Op.EQ, ("dee",))
    assert related.find_ids(in_staff) == [ann, bob]
    assert related.find_ids(in_staff, named) == [bob]  # by different groups
    assert related.find_ids(Not(in_any)) == [dee]
    assert related.find_ids(Not(named)) == [ann, dee]
    assert related.find_ids(AnyOf(((in_staff, named), (is_dee,)))) == [bob, dee]
    groups = related.group_reader.page
    owned = Related("owner", (Condition("name", Op.EQ, ("dee",)),))
    assert [each.id for each in groups(Search((owned,))).items] == [staff]
    assert [each.id for each in groups(Search((IsNull("owner"),))).items] == [board]
    assert [each.id for each in groups(Search((Not(IsNull("description")),))).items] == [board]
    by_description = Search(ordering=(Order("description"), Order("id")))
    assert [each.id for each in groups(by_description).items] == [staff, board]


@pytest.mark.parametrize("others", [1, 7, 8, 600])
def test_a_search_accepts_many_related_ids(
    related: RelatedDirectory, people: Sequence[int], others: int
) -> None:
    ann, bob, *_ = people
    staff = related.group("Staff", owner=ann, members=[ann, bob])
    board = related.group("Board", owner=bob, members=[ann])
    of_users, of_groups = (
        Condition("id", Op.IN, (*ids, *range(MISSING, MISSING + others)))
        for ids in ((ann, bob), (staff, board))
    )
    assert related.find_ids(Related("groups", (of_groups,))) == [ann, bob]
    for name in ("members", "owner"):
        page = related.group_reader.page(Search((Related(name, (of_users,)),)))
        assert [each.id for each in page.items] == [staff, board]


def test_a_search_compares_related_ids(related: RelatedDirectory, people: Sequence[int]) -> None:
    ann, bob, cy, dee = people
    staff = related.group("Staff", owner=ann, members=[ann, bob])
    board = related.group("Board", owner=bob, members=[bob, cy])
    club = related.group("Club", owner=cy, members=[dee])
    after_staff = Related("groups", (Condition("id", Op.GT, (staff,)),))
    until_board = Related("groups", (Condition("id", Op.LE, (board,)),))
    not_board = Related("groups", (Condition("id", Op.NE, (board,)),))
    assert related.find_ids(after_staff) == [bob, cy, dee]
    assert related.find_ids(until_board) == [ann, bob, cy]
    assert related.find_ids(not_board) == [ann, bob, dee]
    for op, groups in ((Op.GT, [club]), (Op.LE, [staff, board]), (Op.NE, [staff, club])):
        owner = Related("owner", (Condition("id", op, (bob,)),))
        page = related.group_reader.page(Search((owner,)))
        assert [each.id for each in page.items] == groups


def test_inclusion_follows_steps(related: RelatedDirectory, people: Sequence[int]) -> None:
    ann, bob, *_ = people
    staff = related.group("Staff", members=[ann, bob], owner=ann)
    board = related.group("Board", members=[bob])
    steps = [Step(OWNER), Step(MEMBERS, (Step(GROUPS),))]
    group = related.group_reader.get(staff)
    included = related.queries.include(GROUP_TYPE, [group], steps, None)
    assert {kind.name: [*by_id] for kind, by_id in included.entities.items()} == {
        "users": [ann, bob],
        "groups": [staff, board],
    }
    (members,) = included.linked(MEMBERS, [staff])
    assert ([each.id for each in members.entities], members.more) == ([ann, bob], False)
    of_ann, of_bob = included.linked(GROUPS, [ann, bob])
    assert [each.id for each in of_ann.entities] == [staff]
    assert [each.id for each in of_bob.entities] == [staff, board]
    assert included.loaded == {MEMBERS: {staff}, GROUPS: {ann, bob}}


def test_a_step_includes_the_first_25(related: RelatedDirectory) -> None:
    ids = [related.user(f"u{number}") for number in range(27)]
    staff = related.group("Staff", members=ids[::-1])
    group = related.group_reader.get(staff)
    included = related.queries.include(GROUP_TYPE, [group], [Step(MEMBERS)], None)
    (members,) = included.linked(MEMBERS, [staff])
    assert ([each.id for each in members.entities], members.more) == (ids[:25], True)


def test_pairs_are_read_in_order_after_a_pair(
    related: RelatedDirectory, people: Sequence[int]
) -> None:
    ann, bob, cy, dee = people
    staff, empty, board = related.group("Staff"), related.group("Empty"), related.group("Board")
    related.members.add(board, [dee, ann], ANONYMOUS)
    related.members.add(staff, [cy, ann, bob], ANONYMOUS)
    expected = [(staff, ann), (staff, bob), (staff, cy), (board, ann), (board, dee)]
    read: list[tuple[int, int]] = []
    after = (0, 0)
    while pairs := related.links.pairs(MEMBERSHIPS, after=after, limit=2):
        assert len(pairs) <= 2
        read += pairs
        after = pairs[-1]
    assert read == expected
    assert related.links.pairs(MEMBERSHIPS, after=(staff, bob), limit=9) == expected[2:]
    assert related.links.pairs(MEMBERSHIPS, after=(empty, 1), limit=9) == expected[3:]


def test_ids_are_found_by_keys(related: RelatedDirectory, people: Sequence[int]) -> None:
    staff, fur = related.group("Sta\ufb00"), related.group("'F\u00fcr' \\ \"jeden\"")
    (unique,) = GROUP_TYPE.unique
    keys = [unique.key_of(each) for each in ("STAFF", "'F\u00dcR' \\ \"JEDEN\"", "Nobody")]
    for for_update in (False, True):
        with related.begin(ANONYMOUS, for_update=for_update) as work:
            found = work.repository(GROUP_TYPE).ids_by_keys(unique, keys)
            assert found == {keys[0]: staff, keys[1]: fur}
            assert work.repository(GROUP_TYPE).ids_by_keys(unique, []) == {}
