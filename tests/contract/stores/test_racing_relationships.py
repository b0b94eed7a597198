"""Many change the same memberships at once: each change happens completely, or not at all."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import permutations
from random import Random
from threading import Barrier, Event
from typing import Any, TypeVar

import pytest
from contract.stores.directories import ANONYMOUS, RELATIONSHIPS, RelatedDirectory, without_retries

from application.commands import Commands
from application.deadlines import deadline
from application.groups import GROUP_TYPE, MEMBERSHIPS
from application.operations import Change, ChangeLinks, LinkAction, Operation, Operations
from application.ports import ConcurrentUpdate, LinkChange
from application.relationship_commands import RelationshipCommands
from application.relationships import RelatedNotFound, fingerprint
from application.search import Condition, Op, Related, Search, Slice
from application.units import retrying
from application.users import USER_TYPE
from domain.attributes import StaleVersion
from domain.errors import RosterError
from domain.groups import GroupChanges, GroupNotFound
from domain.users import User, UserChanges, UserNotFound

THREADS = 8
EMAIL = USER_TYPE.unique[0]
MEMBERS, GROUPS = MEMBERSHIPS.ends

T = TypeVar("T")


def at_once(works: Sequence[Callable[[], object]]) -> list[object]:
    """Returns the result or the error of each call. All calls begin together."""
    start = Barrier(len(works))

    def one(work: Callable[[], object]) -> object:
        start.wait()
        try:
            with deadline(60):
                return work()
        except RosterError as error:
            return error

    with ThreadPoolExecutor(len(works)) as threads:
        return list(threads.map(one, works))


def people(related: RelatedDirectory, count: int) -> list[int]:
    return [related.user(f"u{number}") for number in range(count)]


def pairs_by_events(
    related: RelatedDirectory, relationship: str, subject_type: str
) -> Counter[tuple[int, int]]:
    """Returns the number of additions minus removals of each pair, by the events of one side."""
    pairs: Counter[tuple[int, int]] = Counter()
    for action, kind, subject, changes in related.recorded():
        if action == "related" and kind == subject_type:
            assert subject is not None
            lists = changes[relationship]
            for name, step in (("added", 1), ("removed", -1)):
                for each in lists.get(name, ()):
                    pairs[subject, int(each)] += step
    return +pairs - Counter()


def test_events_equal_the_actual_changes(related: RelatedDirectory) -> None:
    """After any concurrent changes, the events of both sides lead to the stored pairs."""
    users = people(related, 6)
    groups = [related.group(f"g{number}") for number in range(3)]

    def act(seed: int) -> Callable[[], object]:
        random = Random(seed)

        def run() -> None:
            for _ in range(12):
                group, user = random.choice(groups), random.choice(users)
                some = random.sample(users, random.randint(1, 4))
                acts = (
                    lambda: related.members.add(group, some, ANONYMOUS),  # noqa: B023
                    lambda: related.members.remove(group, some, ANONYMOUS),  # noqa: B023
                    lambda: related.members.replace(group, some, ANONYMOUS),  # noqa: B023
                    lambda: related.groups_of.add(user, groups[:2], ANONYMOUS),  # noqa: B023
                    lambda: related.groups_of.remove(user, groups[1:], ANONYMOUS),  # noqa: B023
                    lambda: related.groups_of.replace(user, [group], ANONYMOUS),  # noqa: B023
                )
                with suppress(ConcurrentUpdate):  # it happened not at all
                    random.choice(acts)()

        return run

    assert [*at_once([act(seed) for seed in range(THREADS)])] == [None] * THREADS
    stored = {(group, user) for group in groups for user in related.member_ids(group)}
    by_groups = pairs_by_events(related, "members", "groups")
    by_users = pairs_by_events(related, "groups", "users")
    assert by_groups == Counter(stored)
    assert Counter({(group, user): n for (user, group), n in by_users.items()}) == Counter(stored)


def test_concurrent_additions_to_one_group_are_all_done(related: RelatedDirectory) -> None:
    users = people(related, THREADS * 3)
    group = related.group("Staff")
    shares = [users[number::THREADS] for number in range(THREADS)]
    outcomes = at_once([partial(related.members.add, group, share, ANONYMOUS) for share in shares])
    assert outcomes == [LinkChange(share, []) for share in shares]
    assert related.member_ids(group) == users


def test_one_of_many_concurrent_additions_of_a_member_is_a_change(
    related: RelatedDirectory,
) -> None:
    (user,) = people(related, 1)
    group = related.group("Staff")
    outcomes = at_once([lambda: related.members.add(group, [user], ANONYMOUS)] * THREADS)
    assert outcomes.count(LinkChange([user], [])) == 1
    assert outcomes.count(LinkChange([], [])) == THREADS - 1
    recorded = [each for each in related.recorded() if each[0] == "related"]
    assert len(recorded) == 2


@pytest.mark.parametrize("size", [0, 3])
def test_one_of_many_concurrent_replacements_of_a_list_succeeds(
    related: RelatedDirectory, size: int
) -> None:
    users = people(related, size + THREADS)
    group = related.group("Staff", members=users[:size])
    expected = {fingerprint(users[:size])}
    outcomes = at_once(
        [
            partial(related.members.replace, group, [each], ANONYMOUS, expected=expected)
            for each in users[size:]
        ]
    )
    succeeded = [each for each in outcomes if isinstance(each, LinkChange)]
    assert len(succeeded) == 1
    assert [type(each) for each in outcomes].count(StaleVersion) == THREADS - 1
    assert related.member_ids(group) == list(succeeded[0].added)


def test_concurrent_replacements_are_serialized(related: RelatedDirectory) -> None:
    users = people(related, THREADS * 2)
    group = related.group("Staff")
    lists = [users[2 * number : 2 * number + 2] for number in range(THREADS)]
    outcomes = at_once([partial(related.members.replace, group, each, ANONYMOUS) for each in lists])
    assert all(isinstance(each, LinkChange) for each in outcomes), outcomes
    assert related.member_ids(group) in lists


def test_deletions_and_additions_leave_no_half_memberships(related: RelatedDirectory) -> None:
    users = people(related, 8)
    groups = [related.group(f"g{number}", owner=users[number]) for number in range(4)]

    def add(number: int) -> object:
        return related.members.add(groups[number % 4], users, ANONYMOUS)

    def own(number: int) -> object:
        changes = GroupChanges({"owner": users[4 + number % 4]})
        return related.groups.change(groups[number], changes, ANONYMOUS)

    works: list[Callable[[], object]] = [
        *(
            lambda number=number: related.users.delete(users[number], ANONYMOUS)
            for number in range(2)
        ),
        lambda: related.groups.delete(groups[0], ANONYMOUS),
        *(lambda number=number: add(number) for number in range(4)),
        lambda: own(1),
    ]
    outcomes = at_once(works)
    refused = (RelatedNotFound, GroupNotFound, UserNotFound, ConcurrentUpdate)
    assert all(not isinstance(each, Exception) or isinstance(each, refused) for each in outcomes)
    assert outcomes[:3] == [None] * 3
    remaining = {each.id for each in related.user_reader.page(Search(place=Slice(100))).items}
    assert remaining == set(users[2:])
    for number in range(1, 4):
        # Each addition named all users: it was done before the deletions, or failed.
        assert set(related.member_ids(groups[number])) in (set(), remaining)
        assert related.group_reader.get(groups[number]).owner in {None, *remaining}
    stored = {(group, user) for group in groups[1:] for user in related.member_ids(group)}
    by_groups = pairs_by_events(related, "members", "groups")
    assert Counter({each: n for each, n in by_groups.items() if each[0] != groups[0]}) == Counter(
        stored
    )


@pytest.mark.parametrize("for_update", [False, True])
def test_operations_in_any_order_do_not_wait_for_each_other(
    related: RelatedDirectory, for_update: bool
) -> None:
    """Each request changes the same users and groups in another order.

    A deadlock would be a ConcurrentUpdate.
    """
    users = people(related, 2)
    groups = [related.group(f"g{number}") for number in range(2)]
    perform = Operations(
        {
            "users": partial(Commands, USER_TYPE, relationships=RELATIONSHIPS),
            "groups": partial(Commands, GROUP_TYPE, relationships=RELATIONSHIPS),
        }
    )

    def operations(number: int) -> list[Operation]:
        name = f"n{number}"
        return [
            *(Change("users", each, UserChanges({"name": name})) for each in users),
            *(Change("groups", each, GroupChanges({"description": name})) for each in groups),
        ]

    run = without_retries(related.begin, for_update=for_update)

    def change(order: tuple[int, ...]) -> object:
        changes = operations(hash(order))
        return perform([changes[each] for each in order], run, ANONYMOUS)

    orders = [*permutations(range(4))]
    if not for_update:
        orders.remove((0, 1, 2, 3))  # it takes no locks before the first change
    outcomes = at_once([partial(change, order) for order in orders])
    assert [each for each in outcomes if isinstance(each, Exception)] == []
    assert related.user_reader.get(users[0]).version == 1 + len(orders)


@pytest.mark.parametrize("later", ["the member", "the group"])
def test_operations_that_relate_before_they_change_do_not_deadlock(
    related: RelatedDirectory, later: str
) -> None:
    """Each request adds a member and then changes one of both. Others replace a list of that one.

    A deadlock would be a ConcurrentUpdate.
    """
    user, other = people(related, 2)
    groups = [related.group(f"g{number}") for number in range(3)]
    perform = Operations(
        {
            "users": partial(Commands, USER_TYPE, relationships=RELATIONSHIPS),
            "groups": partial(Commands, GROUP_TYPE, relationships=RELATIONSHIPS),
        }
    )
    run = without_retries(related.begin)

    def add_and_change(number: int) -> None:
        group = groups[0] if later == "the group" else groups[number % 3]
        add = ChangeLinks("groups", group, MEMBERS, LinkAction.ADD, [user])
        name = f"n{number}"
        change = (
            Change("groups", group, GroupChanges({"description": name}))
            if later == "the group"
            else Change("users", user, UserChanges({"name": name}))
        )
        perform([add, change], run, ANONYMOUS)

    def replace(number: int) -> None:
        if later == "the group":
            related_ids = [[user], [other], [user, other]][number % 3]
            RelationshipCommands(MEMBERS, run).replace(groups[0], related_ids, ANONYMOUS)
        else:
            RelationshipCommands(GROUPS, run).replace(user, groups[: number % 3], ANONYMOUS)

    def repeat(number: int) -> Callable[[], object]:
        def act() -> None:
            for turn in range(20):
                (replace if number % 2 else add_and_change)(number + turn)

        return act

    assert at_once([repeat(number) for number in range(4)]) == [None] * 4


# PostgreSQL needs a second to detect a deadlock, if its setting is the default.
@pytest.mark.parametrize("kind", ["postgresql_18", "postgresql_15"])
@pytest.mark.parametrize("for_update", [False, True])
@pytest.mark.parametrize("change", ["add", "replace", "change"])
def test_changes_from_both_ends_do_not_deadlock(
    related: RelatedDirectory, for_update: bool, change: str
) -> None:
    """A deadlock would be a ConcurrentUpdate."""
    users = people(related, 3)
    groups = [related.group(f"g{number}") for number in range(3)]

    run = without_retries(related.begin, for_update=for_update)
    members, groups_of = RelationshipCommands(MEMBERS, run), RelationshipCommands(GROUPS, run)
    group_commands = Commands(GROUP_TYPE, run, relationships=RELATIONSHIPS)
    user_commands = Commands(USER_TYPE, run, relationships=RELATIONSHIPS)

    def act(number: int) -> Callable[[], object]:
        random = Random(number)

        def of_group() -> None:
            group, some = random.choice(groups), random.sample(users, random.randint(1, 3))
            if change == "add":
                members.remove(group, some, ANONYMOUS)
                members.add(group, some, ANONYMOUS)
            elif change == "replace":
                members.replace(group, some, ANONYMOUS)
            else:
                group_commands.change(group, GroupChanges({}), ANONYMOUS, related={"members": some})

        def of_user() -> None:
            user, some = random.choice(users), random.sample(groups, random.randint(1, 3))
            if change == "add":
                groups_of.add(user, some, ANONYMOUS)
            elif change == "replace":
                groups_of.replace(user, some, ANONYMOUS)
            else:
                user_commands.change(user, UserChanges({}), ANONYMOUS, related={"groups": some})

        def repeat() -> None:
            for _ in range(15):
                (of_group if number % 2 else of_user)()

        return repeat

    assert at_once([act(number) for number in range(THREADS)]) == [None] * THREADS


@pytest.mark.parametrize("kind", ["postgresql_18", "postgresql_15"])
def test_the_deletion_of_an_owner_does_not_deadlock_with_a_replacement(
    related: RelatedDirectory,
) -> None:
    """A deadlock would be a ConcurrentUpdate."""

    run = without_retries(related.begin, for_update=True)
    members = RelationshipCommands(MEMBERS, run)
    commands = Commands(USER_TYPE, run, relationships=RELATIONSHIPS)
    other, *owners = people(related, 61)
    failures: list[object] = []
    for owner in owners:
        group = related.group(f"g{owner}", owner=owner, members=[owner])
        outcomes = at_once(
            [
                partial(commands.delete, owner, ANONYMOUS),
                partial(members.replace, group, [other], ANONYMOUS),
            ]
        )
        failures += [each for each in outcomes if isinstance(each, Exception)]
    assert failures == []


# In the other stores, units run one at a time.
@pytest.mark.parametrize("kind", ["postgresql_18", "postgresql_15", "mariadb"])
def test_additions_to_one_group_do_not_wait_for_each_other(related: RelatedDirectory) -> None:
    """A unit that has added a member and is still open does not delay another one."""
    users = people(related, 2)
    group = related.group("Staff")
    added, done = Event(), Event()

    def slowly() -> None:
        def unit(work: Any) -> None:
            work.repository(MEMBERS.source).get(group)
            work.links(MEMBERS).change(group, add=users[:1])
            added.set()
            assert done.wait(30)

        retrying(related.begin)(ANONYMOUS, unit)

    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(slowly)
        assert added.wait(30)
        try:
            with deadline(10):
                related.members.add(group, users[1:], ANONYMOUS)
            assert related.member_ids(group) == users[1:]
        finally:
            done.set()
        first.result()
    assert related.member_ids(group) == users


# An insertion on MariaDB waits for any lock of the entities to which it refers.
@pytest.mark.parametrize("kind", ["postgresql_18", "postgresql_15"])
@pytest.mark.parametrize(
    "read",
    [
        lambda users, user: users.find_by_keys(EMAIL, [user.email]),
        lambda users, user: users.ids_by_keys(EMAIL, [user.email]),
        lambda users, user: users.get_many([user.id]),
    ],
    ids=["find_by_keys", "ids_by_keys", "get_many"],
)
def test_users_that_a_unit_locks_can_be_added_to_a_group(
    related: RelatedDirectory, read: Callable[[Any, User], object]
) -> None:
    """For example, those that a long import with updates has found. They cannot be deleted."""
    (user_id,) = people(related, 1)
    group = related.group("Staff")
    with ThreadPoolExecutor(1) as threads:
        with related.begin(ANONYMOUS, for_update=True) as work:
            users = work.repository(USER_TYPE)
            assert read(users, related.user_reader.get(user_id))
            with deadline(10):
                related.members.add(group, [user_id], ANONYMOUS)
            assert related.member_ids(group) == [user_id]
            deletion = waiting_deletion(related, user_id, threads)
        deletion.result(30)
    assert related.member_ids(group) == []


def waiting_deletion(
    related: RelatedDirectory, user_id: int, threads: ThreadPoolExecutor
) -> Future[None]:
    """Begins to delete a user, and checks that the deletion waits for a lock."""
    deletion = threads.submit(related.users.delete, user_id, ANONYMOUS)
    related.wait_for_a_lock()
    assert not deletion.done()
    return deletion


# MariaDB does not show that the deletion waits, because it waits before its last statement.
@pytest.mark.parametrize("kind", ["postgresql_18", "postgresql_15"])
def test_users_that_a_unit_finds_by_their_group_are_locked(related: RelatedDirectory) -> None:
    """For example, those that a bulk command deletes."""
    (user_id,) = people(related, 1)
    group = related.group("Staff")
    related.members.add(group, [user_id], ANONYMOUS)
    in_group = Related("groups", (Condition("id", Op.EQ, (group,)),))
    with ThreadPoolExecutor(1) as threads:
        with related.begin(ANONYMOUS, for_update=True) as work:
            found = work.repository(USER_TYPE).page(Search((in_group,), place=Slice(10)))
            assert [each.id for each in found.items] == [user_id]
            deletion = waiting_deletion(related, user_id, threads)
        deletion.result(30)


def test_an_entity_that_was_deleted_meanwhile_is_a_conflict(related: RelatedDirectory) -> None:
    """The store reports a conflict, after which a unit runs again."""
    (user,) = people(related, 1)
    group = related.group("Staff")
    missing = 10**12
    for add in (
        lambda links: links.change(group, add=[missing]),
        lambda links: links.add_pairs([(group, user), (group, missing)]),
    ):
        with pytest.raises(ConcurrentUpdate), related.begin(ANONYMOUS) as work:
            add(work.links(MEMBERS))
    if related.kind != "memory":  # which does not check references
        with pytest.raises(ConcurrentUpdate), related.begin(ANONYMOUS) as work:
            groups = work.repository(MEMBERS.source)
            before = groups.get(group)
            owned = before.with_changes(GroupChanges({"owner": missing}), at=work.now)
            groups.save(owned, before=before)
        related.members.add(group, [user], ANONYMOUS)
        with pytest.raises(ConcurrentUpdate), related.begin(ANONYMOUS) as work:
            work.repository(GROUPS.source).remove(related.user_reader.get(user))
    assert related.group_reader.get(group).owner is None
