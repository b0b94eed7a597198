"""The principal that the audit log names for changes on the command line."""

import json
import os
import pwd
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

Roster = Callable[..., Result]
Write = Callable[[str, str], str]
USER = pwd.getpwuid(os.geteuid()).pw_name


def actors(roster: Roster) -> list[tuple[Any, ...]]:
    lines = roster("events").stdout.splitlines()
    events = [json.loads(line) for line in lines]
    return [(each["actor_kind"], each["actor_issuer"], each["actor"]) for each in events]


def test_a_change_names_the_user_of_the_operating_system(roster: Roster) -> None:
    assert roster("users", "create", "--email", "a@example.org", "--name", "A").exit_code == 0
    assert actors(roster) == [("command_line", None, USER)]


def test_every_command_that_changes_something_takes_an_actor(roster: Roster, write: Write) -> None:
    file = write("people.csv", "email,name\nb@example.org,B\n")
    for command in (
        ("users", "create", "--email", "a@example.org", "--name", "A"),
        ("users", "update", "a@example.org", "--name", "Anne"),
        ("users", "delete", "a@example.org"),
        ("users", "import", file),
    ):
        result = roster(*command, "--actor", "Ann's script")
        assert result.exit_code == 0, result.stderr
    assert set(actors(roster)) == {("command_line", None, "Ann's script")}
    assert len(actors(roster)) == 5


@pytest.mark.parametrize("name", ["", " ", "\u2800", "\u3164", "a\nb", "a" * 256])
def test_an_actor_is_a_short_and_visible_line(roster: Roster, name: str) -> None:
    """A blank actor would look like a missing one in the history."""
    command = ("users", "create", "--email", "a@example.org", "--name", "A", "--actor", name)
    assert roster(*command).exit_code == 2
    assert actors(roster) == []
