"""Conditions of searches on every store."""

import operator
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from contract.stores.directories import Directory
from contract.stores.search.people import ATTRIBUTES, NAMES, find_ids

from application.search import Condition, Numbered, Op, Order, Search, total_order
from domain.users import User

COMPARISONS: dict[Op, Callable[[Any, Any], bool]] = {
    Op.EQ: operator.eq,
    Op.NE: operator.ne,
    Op.LT: operator.lt,
    Op.LE: operator.le,
    Op.GT: operator.gt,
    Op.GE: operator.ge,
}


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
        (Op.CONTAINS, "unknown", []),
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
