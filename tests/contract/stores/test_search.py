"""Searches on every store."""

import operator
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from contract.stores.directories import Directory

from application.ports import Context
from application.search import (
    Condition,
    Key,
    Numbered,
    Op,
    Order,
    Page,
    Search,
    Slice,
    Test,
    WordSearch,
    total_order,
    walk,
)
from domain.users import User, UserChanges

ANONYMOUS = Context()
ATTRIBUTES = tuple(name for name in User._fields if name != "version")
COMPARISONS: dict[Op, Callable[[Any, Any], bool]] = {
    Op.EQ: operator.eq,
    Op.NE: operator.ne,
    Op.LT: operator.lt,
    Op.LE: operator.le,
    Op.GT: operator.gt,
    Op.GE: operator.ge,
}
NAMES = ("Zoe", "ann", "Ann", "Åsa", "Asa", "ann", "Éva", "Eva", "𝒜da", "\uffffx", "z", "Ann B")


@pytest.fixture
def people(directory: Directory) -> list[User]:
    """Users with repeated names, roles and states."""
    added = [
        directory.add(
            f"user{number}@example.org",
            name,
            is_active=number % 2 == 0,
            role=("user", "admin", "a-b", "a_b")[number % 4],
        )
        for number, name in enumerate(NAMES)
    ]
    changed = directory.commands.change(added[3].id, UserChanges({"role": "user"}), ANONYMOUS)
    return [changed if user.id == changed.id else user for user in added]


def ids(page: Page[User]) -> list[int]:
    return [user.id for user in page.items]


def find_ids(directory: Directory, *conditions: Test) -> list[int]:
    return [user.id for user in directory.find(*conditions)]


@pytest.mark.parametrize("op", COMPARISONS)
@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_every_attribute_is_compared_exactly(
    directory: Directory, people: list[User], attribute: str, op: Op
) -> None:
    for value in {getattr(user, attribute) for user in people}:
        expected = [u.id for u in people if COMPARISONS[op](getattr(u, attribute), value)]
        assert find_ids(directory, Condition(attribute, op, (value,))) == expected


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_in_matches_any_of_the_values(
    directory: Directory, people: list[User], attribute: str
) -> None:
    values = tuple({getattr(user, attribute) for user in people[:2]})
    expected = [user.id for user in people if getattr(user, attribute) in values]
    assert find_ids(directory, Condition(attribute, Op.IN, values)) == expected


def test_accepts_500_values(directory: Directory, people: list[User]) -> None:
    values = tuple(f"user{number}@example.org" for number in range(500))
    assert find_ids(directory, Condition.folding("email", Op.IN, values)) == [u.id for u in people]


def test_no_values_match_no_user(directory: Directory, people: list[User]) -> None:
    assert find_ids(directory, Condition("name", Op.IN, ())) == []


def test_compares_a_time_between_two_milliseconds(directory: Directory, people: list[User]) -> None:
    between = people[4].creation_time + timedelta(microseconds=500)
    later = [user.id for user in people if user.creation_time > between]
    assert find_ids(directory, Condition("creation_time", Op.GT, (between,))) == later
    for op in (Op.EQ, Op.IN):
        assert find_ids(directory, Condition("creation_time", op, (between,))) == []
    no_matches = Search((Condition("creation_time", Op.EQ, (between,)),), place=Numbered(5, 1))
    assert directory.reader.page(no_matches).total == 0


@pytest.mark.parametrize("id_", [2**63, -(2**63) - 1, 10**40], ids=["above", "below", "far above"])
def test_compares_numbers_that_are_out_of_range(
    directory: Directory, people: list[User], id_: Any
) -> None:
    for op, holds in COMPARISONS.items():
        expected = [user.id for user in people if holds(user.id, id_)]
        assert find_ids(directory, Condition("id", op, (id_,))) == expected
    assert find_ids(directory, Condition("id", Op.IN, (id_, people[0].id))) == [people[0].id]


@pytest.mark.parametrize("op", [Op.EQ, Op.IN])
@pytest.mark.parametrize("value", ["ANN", "ann", "ａＮｎ"])
def test_finds_folded_values_in_any_case(
    directory: Directory, people: list[User], op: Op, value: str
) -> None:
    anns = [user.id for user in people if user.name.lower() == "ann"]
    assert find_ids(directory, Condition.folding("name", op, (value,))) == anns


def test_not_equal_compares_folded_values(directory: Directory, people: list[User]) -> None:
    expected = [user.id for user in people if user.name.lower() != "éva"]
    assert find_ids(directory, Condition.folding("name", Op.NE, ("ÉVA",))) == expected


