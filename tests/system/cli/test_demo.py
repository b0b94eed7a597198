"""roster demo, as a user runs it."""

import json
import unicodedata
from collections.abc import Callable
from typing import Any

from click.testing import Result

Roster = Callable[..., Result]


def people(roster: Roster, **environment: str) -> list[dict[str, Any]]:
    exported = roster("users", "export", "--format", "jsonl", **environment)
    return [json.loads(line) for line in exported.stdout.splitlines()]


def test_an_empty_directory_is_filled_with_people_of_many_scripts(roster: Roster) -> None:
    assert roster("demo", "1500").stdout == "1500 created\n"
    found = people(roster)
    assert len({each["email"] for each in found}) == 1500
    letters = {unicodedata.name(each["name"][0]).split()[0] for each in found}
    assert letters >= {"LATIN", "GREEK", "CYRILLIC", "HEBREW", "ARABIC", "CJK", "HANGUL", "THAI"}
    assert {each["role"] for each in found} == {"user", "editor", "admin"}
    assert {each["is_active"] for each in found} == {True, False}


def test_a_directory_with_users_does_not_change(roster: Roster) -> None:
    roster("users", "create", "--email", "ann@x.test", "--name", "Ann")
    refused = roster("demo", "5")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith("Error: not_empty: The directory already has users")
    assert len(people(roster)) == 1


def test_the_same_seed_invents_the_same_people(roster: Roster, tmp_path: Any) -> None:
    def invented(*arguments: str) -> list[tuple[str, ...]]:
        number = len([*tmp_path.iterdir()])
        url = {"ROSTER_DATABASE_URL": f"sqlite:///{tmp_path}/demo{number}.db"}
        roster("db", "upgrade", **url)
        assert roster("demo", *arguments, **url).exit_code == 0
        return [(p["email"], p["name"], p["role"]) for p in people(roster, **url)]

    first = invented("50", "--seed", "7")
    assert invented("60", "--seed", "7")[:50] == first
    assert invented("50", "--seed", "8") != first


def test_invalid_numbers_are_wrong_usage(roster: Roster) -> None:
    for number in ("0", "1000001", "many"):
        assert roster("demo", number).exit_code == 2
