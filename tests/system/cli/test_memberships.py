"""roster memberships, as a user runs it."""

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Roster = Callable[..., Result]
Write = Callable[[str, str | bytes], str]
BadLines = Callable[[Result], list[tuple[int, str]]]

GOOD = "group,user\nBoard,bob@example.org\nstaff,ANN@example.org\nStaff,bob@example.org\n"
EXPORTED = "group,user\nStaff,ann@example.org\nStaff,bob@example.org\nBoard,bob@example.org\n"


@pytest.fixture(autouse=True)
def directory(roster: Roster, write: Write) -> None:
    """Two users and two groups."""
    users = write("users.csv", "email,name\nann@example.org,Ann\nbob@example.org,Bob\n")
    groups = write("groups.csv", "name\nStaff\nBoard\n")
    for name, file in (("users", users), ("groups", groups)):
        assert roster(name, "import", file).exit_code == 0


def test_memberships_are_imported_and_exported(roster: Roster, write: Write) -> None:
    result = roster("memberships", "import", write("m.csv", GOOD))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "3 created, 0 changed, 0 unchanged, 0 bad\n"
    assert roster("memberships", "export").stdout == EXPORTED
    again = roster("memberships", "import", write("m.csv", EXPORTED), "--json")
    assert json.loads(again.stdout)["meta"] == {
        "created": 0,
        "changed": 0,
        "unchanged": 3,
        "bad": 0,
        "dry_run": False,
    }


def test_json_lines_are_imported_and_exported(roster: Roster, write: Write, tmp_path: Path) -> None:
    lines = (
        '{"group":"Staff","user":"ann@example.org"}\n{"group":"Board","user":"bob@example.org"}\n'
    )
    assert roster("memberships", "import", write("m.jsonl", lines)).exit_code == 0
    exported = tmp_path / "exported.jsonl"
    assert roster("memberships", "export", str(exported)).exit_code == 0
    assert exported.read_text() == lines
    array = '[{"user": "bob@example.org", "group": "Staff"}]'
    result = roster("memberships", "import", write("m.json", array))
    assert result.stdout == "1 created, 0 changed, 0 unchanged, 0 bad\n"


BAD = (
    "group,user\nStaff,ann@example.org\nStuff,ann@example.org\nStaff,\nBoard,2\n"
    'Staff,"b"ob\n,zed@example.org\n'
)
FAULTS = [
    (3, "group: group_not_found"),
    (4, "user: missing"),
    (5, "user: user_not_found"),
    (6, "malformed_csv"),
    (7, "group: missing"),
    (7, "user: user_not_found"),
]


def test_invalid_records_refuse_the_file(roster: Roster, write: Write, bad_lines: BadLines) -> None:
    result = roster("memberships", "import", write("m.csv", BAD))
    assert (result.exit_code, result.stdout) == (1, "0 created, 0 changed, 0 unchanged, 5 bad\n")
    assert bad_lines(result) == FAULTS
    assert result.stderr.splitlines()[-1] == (
        "Error: import_refused: 5 of 6 records are bad; nothing was imported."
    )
    assert roster("memberships", "export").stdout == "group,user\n"


def test_rejected_records_are_written_to_a_file(
    roster: Roster, write: Write, tmp_path: Path
) -> None:
    rejected = tmp_path / "bad.csv"
    result = roster(
        "memberships", "import", write("m.csv", BAD), "--skip-errors", "--errors", str(rejected)
    )
    assert (result.exit_code, result.stdout) == (0, "1 created, 0 changed, 0 unchanged, 5 bad\n")
    lines = rejected.read_text().splitlines()
    assert lines[0] == "line,errors,group,user"
    assert lines[1].startswith("3,group: group_not_found: ")
    assert lines[1].endswith(",Stuff,ann@example.org")
    assert len(lines) == 6


def test_a_dry_run_stores_nothing(roster: Roster, write: Write) -> None:
    result = roster("memberships", "import", write("m.csv", GOOD), "--dry-run")
    assert result.stdout == "3 created, 0 changed, 0 unchanged, 0 bad; nothing was stored\n"
    assert roster("memberships", "export").stdout == "group,user\n"


def test_the_columns_of_other_programs_are_read(roster: Roster, write: Write) -> None:
    text = "Team;E-Mail;Since\r\nStaff; ann@example.org ;2020\r\n".encode("utf-16")
    options = ("--column", "group=Team", "--column", "user=E-Mail")
    file = write("m.csv", text)
    refused = roster("memberships", "import", file, *options)
    assert "unknown_attribute: the header row has unknown columns: 'Since'." in refused.stderr
    result = roster("memberships", "import", file, *options, "--ignore-unknown")
    assert result.stdout == "1 created, 0 changed, 0 unchanged, 0 bad\n"
    missing = roster("memberships", "import", write("m.csv", "group\nStaff\n"))
    assert "missing: user must be a column." in missing.stderr


def test_cells_are_protected_for_spreadsheet_programs(roster: Roster, write: Write) -> None:
    names = ("=1+1", "'=1", "007")
    for name in names:
        assert roster("groups", "create", "--name", name).exit_code == 0
    lines = "".join(f'{{"group":"{name}","user":"ann@example.org"}}\n' for name in names)
    assert roster("memberships", "import", write("m.jsonl", lines)).exit_code == 0
    plain = roster("memberships", "export").stdout
    assert [line.split(",")[0] for line in plain.splitlines()[1:]] == ["=1+1", "''=1", "007"]
    protected = roster("memberships", "export", "--for-spreadsheets", "--bom")
    cells = [line.split(",")[0] for line in protected.stdout.splitlines()]
    assert cells == ["\ufeffgroup", "'=1+1", "''=1", "'007"]
    assert protected.stderr.startswith("3 cells begin")
    for text in (plain, protected.stdout):
        result = roster("memberships", "import", write("m.csv", text))
        assert result.stdout == "0 created, 0 changed, 3 unchanged, 0 bad\n"


def test_an_import_is_recorded_in_one_event_for_each_batch_and_entity(
    roster: Roster, write: Write
) -> None:
    before = len(roster("events").stdout.splitlines())
    assert roster("memberships", "import", write("m.csv", GOOD), "--actor", "eve").exit_code == 0
    events = [json.loads(line) for line in roster("events").stdout.splitlines()[before:]]
    assert {each["actor"] for each in events} == {"eve"}
    related = [each for each in events if each["action"] == "related"]
    assert [(each["subject_type"], each["subject_id"]) for each in related] == [
        *(("groups", "1"), ("groups", "2"), ("users", "1"), ("users", "2"))
    ]
    assert related[3]["changes"] == {"groups": {"added": ["1", "2"]}}


def test_memory_does_not_grow_with_the_file(roster: Roster, tmp_path: Path, write: Write) -> None:
    count = 4000
    users = "".join(f"u{number}@example.org,U\n" for number in range(count))
    assert roster("users", "import", write("users.csv", f"email,name\n{users}")).exit_code == 0
    peaks = []
    for part in (count // 4, count):
        text = "".join(f"Staff,u{number}@example.org\n" for number in range(part))
        file = write("m.csv", f"group,user\n{text}")
        tracemalloc.start()
        assert roster("memberships", "import", file).exit_code == 0
        assert roster("memberships", "export", str(tmp_path / "out.csv")).exit_code == 0
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]
    assert len((tmp_path / "out.csv").read_text().splitlines()) == count + 1