@pytest.mark.parametrize(
    ("op", "value", "names"),
    [
        (Op.STARTS_WITH, "ANN", ["ann", "Ann", "ann", "Ann B"]),
        (Op.STARTS_WITH, "ann ", ["Ann B"]),
        (Op.STARTS_WITH, "\uffff", ["\uffffx"]),
        (Op.STARTS_WITH, "", list(NAMES)),
        (Op.CONTAINS, "S", ["Åsa", "Asa"]),
        (Op.CONTAINS, "ÅS", ["Åsa"]),
        (Op.CONTAINS, "", list(NAMES)),
        (Op.CONTAINS, "nobody", []),
    ],
)
def test_finds_parts_of_folded_values(
    directory: Directory, people: list[User], op: Op, value: str, names: list[str]
) -> None:
    page = directory.reader.page(Search((Condition.folding("name", op, (value,)),)))
    assert [user.name for user in page.items] == names


@pytest.mark.parametrize("op", [Op.STARTS_WITH, Op.CONTAINS])
def test_finds_parts_of_exact_values(directory: Directory, people: list[User], op: Op) -> None:
    page = directory.reader.page(Search((Condition("name", op, ("Ann",)),)))
    assert [user.name for user in page.items] == ["Ann", "Ann B"]


@pytest.mark.parametrize(
    "literal", ["%", "_", "\\", "%_", "/", "'", '"', "[", "*", "?", "\\%", ":x"]
)
@pytest.mark.parametrize("op", [Op.STARTS_WITH, Op.CONTAINS, Op.EQ])
def test_no_character_is_a_wildcard(directory: Directory, op: Op, literal: str) -> None:
    directory.add("one@example.org", "xyz abc")
    expected = directory.add("two@example.org", literal)
    assert find_ids(directory, Condition.folding("name", op, (literal,))) == [expected.id]


@pytest.mark.parametrize("prefix", ["\U0010ffff", "x\U0010ffff", "x\U0010ffff" * 2, "x\ud7ff"])
def test_a_prefix_can_end_with_the_last_code_point(directory: Directory, prefix: str) -> None:
    directory.add("below@example.org", prefix[:-1] + "a")
    first = directory.add("first@example.org", prefix + "a")
    directory.add("above@example.org", "x\ue000" if prefix == "x\ud7ff" else "y")
    last = directory.add("last@example.org", prefix + "a\U0010ffff")
    assert find_ids(directory, Condition("name", Op.STARTS_WITH, (prefix,))) == [first.id, last.id]


@pytest.mark.parametrize("length", [99, 100, 101, 200])
def test_a_prefix_can_be_longer_than_the_indexed_part(directory: Directory, length: int) -> None:
    directory.add("other@example.org", "n" * (length - 1) + "m" * 20)
    longer = directory.add("longer@example.org", "N" * length + "o")
    equal = directory.add("equal@example.org", "n" * length)
    other = directory.add("anna@example.org", "Anna")
    for prefixes, expected in (
        (("N" * length,), [longer.id, equal.id]),
        (("n" * length, "an"), [longer.id, equal.id, other.id]),
    ):
        condition = Condition.folding("name", Op.STARTS_WITH, prefixes)
        assert find_ids(directory, condition) == expected


def test_finds_a_name_with_a_very_long_folded_form(directory: Directory) -> None:
    name = "\ufdfa" * 250  # each folds to 18 characters, including spaces
    user = directory.add("long@example.org", name)
    for prefix in (name[:1], name):
        assert find_ids(directory, Condition.folding("name", Op.STARTS_WITH, (prefix,))) == [
            user.id
        ]


def test_combines_all_conditions(directory: Directory, people: list[User]) -> None:
    expected = [u.id for u in people if u.is_active and u.role == "user" and u.id > people[0].id]
    conditions = (
        Condition("is_active", Op.EQ, (True,)),
        Condition("role", Op.EQ, ("user",)),
        Condition("id", Op.GT, (people[0].id,)),
    )
    assert find_ids(directory, *conditions) == expected


def test_text_is_ordered_by_code_point(directory: Directory, people: list[User]) -> None:
    page = directory.reader.page(Search(ordering=total_order((Order("name"),))))
    assert [user.name for user in page.items] == sorted(NAMES)
    # Characters outside the BMP are last, unlike in UTF-16.
    assert sorted(NAMES)[-2:] == ["\uffffx", "𝒜da"]


def in_order(people: list[User], ordering: tuple[Order, ...]) -> list[User]:
    """Sorts stably by each attribute, the least important one first."""
    for order in reversed(ordering):
        people = sorted(people, key=operator.attrgetter(order.attribute), reverse=order.descending)
    return people


