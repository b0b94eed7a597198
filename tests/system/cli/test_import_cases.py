"""The import accepts the values that HTTP accepts, and rejects others with the same codes."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Roster = Callable[..., Result]
Write = Callable[[str, str | bytes], str]
Directory = Callable[[], list[tuple[Any, ...]]]
BadLines = Callable[[Result], list[tuple[int, str]]]

CASES = json.loads(Path(__file__).parents[2].joinpath("attributes.json").read_text())


def as_line(attributes: dict[str, Any]) -> str:
    return json.dumps(attributes) + "\n"


# The import removes white space around an email, so this value is valid in a file.
BAD_VALUES = [case for case in CASES["bad values"] if case[1] != " ann@example.org"]


@pytest.mark.parametrize(("attribute", "value", "code"), BAD_VALUES)
def test_a_value_that_is_422_over_http_is_rejected_in_json_lines(
    roster: Roster,
    write: Write,
    attribute: str,
    value: Any,
    code: str,
    directory: Directory,
    bad_lines: BadLines,
) -> None:
    ann = {"email": "ann@example.org", "name": "Ann"}
    lines = as_line(ann) + as_line({**ann, "email": "new@x.test", attribute: value})
    result = roster("users", "import", write("people.jsonl", lines))
    assert bad_lines(result) == [(2, f"{attribute}: {code}")]
    assert result.exit_code == 1
    assert directory() == []


# A cell is text in UTF-8 without lone surrogates. "true" is a boolean. An empty cell is missing.
IN_CELLS = [
    (attribute, value, code)
    for attribute, value, code in BAD_VALUES
    if isinstance(value, str)
    and value not in ("", "true")
    and value == value.encode(errors="ignore").decode()
]
NOT_BOOLEAN = [("is_active", text, "wrong_type") for text in ("maybe", "y", "2", "on", "wahr")]


@pytest.mark.parametrize(("attribute", "value", "code"), IN_CELLS + NOT_BOOLEAN)
def test_text_that_is_422_over_http_is_rejected_in_csv(
    roster: Roster, write: Write, attribute: str, value: str, code: str, bad_lines: BadLines
) -> None:
    row = {"email": "ann@example.org", "name": "Ann", attribute: value}
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows([row.keys(), row.values()])
    result = roster("users", "import", write("people.csv", text.getvalue()))
    assert bad_lines(result) == [(2, f"{attribute}: {code}")]


@pytest.mark.parametrize(("attributes", "faults"), CASES["bad users"])
def test_a_user_that_is_422_over_http_is_rejected(
    roster: Roster,
    write: Write,
    attributes: dict[str, Any],
    faults: list[list[str]],
    bad_lines: BadLines,
) -> None:
    result = roster("users", "import", write("people.jsonl", as_line(attributes)))
    assert bad_lines(result) == [(1, f"{attribute}: {code}") for attribute, code in faults]


def test_every_valid_value_is_stored_unchanged(
    roster: Roster, write: Write, directory: Directory
) -> None:
    users = [
        {"email": f"{number}@x.test", "name": "Ann", attribute: value}
        for number, (attribute, value) in enumerate(CASES["good values"])
    ]
    lines = "".join(map(as_line, users))
    assert roster("users", "import", write("people.jsonl", lines)).exit_code == 0
    filled = [
        (u["email"], u["name"], u.get("is_active", False), u.get("role", "user")) for u in users
    ]
    assert directory() == filled
