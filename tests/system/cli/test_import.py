"""roster users import, as a user runs it."""

import csv
import io
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Roster = Callable[..., Result]
Write = Callable[[str, str | bytes], str]
Directory = Callable[[], list[tuple[Any, ...]]]
BadLines = Callable[[Result], list[tuple[int, str]]]

GOOD = "email,name,role\nann@x.test,Ann,admin\nbob@x.test,Bob,user\n"


def as_line(attributes: dict[str, Any]) -> str:
    return json.dumps(attributes) + "\n"


def test_each_line_becomes_a_user(roster: Roster, write: Write, directory: Directory) -> None:
    result = roster("users", "import", write("people.csv", GOOD))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "2 created, 0 changed, 0 unchanged, 0 bad\n"
    expected = [("ann@x.test", "Ann", False, "admin"), ("bob@x.test", "Bob", False, "user")]
    assert directory() == expected


@pytest.mark.parametrize(
    ("header", "settings"),
    [
        ("email,name,shoe", {}),
        ("email,name", {"ROSTER_DATABASE_URL": "postgresql://roster@127.0.0.1:1/roster"}),
    ],
)
def test_earlier_rejected_records_remain_if_the_import_does_not_begin(
    roster: Roster, write: Write, tmp_path: Path, header: str, settings: dict[str, str]
) -> None:
    rejected = tmp_path / "rejected.csv"
    rejected.write_text("earlier")
    rejected.chmod(0o600)
    file = write("people.csv", f"{header}\nann@x.test,Ann\n")
    failed = roster("users", "import", file, "--errors", str(rejected), **settings)
    assert failed.exit_code == 1
    assert rejected.read_text() == "earlier"


def test_rejected_records_replace_those_of_an_earlier_import(
    roster: Roster, write: Write, tmp_path: Path
) -> None:
    rejected = tmp_path / "rejected.csv"
    rejected.write_text("earlier\n" * 9)
    bad = write("bad.csv", "email,name\nann,Ann\n")
    assert roster("users", "import", bad, "--errors", str(rejected)).exit_code == 1
    assert rejected.read_text().splitlines()[0] == "line,errors,email,name"
    assert "earlier" not in rejected.read_text()
    good = write("good.csv", "email,name\nann@x.test,Ann\n")
    assert roster("users", "import", good, "--errors", str(rejected)).exit_code == 0
    assert rejected.read_text() == "line,errors,email,name\n"


def test_columns_have_any_order_and_read_only_ones_are_ignored(
    roster: Roster, write: Write, directory: Directory
) -> None:
    text = (
        "\ufeffupdate_time,is_active,name,id,email,creation_time,line,errors\r\n"
        'never,true,"Ann, ""A""\'s",-1,ann@x.test,,7,many\r\n'
    )
    assert roster("users", "import", write("people.csv", text)).exit_code == 0
    assert directory() == [("ann@x.test", 'Ann, "A"\'s', True, "user")]
    text = as_line({"id": 9, "errors": 0, "name": "Bo", "email": "b@x.test", "update_time": []})
    assert roster("users", "import", write("people.ndjson", "\ufeff\n" + text)).exit_code == 0
    assert directory()[1:] == [("b@x.test", "Bo", False, "user")]


@pytest.mark.parametrize(
    ("header", "error"),
    [
        ("email,name,shoe", "unknown_attribute: the header row has unknown columns: 'shoe'."),
        ("email,name,\x1b[2J", r"has unknown columns: '\x1b[2J'."),
        ("email,role", "missing: name must be a column."),
        ("email,email,name", "repeated_attribute: email is the name of two columns."),
        ("", "no_header: the first line must be a header row in UTF-8."),
        ('"email', "no_header"),
    ],
)
def test_a_file_with_an_invalid_header_is_rejected(
    roster: Roster, write: Write, header: str, error: str, directory: Directory
) -> None:
    result = roster("users", "import", write("people.csv", f"{header}\n" if header else ""))
    assert (result.exit_code, result.stdout) == (1, "")
    assert error in result.stderr
    assert directory() == []


BROKEN = (
    b"email,name,is_active\n"
    b"ann@x.test,Ann,true\n"
    b'ben@x.test,"B\n\n"\n'
    b"ANN@x.test,Ann,true\n"
    b"\xff@x.test,Ann,true\n"
    b'carl@x.test,"C"arl,true\n'
    b"\n"
    b'dora@x.test,"Dora, D.",true\n'
    b"\xef\xbd\x84ora@x.test,D,maybe\n"
    b"held@x.test,Held,true\n"
)
FAULTS = [
    (3, "wrong_number_of_cells"),
    (6, "email: email_taken"),
    (7, "not_utf_8"),
    (8, "malformed_csv"),
    (11, "is_active: wrong_type"),
    (12, "email: email_taken"),
]


