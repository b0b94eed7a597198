"""Generated memberships and searches: every store finds what a plain model finds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cmp_to_key
from typing import Any

import pytest
from contract.stores.directories import ANONYMOUS, Directory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from application.groups import GROUP_TYPE, MEMBERSHIPS
from application.ports import Reader
from application.search import (
    AnyOf,
    Condition,
    IsNull,
    Key,
    Not,
    Numbered,
    Op,
    Order,
    Related,
    Search,
    Slice,
    WordSearch,
    key_of,
    total_order,
)
from application.users import USER_TYPE
from domain.groups import NewGroup
from domain.text import fold
from domain.users import NewUser

pytestmark = pytest.mark.slow

NAMES = ("Ann", "ann", "bö", "c%_", "ab")
DESCRIPTIONS = (None, None, "Ann", "a\nb", "BÖ")
USERS, GROUPS = 7, 5


@dataclass(frozen=True)
class World:
    """Users with name and activity, groups with description and owner, and pairs.

    The numbers of owners and pairs are positions in `users` and `groups`.
    """

    users: tuple[tuple[str, bool], ...]
    groups: tuple[tuple[str | None, int | None], ...]
    pairs: frozenset[tuple[int, int]]


numbers = st.integers(0, USERS - 1)
worlds = st.builds(
    World,
    st.tuples(*[st.tuples(st.sampled_from(NAMES), st.booleans())] * USERS),
    st.tuples(*[st.tuples(st.sampled_from(DESCRIPTIONS), st.none() | numbers)] * GROUPS),
    st.frozensets(st.tuples(st.integers(0, GROUPS - 1), numbers), max_size=20),
)


def ids(number: int) -> st.SearchStrategy[Condition]:
    """Conditions on ids, which are numbers until the entities have been stored."""
    one = st.integers(0, number).map(lambda each: (each,))
    some = st.lists(st.integers(0, number), max_size=3, unique=True).map(tuple)
    return st.builds(Condition, st.just("id"), st.sampled_from([Op.EQ, Op.NE]), one) | st.builds(
        Condition, st.just("id"), st.just(Op.IN), some
    )


def texts(attribute: str) -> st.SearchStrategy[Any]:
    values = st.sampled_from(["ann", "Ann", "a", "ö", "%", "x", "b"])
    ops = st.sampled_from([Op.EQ, Op.NE, Op.CONTAINS, Op.STARTS_WITH])
    return st.builds(
        lambda op, value: Condition.folding(attribute, op, (value,)), ops, values
    ) | st.builds(lambda value: WordSearch.folding((attribute, "name"), [value, "n"]), values)


of_user = st.one_of(
    ids(USERS),
    texts("name"),
    st.builds(Condition, st.just("is_active"), st.just(Op.EQ), st.tuples(st.booleans())),
)
of_group = st.one_of(
    ids(GROUPS),
    texts("name"),
    texts("description"),
    st.just(IsNull("description")),
    st.just(IsNull("owner")),
)


def related(name: str, tests: st.SearchStrategy[Any]) -> st.SearchStrategy[Related]:
    tests = tests | st.builds(Not, tests)
    return st.builds(Related, st.just(name), st.lists(tests, max_size=2).map(tuple))


def trees(tests: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    tests = tests | st.builds(Not, tests)
    some = st.lists(tests, min_size=1, max_size=2).map(tuple)
    sets = st.builds(AnyOf, st.lists(some, min_size=1, max_size=3).map(tuple))
    return st.lists(tests | sets | st.builds(Not, sets), max_size=3).map(tuple)


def orders(*attributes: str) -> st.SearchStrategy[tuple[Order, ...]]:
    order = st.builds(Order, st.sampled_from(attributes), st.booleans())
    return st.lists(order, max_size=2).map(tuple).map(total_order)


of_users = st.builds(
    Search, trees(of_user | related("groups", of_group)), orders("id", "email", "name", "is_active")
)
of_groups = st.builds(
    Search,
    trees(of_group | related("members", of_user) | related("owner", of_user)),
    orders("id", "name", "description"),
)


some_searches = st.lists(st.tuples(st.booleans(), of_users, of_groups), min_size=6, max_size=6)


class Model:
    """The entities that were stored, and what tests mean."""

    def __init__(self, directory: Directory, world: World) -> None:
        with directory.begin(ANONYMOUS) as work:
            users = work.repository(USER_TYPE)
            self.users = [
                users.add(NewUser(email=f"{n}@x.org", name=name, is_active=active), at=work.now)
                for n, (name, active) in enumerate(world.users)
            ]
            groups = work.repository(GROUP_TYPE)
            self.groups = [
                groups.add(
                    NewGroup(
                        name=f"{NAMES[n]}{n}",
                        description=description,
                        owner=None if owner is None else self.users[owner].id,
                    ),
                    at=work.now,
                )
                for n, (description, owner) in enumerate(world.groups)
            ]
            pairs = [(self.groups[g].id, self.users[u].id) for g, u in world.pairs]
            if pairs:
                assert work.links(MEMBERSHIPS.ends[0]).add_pairs(pairs * 2) == len(pairs)
        self.pairs = frozenset(pairs)

    def related(self, entity: Any, name: str) -> Iterator[Any]:
        if name == "members":
            return (each for each in self.users if (entity.id, each.id) in self.pairs)
        if name == "groups":
            return (each for each in self.groups if (each.id, entity.id) in self.pairs)
        return (each for each in self.users if each.id == entity.owner)

    def holds(self, test: Any, entity: Any) -> bool:
        if isinstance(test, Not):
            return not self.holds(test.test, entity)
        if isinstance(test, AnyOf):
            return any(all(self.holds(t, entity) for t in each) for each in test.alternatives)
        if isinstance(test, Related):
            found = self.related(entity, test.relationship)
            return any(all(self.holds(t, each) for t in test.tests) for each in found)
        if isinstance(test, IsNull):
            return getattr(entity, test.attribute) is None
        if isinstance(test, WordSearch):
            texts = [fold(getattr(entity, name) or "") for name in test.attributes]
            return all(any(word in each for each in texts) for word in test.words)
        return compares(test, getattr(entity, test.attribute))

    def matching(self, search: Search, entities: list[Any]) -> list[Any]:
        matching = [
            each for each in entities if all(self.holds(t, each) for t in search.conditions)
        ]

        def compare(one: Any, other: Any) -> int:
            for order in search.ordering:
                left, right = (rank(getattr(each, order.attribute)) for each in (one, other))
                if left != right:
                    return -1 if (left < right) != order.descending else 1
            return 0

        return sorted(matching, key=cmp_to_key(compare))

    def with_ids(self, test: Any, entities: list[Any]) -> Any:
        """Returns the test with ids instead of numbers. The last number has no entity."""
        if isinstance(test, Not):
            return Not(self.with_ids(test.test, entities))
        if isinstance(test, AnyOf):
            return AnyOf(
                tuple(tuple(self.with_ids(t, entities) for t in a) for a in test.alternatives)
            )
        if isinstance(test, Related):
            others = self.groups if test.relationship == "groups" else self.users
            return replace(test, tests=tuple(self.with_ids(t, others) for t in test.tests))
        if isinstance(test, Condition) and test.attribute == "id":
            known = [*(each.id for each in entities), 10**15]
            return replace(test, values=tuple(known[int(str(each))] for each in test.values))
        return test


def rank(value: Any) -> tuple[bool, Any]:
    """Null is lower than any value."""
    return (False, 0) if value is None else (True, value)


def compares(test: Condition, value: Any) -> bool:
    if value is None:
        return test.op is Op.NE
    value = fold(value) if test.folded else value
    (first, *_) = test.values or (None,)
    return {
        Op.EQ: lambda: value == first,
        Op.NE: lambda: value != first,
        Op.IN: lambda: value in test.values,
        Op.CONTAINS: lambda: first in value,
        Op.STARTS_WITH: lambda: value.startswith(first),
    }[test.op]()


def walked(reader: Reader[Any], search: Search, *, backward: bool) -> list[int]:
    """Returns all ids, by pages with cursors."""
    found: list[int] = []
    end: Key | None = None
    for _ in range(20):
        place = Slice(2, before=end) if backward else Slice(2, after=end)
        page = reader.page(replace(search, place=place))
        its = [each.id for each in page.items]
        found = its + found if backward else found + its
        if not page.more:
            return found
        end = key_of(page.items[0 if backward else -1], search.ordering)
    pytest.fail("The list has no end.")


@settings(
    max_examples=settings().max_examples // 2,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(world=worlds, searches=some_searches)
def test_searches_find_what_a_plain_model_finds(
    new_related: Callable[[], Any], world: World, searches: list[tuple[bool, Search, Search]]
) -> None:
    directory = new_related()
    model = Model(directory, world)
    for of_user_type, user_search, group_search in searches:
        search = user_search if of_user_type else group_search
        entities = model.users if of_user_type else model.groups
        conditions = tuple(model.with_ids(each, entities) for each in search.conditions)
        search = replace(search, conditions=conditions, place=Slice(100, total=True))
        found = model.matching(search, entities)
        expected = [each.id for each in found]
        reader = directory.user_reader if of_user_type else directory.group_reader
        page = reader.page(search)
        assert [each.id for each in page.items] == expected
        assert page.total == len(expected)
        assert walked(reader, search, backward=False) == expected
        if expected:
            last = key_of(found[-1], search.ordering)
            before_last = reader.page(replace(search, place=Slice(2, before=last)))
            assert [each.id for each in before_last.items] == expected[:-1][-2:]
        numbered = reader.page(replace(search, place=Numbered(2, 2)))
        assert [each.id for each in numbered.items] == expected[2:4]
        assert numbered.total == len(expected)
        with directory.begin(ANONYMOUS, for_update=True) as work:
            repository = work.repository(USER_TYPE if of_user_type else GROUP_TYPE)
            by_id = replace(search, ordering=(Order("id"),), place=Slice(100))
            assert [each.id for each in repository.page(by_id).items] == sorted(expected)
        counted = reader.count_by(search, "name", limit=10)
        assert sum(count for _, count in counted.items) == len(expected)
