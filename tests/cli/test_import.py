"""roster users import, as a user runs it."""

import csv
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Roster = Callable[..., Result]
Write = Callable[[str, str | bytes], str]

CASES = json.loads(Path(__file__).parents[1].joinpath("attributes.json").read_text())
ROSTER = Path(sys.executable).with_name("roster")
GOOD = "email,name,role\nann@x.test,Ann,admin\nbob@x.test,Bob,user\n"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file and gives its name."""

    def written(name: str, text: str | bytes) -> str:
        data = text if isinstance(text, bytes) else text.encode()
        tmp_path.joinpath(name).write_bytes(data)
        return str(tmp_path / name)

    return written


def directory(roster: Roster) -> list[tuple[Any, ...]]:
    """What people set of the users, in the order of their ids."""
    exported = roster("users", "export", "--format", "jsonl")
    assert exported.exit_code == 0, exported.stderr
    users = map(json.loads, exported.stdout.split("\n")[:-1])
    return [(u["email"], u["name"], u["is_active"], u["role"]) for u in users]


def bad_lines(result: Result) -> list[tuple[int, str]]:
    """The number of each bad line with the attribute, if it told one, and the code."""
    told = [line.split(": ") for line in result.stderr.splitlines() if line.startswith("line ")]
    return [(int(t[0][5:]), ": ".join(t[1:-1])) for t in told]


def as_line(attributes: dict[str, Any]) -> str:
    return json.dumps(attributes) + "\n"


def test_each_line_becomes_a_user(roster: Roster, write: Write) -> None:
    result = roster("users", "import", write("people.csv", GOOD))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "2 created, 0 changed, 0 unchanged, 0 bad\n"
    expected = [("ann@x.test", "Ann", False, "admin"), ("bob@x.test", "Bob", False, "user")]
    assert directory(roster) == expected


def test_columns_come_in_any_order_and_what_the_service_sets_is_ignored(
    roster: Roster, write: Write
) -> None:
    text = (
        "\ufeffupdate_time,is_active,name,id,email,creation_time,line,errors\r\n"
        'never,true,"Ann, ""A""\'s",-1,ann@x.test,,7,many\r\n'
    )
    assert roster("users", "import", write("people.csv", text)).exit_code == 0
    assert directory(roster) == [("ann@x.test", 'Ann, "A"\'s', True, "user")]
    text = as_line({"id": 9, "errors": 0, "name": "Bo", "email": "b@x.test", "update_time": []})
    assert roster("users", "import", write("people.ndjson", "\ufeff\n" + text)).exit_code == 0
    assert directory(roster)[1:] == [("b@x.test", "Bo", False, "user")]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("email,name,shoe", "unknown_attribute: 'shoe' is no column that can be imported."),
        ("email,name,\x1b[2J", r"unknown_attribute: '\x1b[2J' is no column"),
        ("email;name", "missing: name must be a column."),
        ("email,email,name", "repeated_attribute: email is the name of two columns."),
        ("", "no_header: the first line must be a header row in UTF-8."),
        ('"email', "no_header"),
    ],
)
def test_a_file_whose_header_makes_no_sense_is_refused_whole(
    roster: Roster, write: Write, header: str, said: str
) -> None:
    result = roster("users", "import", write("people.csv", f"{header}\n" if header else ""))
    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr
    assert directory(roster) == []


@pytest.mark.parametrize(("attribute", "value", "code"), CASES["bad values"])
def test_what_is_422_over_http_is_refused_by_line(
    roster: Roster, write: Write, attribute: str, value: Any, code: str
) -> None:
    ann = {"email": "ann@example.org", "name": "Ann"}
    lines = as_line(ann) + as_line({**ann, "email": "new@x.test", attribute: value})
    result = roster("users", "import", write("people.jsonl", lines))
    assert bad_lines(result) == [(2, f"{attribute}: {code}")]
    assert result.exit_code == 1
    assert directory(roster) == []


# A cell holds text in UTF-8: no lone surrogates, and what says true is true.
IN_CELLS = [
    (attribute, value, code)
    for attribute, value, code in CASES["bad values"]
    if isinstance(value, str)
    and value != "true"
    and value == value.encode(errors="ignore").decode()
]
NO_TRUTH = [("is_active", text, "wrong_type") for text in ("", "yes", "1", "True", " true")]


@pytest.mark.parametrize(("attribute", "value", "code"), IN_CELLS + NO_TRUTH)
def test_what_text_of_it_a_cell_can_hold_is_refused_by_line_too(
    roster: Roster, write: Write, attribute: str, value: str, code: str
) -> None:
    row = {"email": "ann@example.org", "name": "Ann", attribute: value}
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows([row.keys(), row.values()])
    result = roster("users", "import", write("people.csv", text.getvalue()))
    assert bad_lines(result) == [(2, f"{attribute}: {code}")]


@pytest.mark.parametrize(("attributes", "faults"), CASES["bad users"])
def test_a_user_that_is_422_over_http_is_refused_by_line(
    roster: Roster, write: Write, attributes: dict[str, Any], faults: list[list[str]]
) -> None:
    result = roster("users", "import", write("people.jsonl", as_line(attributes)))
    assert bad_lines(result) == [(1, f"{attribute}: {code}") for attribute, code in faults]


def test_every_good_value_is_kept_as_it_stands(roster: Roster, write: Write) -> None:
    users = [
        {"email": f"{number}@x.test", "name": "Ann", attribute: value}
        for number, (attribute, value) in enumerate(CASES["good values"])
    ]
    lines = "".join(map(as_line, users))
    assert roster("users", "import", write("people.jsonl", lines)).exit_code == 0
    filled = [
        (u["email"], u["name"], u.get("is_active", False), u.get("role", "user")) for u in users
    ]
    assert directory(roster) == filled


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
def held(roster: Roster) -> None:
    """An email that the directory holds."""
    assert roster("users", "create", "--email", "Held@x.test", "--name", "H").exit_code == 0


HELD = ("Held@x.test", "H", False, "user")


@pytest.mark.usefixtures("held")
def test_all_bad_lines_are_told_and_nothing_is_imported(roster: Roster, write: Write) -> None:
    result = roster("users", "import", write("people.csv", BROKEN))
    assert result.exit_code == 1
    assert bad_lines(result) == FAULTS
    last = "Error: import_refused: 6 of 8 records are bad; nothing was imported."
    assert result.stderr.splitlines()[-1] == last
    assert result.stdout == "0 created, 0 changed, 0 unchanged, 6 bad\n"
    assert directory(roster) == [HELD]


@pytest.mark.usefixtures("held")
def test_the_good_lines_are_imported_where_bad_ones_are_to_be_skipped(
    roster: Roster, write: Write
) -> None:
    result = roster("users", "import", write("people.csv", BROKEN), "--skip-errors", "--json")
    assert result.exit_code == 0
    assert bad_lines(result) == FAULTS
    assert json.loads(result.stdout) == {
        "jsonapi": {"version": "1.1"},
        "meta": {"created": 2, "changed": 0, "unchanged": 0, "bad": 6, "dry_run": False},
    }
    imported = [("ann@x.test", "Ann", True, "user"), ("dora@x.test", "Dora, D.", True, "user")]
    assert directory(roster) == [HELD, *imported]


@pytest.mark.usefixtures("held")
def test_bad_lines_are_kept_to_be_mended_and_imported_again(
    roster: Roster, write: Write, tmp_path: Path
) -> None:
    bad, worse = tmp_path / "bad.csv", tmp_path / "worse.csv"
    roster("users", "import", write("p.csv", BROKEN), "--skip-errors", "--errors", str(bad))
    kept = list(csv.reader(io.StringIO(bad.read_text("utf-8", "surrogateescape"), newline="")))
    assert kept[0] == ["line", "errors", "email", "name", "is_active"]
    assert [(int(row[0]), row[1].rpartition(": ")[0]) for row in kept[1:]] == FAULTS
    assert [row[2:] for row in kept[1:]] == [
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
    mended = header + b'9,,"new@x.test",New,false\n'
    assert roster("users", "import", write("mended.csv", mended)).exit_code == 0


def test_bad_objects_are_kept_to_be_mended_too(
    roster: Roster, write: Write, tmp_path: Path
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


def test_the_file_of_errors_is_not_the_file_that_is_read(roster: Roster, write: Write) -> None:
    people = write("people.csv", GOOD)
    result = roster("users", "import", people, "--errors", people)
    assert result.exit_code == 2
    assert Path(people).read_text() == GOOD


def test_a_file_of_errors_that_can_not_be_written_leaves_nothing_imported(
    roster: Roster, write: Write
) -> None:
    people = write("people.csv", GOOD + "x,x,x\n")
    for where, why in (("/dev/full", "No space left on device"), ("/no/bad.csv", "No such file")):
        result = roster("users", "import", people, "--skip-errors", "--errors", where)
        assert result.exit_code == 1
        assert f"Error: file_failed: {where}: {why}" in result.stderr
    assert directory(roster) == []


def test_a_dry_run_tells_all_and_keeps_nothing(roster: Roster, write: Write) -> None:
    result = roster("users", "import", write("people.csv", GOOD), "--dry-run")
    assert result.exit_code == 0
    assert result.stdout == "2 created, 0 changed, 0 unchanged, 0 bad; nothing was kept\n"
    result = roster("users", "import", write("people.csv", BROKEN), "--dry-run")
    assert (result.exit_code, len(bad_lines(result))) == (1, 5)
    assert directory(roster) == []


def test_an_update_changes_those_whose_email_is_there(roster: Roster, write: Write) -> None:
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
    assert directory(roster) == [
        ("ANN@x.test", "Anne", False, "owner"),
        ("bob@x.test", "Bob", False, "user"),
        ("cid@X.test", "Cid", False, "guest"),
    ]
    assert json.loads(roster("users", "show", "2", "--json").stdout) == before


def test_an_update_says_only_what_it_changes(roster: Roster, write: Write) -> None:
    roster("users", "import", write("people.csv", GOOD))
    roles = write("roles.csv", "email,role\nann@x.test,owner\nnew@x.test,owner\n,owner\n")
    result = roster("users", "import", roles, "--update", "--skip-errors")
    assert bad_lines(result) == [(3, "name: missing"), (4, "email: invalid_email")]
    assert directory(roster)[0] == ("ann@x.test", "Ann", False, "owner")
    lines = write("roles.jsonl", as_line({"name": "Ann", "role": "user"}))
    assert bad_lines(roster("users", "import", lines, "--update")) == [(1, "email: missing")]


def test_the_format_is_told_by_the_name_or_by_an_option(roster: Roster, write: Write) -> None:
    assert roster("users", "import", write("people.txt", GOOD)).exit_code == 2
    assert roster("users", "import", write("people.txt", GOOD), "--format", "csv").exit_code == 0


def test_a_file_that_can_not_be_read_is_one_line(roster: Roster) -> None:
    for name, why in (("/no/such.csv", "No such file or directory"), ("/proc/self/mem", "Input")):
        result = roster("users", "import", name, "--format", "csv")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith(f"Error: file_failed: {name}: {why}")


def test_standard_input_is_csv_unless_told_otherwise(sqlite_url: str, roster: Roster) -> None:
    for options, text in (
        ([], GOOD),
        (["--format", "jsonl"], as_line({"email": "c@x.test", "name": "C"})),
    ):
        done = subprocess.run(
            [ROSTER, "users", "import", "-", *options],
            input=text.encode(),
            env=os.environ | {"ROSTER_DATABASE_URL": sqlite_url},
            check=True,
            capture_output=True,
        )
        assert b"created" in done.stdout
    assert len(directory(roster)) == 3


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_import_leaves_nothing(
    roster: Roster, import_url: str, how: signal.Signals
) -> None:
    environment = os.environ | {"ROSTER_DATABASE_URL": import_url}
    assert roster("db", "upgrade", ROSTER_DATABASE_URL=import_url).exit_code == 0
    with subprocess.Popen(
        [ROSTER, "users", "import", "-", "--format", "jsonl"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    ) as process:
        assert process.stdin
        assert process.stderr
        for number in range(3000):
            process.stdin.write(as_line({"email": f"u{number}@x.test", "name": "U"}).encode())
        process.stdin.write(b"{}\n" * 1000)
        process.stdin.flush()
        # It tells bad lines as it goes: by now there are rows in its transaction.
        assert b"line 3001: email: missing" in process.stderr.readline()
        process.send_signal(how)
        said = process.stderr.read()
    assert process.returncode != 0
    assert b"Traceback" not in said
    again = roster("users", "import", "-", ROSTER_DATABASE_URL=import_url)
    assert again.exit_code == 1  # an empty input has no header; and nobody holds a lock
    listed = roster("users", "list", "--json", ROSTER_DATABASE_URL=import_url)
    assert json.loads(listed.stdout)["data"] == []
    created = ("--email", "u1@x.test", "--name", "U")
    assert roster("users", "create", *created, ROSTER_DATABASE_URL=import_url).exit_code == 0


@pytest.fixture(params=["sqlite_url", "postgresql_url", "mariadb_url"])
def import_url(request: pytest.FixtureRequest) -> str:
    """A database of each kind."""
    return str(request.getfixturevalue(request.param))


def test_an_import_takes_longer_than_a_request_may(sqlite_url: str, roster: Roster) -> None:
    environment = os.environ | {"ROSTER_DATABASE_URL": sqlite_url, "ROSTER_REQUEST_SECONDS": "0.5"}
    with subprocess.Popen(
        [ROSTER, "users", "import", "-", "--format", "jsonl"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    ) as process:
        assert process.stdin
        assert process.stderr
        process.stdin.write(as_line({"email": "u@x.test", "name": "U"}).encode())
        process.stdin.write(b"{}\n" * 1000)
        process.stdin.flush()
        process.stderr.readline()
        with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as other:
            other.execute("PRAGMA busy_timeout=1000")
            with pytest.raises(sqlite3.OperationalError):  # after a second
                other.execute("BEGIN IMMEDIATE")
        said = process.communicate()[1]
    assert b"Error: import_refused: 1000 of 1001 records are bad" in said
