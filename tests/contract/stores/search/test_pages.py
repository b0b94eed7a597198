"""Pages of searches on every store."""

import pytest
from contract.stores.directories import Directory
from contract.stores.search.people import every_ordering, ids, in_order, key_of

from application.search import (
    Condition,
    Key,
    Numbered,
    Op,
    Order,
    Page,
    Search,
    Slice,
    WordSearch,
    total_order,
    walk,
)
from domain.users import User


@every_ordering
@pytest.mark.parametrize("size", [1, 3, 12])
def test_pages_forward_return_every_user_once(
    directory: Directory, people: list[User], ordering: tuple[Order, ...], size: int
) -> None:
    seen: list[User] = []
    after, more = None, True
    while more:
        page = directory.reader.page(Search(ordering=ordering, place=Slice(size, after=after)))
        seen += page.items
        after, more = key_of(page.items[-1], ordering), page.more
    assert seen == in_order(people, ordering)


@every_ordering
@pytest.mark.parametrize("size", [1, 3, 12])
def test_pages_backward_return_every_user_once(
    directory: Directory, people: list[User], ordering: tuple[Order, ...], size: int
) -> None:
    *expected, last = in_order(people, ordering)
    seen: list[User] = []
    before, more = key_of(last, ordering), True
    while more:
        page = directory.reader.page(Search(ordering=ordering, place=Slice(size, before=before)))
        seen = [*page.items, *seen]
        before, more = key_of(page.items[0], ordering), page.more
    assert seen == expected


@every_ordering
def test_returns_the_users_between_two_cursors(
    directory: Directory, people: list[User], ordering: tuple[Order, ...]
) -> None:
    expected = in_order(people, ordering)
    after, before = key_of(expected[2], ordering), key_of(expected[8], ordering)

    def between(size: int) -> Page[User]:
        return directory.reader.page(Search(ordering=ordering, place=Slice(size, after, before)))

    assert between(5) == Page(tuple(expected[3:8]), more=False)
    assert between(4) == Page(tuple(expected[3:7]), more=True)


@every_ordering
def test_a_key_can_lie_between_two_users(
    directory: Directory, people: list[User], ordering: tuple[Order, ...]
) -> None:
    expected = in_order(people, ordering)
    step = -1 if ordering[-1].descending else 1

    def page(after: Key | None = None, before: Key | None = None) -> Page[User]:
        return directory.reader.page(Search(ordering=ordering, place=Slice(12, after, before)))

    for position in (0, 5, 11):
        user_id, (*values, _) = expected[position].id, key_of(expected[position], ordering)
        right_before, right_after = (*values, user_id - step), (*values, user_id + step)
        assert page(after=right_before) == Page(tuple(expected[position:]), more=False)
        assert page(before=right_after) == Page(tuple(expected[: position + 1]), more=False)
        assert page(right_before, right_after) == Page((expected[position],), more=False)


@every_ordering
def test_numbered_pages_have_the_total(
    directory: Directory, people: list[User], ordering: tuple[Order, ...]
) -> None:
    expected = in_order(people, ordering)

    def numbered(number: int) -> Page[User]:
        return directory.reader.page(Search(ordering=ordering, place=Numbered(5, number)))

    assert numbered(1) == Page(tuple(expected[:5]), more=True, total=12)
    assert numbered(3) == Page(tuple(expected[10:]), more=False, total=12)
    assert numbered(4) == Page((), more=False, total=12)


def test_the_total_is_that_of_the_filter(directory: Directory, people: list[User]) -> None:
    active = Condition("is_active", Op.EQ, (True,))
    page = directory.reader.page(Search((active,), place=Numbered(6, 1)))
    assert (len(page.items), page.more, page.total) == (6, False, 6)
    unknown = Condition("name", Op.EQ, ("unknown",))
    assert directory.reader.page(Search((unknown,), place=Numbered(6, 1))) == Page((), False, 0)


def test_filters_apply_on_every_page(directory: Directory, people: list[User]) -> None:
    active = Condition("is_active", Op.EQ, (True,))
    ordering = total_order((Order("name", descending=True),))
    expected = in_order([user for user in people if user.is_active], ordering)
    after = key_of(expected[1], ordering)
    page = directory.reader.page(Search((active,), ordering, Slice(3, after=after)))
    assert page == Page(tuple(expected[2:5]), more=True)


@pytest.mark.parametrize("descending", [False, True])
def test_a_key_can_be_outside_the_matches_of_a_filter(
    directory: Directory, people: list[User], descending: bool
) -> None:
    ordering = total_order((Order("role", descending),))
    users = [user.id for user in people if user.role == "user"]
    only_users = (Condition("role", Op.EQ, ("user",)),)
    for role in ("admin", "zoo"):
        is_after = (role > "user") is descending
        for key in ((role, 1), (role, 99)):
            after, before = (
                ids(directory.reader.page(Search(only_users, ordering, place)))
                for place in (Slice(100, after=key), Slice(100, before=key))
            )
            assert (after, before) == ((users, []) if is_after else ([], users))


three_orderings = pytest.mark.parametrize(
    "ordering",
    [
        total_order(orders)
        for orders in ((), (Order("name", descending=True),), (Order("role"), Order("name", True)))
    ],
    ids=["id", "-name", "role,-name"],
)


@three_orderings
def test_a_word_search_applies_on_every_page(
    directory: Directory, people: list[User], ordering: tuple[Order, ...]
) -> None:
    search = WordSearch.folding(("email", "name"), ("n", "user"))
    expected = in_order([user for user in people if "n" in user.name.lower()], ordering)
    pages = walk(directory.reader.page, Search((search,), ordering), size=2)
    assert list(pages) == expected
    numbered = directory.reader.page(Search((search,), ordering, Numbered(3, 2)))
    assert (list(numbered.items), numbered.total) == (expected[3:6], len(expected))


@three_orderings
def test_a_slice_can_include_the_total_of_the_list(
    directory: Directory, people: list[User], ordering: tuple[Order, ...]
) -> None:
    expected = in_order([user for user in people if user.is_active], ordering)
    active = (Condition("is_active", Op.EQ, (True,)),)
    second, fourth = (key_of(expected[number], ordering) for number in (1, 3))
    for after, before, items, more in (
        (None, None, expected[:2], True),
        (second, None, expected[2:4], True),
        (fourth, None, expected[4:6], False),
        (None, fourth, expected[1:3], True),
        (second, fourth, expected[2:3], False),
        (key_of(expected[-1], ordering), None, [], False),
    ):
        place = Slice(2, after, before, total=True)
        page = directory.reader.page(Search(active, ordering, place))
        assert page == Page(tuple(items), more=more, total=6)


def test_a_slice_of_nothing_has_a_total_of_0(directory: Directory, people: list[User]) -> None:
    missing = (Condition("id", Op.EQ, (99_999_999,)),)
    for conditions in (missing, (Condition.folding("name", Op.EQ, ("absent",)),)):
        page = directory.reader.page(Search(conditions, place=Slice(5, total=True)))
        assert page == Page((), more=False, total=0)
    one = (Condition("id", Op.EQ, (people[0].id,)),)
    page = directory.reader.page(Search(one, place=Slice(5, total=True)))
    assert page == Page((people[0],), more=False, total=1)