@pytest.fixture
def existing_user(roster: Roster) -> None:
    assert roster("users", "create", "--email", "Held@x.test", "--name", "H").exit_code == 0


EXISTING_USER = ("Held@x.test", "H", False, "user")


@pytest.mark.usefixtures("existing_user")
def test_all_invalid_records_are_reported_and_nothing_is_imported(
    roster: Roster, write: Write, directory: Directory, bad_lines: BadLines
) -> None:
    result = roster("users", "import", write("people.csv", BROKEN))
    assert result.exit_code == 1
    assert bad_lines(result) == FAULTS
    last = "Error: import_refused: 6 of 8 records are bad; nothing was imported."
    assert result.stderr.splitlines()[-1] == last
    assert result.stdout == "0 created, 0 changed, 0 unchanged, 6 bad\n"
    assert directory() == [EXISTING_USER]


@pytest.mark.usefixtures("existing_user")
def test_valid_records_are_imported_if_invalid_ones_are_skipped(
    roster: Roster, write: Write, directory: Directory, bad_lines: BadLines
) -> None:
    result = roster("users", "import", write("people.csv", BROKEN), "--skip-errors", "--json")
    assert result.exit_code == 0
    assert bad_lines(result) == FAULTS
    assert json.loads(result.stdout) == {
        "jsonapi": {"version": "1.1"},
        "meta": {"created": 2, "changed": 0, "unchanged": 0, "bad": 6, "dry_run": False},
    }
    imported = [("ann@x.test", "Ann", True, "user"), ("dora@x.test", "Dora, D.", True, "user")]
    assert directory() == [EXISTING_USER, *imported]


@pytest.mark.usefixtures("existing_user")
def test_rejected_records_can_be_corrected_and_imported(
    roster: Roster, write: Write, tmp_path: Path, bad_lines: BadLines
) -> None:
    bad, worse = tmp_path / "bad.csv", tmp_path / "worse.csv"
    roster("users", "import", write("p.csv", BROKEN), "--skip-errors", "--errors", str(bad))
    rejected = list(csv.reader(io.StringIO(bad.read_text("utf-8", "surrogateescape"), newline="")))
    assert rejected[0] == ["line", "errors", "email", "name", "is_active"]
    assert [(int(row[0]), row[1].rpartition(": ")[0]) for row in rejected[1:]] == FAULTS
    assert [row[2:] for row in rejected[1:]] == [
        ["ben@x.test", "B\n\n"],
        ["ANN@x.test", "Ann", "true"],
        ["\udcff@x.test,Ann,true"],
        ['carl@x.test,"C"arl,true'],
        ["ｄora@x.test", "D", "maybe"],
        ["held@x.test", "Held", "true"],
    ]
    again = roster("users", "import", str(bad), "--errors", str(worse))
    assert [code for _, code in bad_lines(again)] == [
        "wrong_number_of_cells",
        "email: email_taken",
        "not_utf_8",
        "wrong_number_of_cells",
        "is_active: wrong_type",
        "email: email_taken",
    ]
    assert worse.read_bytes().splitlines()[0] == bad.read_bytes().splitlines()[0]
    header = bad.read_bytes().splitlines(keepends=True)[0]
    corrected = header + b'9,,"new@x.test",New,false\n'
    assert roster("users", "import", write("corrected.csv", corrected)).exit_code == 0


def test_rejected_objects_are_written_with_their_errors(
    roster: Roster, write: Write, tmp_path: Path, bad_lines: BadLines
) -> None:
    lines = (
        b'{"email":"a","name":"\xc3\xa4","line":1,"x\\u001b":{"y":18446744073709551616}}\n{"\xff\n'
    )
    bad = tmp_path / "bad.jsonl"
    result = roster("users", "import", write("p.jsonl", lines), "--errors", str(bad))
    assert bad_lines(result) == [
        (1, "email: invalid_email"),
        (1, r"x\x1b: unknown_attribute"),
        (2, "malformed_json"),
    ]
    first, second = map(json.loads, bad.read_text().splitlines())
    assert (first["line"], first["name"], len(first["errors"])) == (1, "ä", 2)
    assert first["x\x1b"] == {"y": 2**64}
    assert second == {"line": 2, "errors": second["errors"], "text": '{"\udcff'}


def test_the_error_file_must_not_be_the_imported_file(roster: Roster, write: Write) -> None:
    people = write("people.csv", GOOD)
    result = roster("users", "import", people, "--errors", people)
    assert result.exit_code == 2
    assert Path(people).read_text() == GOOD


