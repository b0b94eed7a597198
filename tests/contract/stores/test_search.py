"""Searches on every store, each in a directory of its own."""

from collections.abc import Sequence
from typing import Any

import pytest
from contract.stores.directories import Directory
from contract.stores.search.people import add_people, every_ordering, find_ids, in_order, key_of

from application.ports import Context
from application.search import Condition, Op, Order, Page, Search, Slice, WordSearch
from domain.users import User


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


@every_ordering
def test_a_cursor_of_a_deleted_user_skips_no_one(
    directory: Directory, ordering: tuple[Order, ...]
) -> None:
    people = add_people(directory)
    *_, third = directory.reader.page(Search(ordering=ordering, place=Slice(3))).items
    directory.commands.delete(third.id, Context())
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
