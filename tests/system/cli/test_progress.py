"""Long commands show their progress on a terminal."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Roster = Callable[..., Result]


@pytest.mark.usefixtures("roster")
def test_progress_with_its_rate_is_shown_on_a_terminal(
    on_terminal: Callable[..., str], tmp_path: Path
) -> None:
    demo = on_terminal("demo", "2500")
    assert "Inventing" in demo
    assert "2,500" in demo
    assert "a second" in demo
    people = str(tmp_path / "people.csv")
    assert "Exporting" in on_terminal("users", "export", people)
    assert "Exporting" in on_terminal("users", "export", piped=True)
    refused = on_terminal("users", "import", people)
    assert "100%" in refused
    assert "line 21: email: email_taken" in refused
    assert "2,480 more invalid records." in refused


@pytest.mark.usefixtures("roster")
def test_an_export_to_a_terminal_shows_no_progress(
    on_terminal: Callable[..., str],
) -> None:
    header = "id,email,name,is_active,role,creation_time,update_time\r\n"
    assert on_terminal("users", "export") == header


def test_no_progress_is_shown_without_a_terminal(roster: Roster) -> None:
    assert roster("demo", "2500").stderr == ""


@pytest.mark.parametrize(
    "command",
    [("users", "list", "--json"), ("users", "show", "1", "--json"), ("events",)],
    ids=" ".join,
)
def test_json_on_a_terminal_escapes_characters_that_reorder_text(
    roster: Callable[..., Result], on_terminal: Callable[..., str], command: tuple[str, ...]
) -> None:
    name = "Zoë\u202e\u2066 \U000e0041x می\u200cخواهم"
    roster("users", "create", "--email", "zoe@example.org", "--name", name)
    shown = on_terminal(*command)
    assert not {"\u202e", "\u2066", "\U000e0041"} & {*shown}
    assert "می\u200cخواهم" in shown
    assert json.loads(shown) == json.loads(roster(*command).stdout)
