"""Articles and numbers in messages."""

import re
from pathlib import Path

import pytest

from domain.english import counted, with_article

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "phrase",
    [
        *("a book", "a group", "a membership", "a house", "a year"),
        *("a user", "a unit", "a usage", "a utility", "a European", "a one-time link"),
        *("an invoice", "an order", "an address", "an entry", "an Item", "an update", "an upload"),
        *("an hour", "an honor", "an hourglass", "an heir", "an onion"),
    ],
)
def test_the_article_depends_on_the_first_sound(phrase: str) -> None:
    assert with_article(phrase.partition(" ")[2]) == phrase


@pytest.mark.parametrize(
    ("phrase", "count", "forms"),
    [
        ("0 users", 0, ["user"]),
        ("1 user", 1, ["user"]),
        ("2 users", 2, ["user"]),
        ("12,345 entries", 12_345, ["entry", "entries"]),
        ("1 entry", 1, ["entry", "entries"]),
    ],
)
def test_a_number_has_its_noun(phrase: str, count: int, forms: list[str]) -> None:
    assert counted(count, *forms) == phrase


def test_no_message_has_a_fixed_article_before_a_noun_of_a_resource() -> None:
    fixed = re.compile(r"\b[Aa] \{[^}]*(?:noun|singular)")
    found = [
        f"{file.relative_to(ROOT)}:{number}"
        for package in ("application", "adapters", "entrypoints")
        for file in (ROOT / package).rglob("*.py")
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if fixed.search(line)
    ]
    assert found == []