def key_of(user: User, ordering: tuple[Order, ...]) -> Key:
    return tuple(getattr(user, order.attribute) for order in ordering)


ORDERINGS = [
    *((Order(attribute, down),) for attribute in ATTRIBUTES for down in (False, True)),
    *(
        (Order(first, one), Order(second, other))
        for first, second in (("role", "name"), ("is_active", "role"), ("name", "creation_time"))
        for one in (False, True)
        for other in (False, True)
    ),
    (Order("is_active"), Order("role", descending=True), Order("name"), Order("id", True)),
]
every_ordering = pytest.mark.parametrize(
    "ordering",
    [total_order(orders) for orders in ORDERINGS],
    ids=lambda orders: ",".join("-" * o.descending + o.attribute for o in orders),
)


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
    unknown = Condition("name", Op.EQ, ("nobody",))
    assert directory.reader.page(Search((unknown,), place=Numbered(6, 1))) == Page((), False, 0)


def test_filters_apply_on_every_page(directory: Directory, people: list[User]) -> None:
    active = Condition("is_active", Op.EQ, (True,))
    ordering = total_order((Order("name", descending=True),))
    expected = in_order([user for user in people if user.is_active], ordering)
    after = key_of(expected[1], ordering)
    page = directory.reader.page(Search((active,), ordering, Slice(3, after=after)))
    assert page == Page(tuple(expected[2:5]), more=True)


@every_ordering
def test_a_cursor_of_a_deleted_user_skips_no_one(
    directory: Directory, people: list[User], ordering: tuple[Order, ...]
) -> None:
    *_, third = directory.reader.page(Search(ordering=ordering, place=Slice(3))).items
    directory.commands.delete(third.id, ANONYMOUS)
    newcomer = directory.add("newcomer@example.org", "Mia", role="mid")
    everyone = in_order([*people, newcomer], ordering)
    place = everyone.index(third)
    after = directory.reader.page(
        Search(ordering=ordering, place=Slice(50, after=key_of(third, ordering)))
    )
    before = directory.reader.page(
        Search(ordering=ordering, place=Slice(50, before=key_of(third, ordering)))
    )
    assert list(after.items) == everyone[place + 1 :]
    assert list(before.items) == everyone[:place]


def test_a_page_of_an_empty_directory_is_empty(directory: Directory) -> None:
    assert directory.reader.page(Search()) == Page((), more=False)
    assert directory.reader.page(Search(place=Slice(5, before=(10,)))) == Page((), more=False)


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


@pytest.fixture
def stones(directory: Directory) -> list[User]:
    """Users whose names and emails share words."""
    return [
        directory.add("ann@quarry.example", "Ann Stone"),
        directory.add("stone@example.org", "Anna Roe"),
        directory.add("bob@example.org", "Bob Stone"),
        directory.add("bör@exämple.org", "Ｚｏë Straße"),
        directory.add("pct@example.org", "100% a_b\\"),
    ]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("ann",), [0, 1]),
        (("STONE",), [0, 1, 2]),
        (("ann", "stone"), [0, 1]),
        (("stone", "ann"), [0, 1]),
        (("stone", "stone"), [0, 1, 2]),
        (("example",), [0, 1, 2, 4]),
        (("exämple",), [3]),
        (("strasse", "zoë"), [3]),
        (("BO\u0308R",), [3]),
        (("%",), [4]),
        (("a_b", "\\"), [4]),
        (("a%b",), []),
        (("ann", "bob"), []),
        (("ann stone",), [0]),
        (tuple("abcdefgh"), []),
    ],
)
def test_finds_users_with_every_word_in_some_attribute(
    directory: Directory, stones: Any, words: Sequence[str], expected: Any
) -> None:
    search = WordSearch.folding(("email", "name"), words)
    assert find_ids(directory, search) == [stones[number].id for number in expected]


def test_searches_a_word_only_in_the_given_attributes(directory: Directory, stones: Any) -> None:
    assert find_ids(directory, WordSearch.folding(("name",), ("quarry",))) == []
    assert find_ids(directory, WordSearch.folding(("email", "name"), ("user",))) == []


def test_combines_words_and_conditions(directory: Directory, stones: Any) -> None:
    word = WordSearch.folding(("email", "name"), ("stone",))
    other = WordSearch.folding(("email", "name"), ("example.org",))
    anna = Condition.folding("name", Op.EQ, ("ANNA ROE",))
    assert find_ids(directory, word, other) == [stones[1].id, stones[2].id]
    assert find_ids(directory, word, anna) == [stones[1].id]


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