def test_nothing_is_imported_if_the_error_file_cannot_be_written(
    roster: Roster, write: Write, directory: Directory
) -> None:
    people = write("people.csv", GOOD + "x,x,x\n")
    for where, why in (("/dev/full", "No space left on device"), ("/no/bad.csv", "No such file")):
        result = roster("users", "import", people, "--skip-errors", "--errors", where)
        assert result.exit_code == 1
        assert f"Error: file_failed: {where}: {why}" in result.stderr
    assert directory() == []


def test_a_dry_run_reports_everything_and_stores_nothing(
    roster: Roster, write: Write, directory: Directory, bad_lines: BadLines
) -> None:
    result = roster("users", "import", write("people.csv", GOOD), "--dry-run")
    assert result.exit_code == 0
    assert result.stdout == "2 created, 0 changed, 0 unchanged, 0 bad; nothing was stored\n"
    result = roster("users", "import", write("people.csv", BROKEN), "--dry-run")
    assert (result.exit_code, len(bad_lines(result))) == (1, 5)
    assert directory() == []


def test_an_update_changes_the_users_with_the_emails(
    roster: Roster, write: Write, directory: Directory
) -> None:
    roster("users", "import", write("people.csv", GOOD))
    before = json.loads(roster("users", "show", "2", "--json").stdout)
    text = (
        "role,email,name\n"
        "owner,ANN@x.test,Anne\n"
        "user,bob@x.test,Bob\n"
        "user,cid@x.test,Cid\n"
        "guest,cid@X.test,Cid\n"
    )
    result = roster("users", "import", write("more.csv", text), "--update")
    assert result.stdout == "1 created, 2 changed, 1 unchanged, 0 bad\n"
    assert directory() == [
        ("ANN@x.test", "Anne", False, "owner"),
        ("bob@x.test", "Bob", False, "user"),
        ("cid@X.test", "Cid", False, "guest"),
    ]
    assert json.loads(roster("users", "show", "2", "--json").stdout) == before


def test_an_update_needs_only_the_changed_attributes(
    roster: Roster, write: Write, directory: Directory, bad_lines: BadLines
) -> None:
    roster("users", "import", write("people.csv", GOOD))
    roles = write("roles.csv", "email,role\nann@x.test,owner\nnew@x.test,owner\n,owner\n")
    result = roster("users", "import", roles, "--update", "--skip-errors")
    assert bad_lines(result) == [
        (3, "name: missing"),
        (4, "email: missing"),
        (4, "name: missing"),
    ]
    assert "is required, because there is no user with this email" in result.stderr
    assert directory()[0] == ("ann@x.test", "Ann", False, "owner")
    lines = write("roles.jsonl", as_line({"name": "Ann", "role": "user"}))
    assert bad_lines(roster("users", "import", lines, "--update")) == [(1, "email: missing")]


def test_the_format_comes_from_the_name_or_an_option(roster: Roster, write: Write) -> None:
    assert roster("users", "import", write("people.txt", GOOD)).exit_code == 2
    assert roster("users", "import", write("people.txt", GOOD), "--format", "csv").exit_code == 0


def test_a_file_that_cannot_be_read_is_one_line(roster: Roster) -> None:
    for name, why in (("/no/such.csv", "No such file or directory"), ("/proc/self/mem", "Input")):
        result = roster("users", "import", name, "--format", "csv")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith(f"Error: file_failed: {name}: {why}")


@pytest.mark.parametrize(
    ("name", "line", "code"),
    [
        ("cells.csv", "x" + "," * 60_000 + "x", "wrong_number_of_cells"),
        ("members.jsonl", json.dumps({f"k{n}": 1 for n in range(4000)}), "too_many_members"),
    ],
)
def test_records_of_very_many_values_take_little_memory(
    roster: Roster, write: Write, name: str, line: str, code: str
) -> None:
    """A batch of 1,000 records is in memory at once. With all values, it would take 150 MiB."""
    first = "email,name\n" if name.endswith(".csv") else ""
    file = write(name, first + f"{line}\n" * 300)
    tracemalloc.start()
    try:
        result = roster("users", "import", file)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert result.exit_code == 1
    assert result.stderr.count(code) == 21  # twenty records, and the summary
    assert f"300  {code}" in result.stderr
    assert peak < 75 * 2**20


def test_the_first_errors_of_a_record_are_reported(roster: Roster, write: Write) -> None:
    file = write("many.jsonl", as_line({f"k{n}": 1 for n in range(400)}))
    result = roster("users", "import", file)
    assert result.exit_code == 1
    assert result.stderr.count("line 1:") == 20
