"""A text that is not JSON is not taken for a JSON string."""

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

NOT_JSON = ['{"binding":', '{"a": 1, "a": 2}', "NaN", "cloth"]
DETAIL = "extra must be JSON."


def stored(roster: Any) -> list[Any]:
    listed = json.loads(roster("books", "list", "--json").stdout)["data"]
    return [book["attributes"]["extra"] for book in listed]


@pytest.mark.parametrize("text", NOT_JSON)
def test_an_option_that_is_not_json_is_rejected(roster: Any, text: str) -> None:
    result = roster("books", "create", "--title", "Emma", "--extra", text)
    assert (result.exit_code, result.stderr) == (1, f"Error: invalid_format: {DETAIL}\n")
    created = roster("books", "create", "--title", "Emma", "--extra", '"cloth"')
    assert created.exit_code == 0
    result = roster("books", "update", "1", "--extra", text)
    assert (result.exit_code, result.stderr) == (1, f"Error: invalid_format: {DETAIL}\n")
    assert stored(roster) == ["cloth"]


def test_an_option_cannot_be_the_json_null(roster: Any) -> None:
    result = roster("books", "create", "--title", "Emma", "--extra", "null")
    assert result.exit_code == 1
    assert result.stderr == "Error: wrong_type: extra must be a JSON value other than null.\n"


@pytest.mark.parametrize("text", NOT_JSON)
@pytest.mark.parametrize("update", [(), ("--update",)])
def test_a_cell_that_is_not_json_makes_the_record_invalid(
    roster: Any, tmp_path: Path, text: str, update: tuple[str, ...]
) -> None:
    file = tmp_path / "books.csv"
    quoted = text.replace('"', '""')
    file.write_text(
        "isbn,title,pages,extra\n"
        f'a-1,Emma,many,"{quoted}"\n'
        f'a-2,Persuasion,1,"{quoted}"\n'
        'a-3,Lady Susan,2,"[""cloth"", 1]"\n'
        'a-4,Sanditon,3,"""cloth"""\n'
    )
    result = roster("books", "import", str(file), *update)
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert lines[0] == "line 2: extra: invalid_format: must be JSON"
    assert lines[1].startswith("line 2: pages: ")
    assert lines[2] == "line 3: extra: invalid_format: must be JSON"
    assert len([each for each in lines if each.startswith("line ")]) == 3
    assert stored(roster) == []
    result = roster("books", "import", str(file), "--skip-errors", *update)
    assert result.stdout == "2 created, 0 changed, 0 unchanged, 2 bad\n"
    assert stored(roster) == [["cloth", 1], "cloth"]
