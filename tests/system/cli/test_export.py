"""roster users export, as a user runs it."""

import csv
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from roster_process import ROSTER

Roster = Callable[..., Result]


@pytest.fixture
def three(roster: Roster) -> None:
    """Three users."""
    for email, name, more in (
        ("ann@x.test", 'Ann "A", Example', ["--active"]),
        ("bøb@exämple.org", "Bøb 👩‍🚀", ["--role", "admin"]),
        ("=cid@x.test", " Cid ", []),
    ):
        roster("users", "create", "--email", email, "--name", name, *more)


@pytest.mark.usefixtures("three")
def test_json_lines_have_the_attributes_of_http(roster: Roster) -> None:
    exported = roster("users", "export", "--format", "jsonl")
    assert (exported.exit_code, exported.stderr) == (0, "")
    document = json.loads(roster("users", "list", "--json").stdout)
    expected = [{"id": user["id"], **user["attributes"]} for user in document["data"]]
    objects = [json.loads(line) for line in exported.stdout.splitlines()]
    assert objects == expected
    assert [*objects[0]] == [*expected[0]]


@pytest.mark.usefixtures("three")
def test_csv_has_the_same_values_in_a_header_and_rows(roster: Roster, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    assert roster("users", "export", str(file)).stdout == ""
    header, *rows = csv.reader(file.read_text().splitlines())
    objects = [
        json.loads(line)
        for line in roster("users", "export", "--format", "jsonl").stdout.splitlines()
    ]
    assert header == [*objects[0]]
    assert [dict(zip(header, row, strict=True)) for row in rows] == [
        {**each, "is_active": "true" if each["is_active"] else "false"} for each in objects
    ]
    assert roster("users", "export").stdout == file.read_text()


@pytest.mark.usefixtures("three")
def test_an_export_is_filtered_and_sorted_like_a_list(roster: Roster) -> None:
    found = roster("users", "export", "--filter", "role=user", "--sort", "-email")
    assert [line.split(",")[0] for line in found.stdout.splitlines()] == ["id", "1", "3"]
    assert roster("users", "export", "--filter", "shoe=44").exit_code == 2
    assert roster("users", "export", "people.txt").exit_code == 2


def test_an_export_of_an_empty_directory_is_a_header_or_nothing(roster: Roster) -> None:
    header = "id,email,name,is_active,role,creation_time,update_time\n"
    assert roster("users", "export").stdout == header
    assert roster("users", "export", "--format", "jsonl").stdout == ""


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("ending", ["csv", "jsonl", "ndjson"])
def test_an_export_can_be_imported_unchanged(roster: Roster, tmp_path: Path, ending: str) -> None:
    there, back = tmp_path / f"there.{ending}", tmp_path / f"back.{ending}"
    assert roster("users", "export", str(there)).exit_code == 0
    other = {"ROSTER_DATABASE_URL": f"sqlite:///{tmp_path}/other.db"}
    assert roster("db", "upgrade", **other).exit_code == 0
    assert roster("users", "import", str(there), **other).exit_code == 0
    assert roster("users", "export", str(back), **other).exit_code == 0
    assert roster("users", "import", str(back), "--update").stdout.startswith(
        "0 created, 0 changed"
    )


@pytest.mark.usefixtures("three")
def test_a_file_that_cannot_be_written_is_one_line(roster: Roster) -> None:
    for name, why in (("/dev/full", "No space left on device"), ("/no/x.csv", "No such file")):
        result = roster("users", "export", name, "--format", "csv")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith(f"Error: file_failed: {name}: {why}")
        assert result.stderr.count("\n") == 1


def test_a_reader_that_stops_early_causes_no_error(roster: Roster, sqlite_url: str) -> None:
    assert roster("demo", "3000").exit_code == 0
    with subprocess.Popen(
        [ROSTER, "users", "export"],
        env=os.environ | {"ROSTER_DATABASE_URL": sqlite_url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline().startswith(b"id,")
        process.stdout.close()
        assert process.stderr.read() == b""


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_an_export_that_fails_warns_that_its_file_is_incomplete(
    roster: Roster, sqlite_url: str, tmp_path: Path, ending: str
) -> None:
    assert roster("demo", "3000").exit_code == 0
    file = tmp_path / f"people.{ending}"
    failed = subprocess.run(
        ["bash", "-c", f"ulimit -f 100; exec {ROSTER} users export {file}"],
        env=os.environ | {"ROSTER_DATABASE_URL": sqlite_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.splitlines() == [
        f"Warning: {file} is incomplete.",
        f"Error: file_failed: {file}: File too large.",
    ]
    assert file.stat().st_size == 100 * 1024


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("name", ["roster.db", "roster.db-wal", "link", "hard link"])
@pytest.mark.parametrize("command", ["export", "import"])
def test_the_database_is_never_overwritten(
    roster: Roster, tmp_path: Path, name: str, command: str
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "roster.db")
    (tmp_path / "hard link").hardlink_to(tmp_path / "roster.db")
    (tmp_path / "people.csv").write_text("email,name\nno email,Ann\n")
    target = str(tmp_path / name)
    arguments = {
        "export": (target, "--format", "csv"),
        "import": (str(tmp_path / "people.csv"), "--errors", target),
    }
    before = (tmp_path / "roster.db").read_bytes()
    refused = roster("users", command, *arguments[command])
    assert refused.exit_code == 2
    assert f"{target} is a file of the database." in refused.stderr
    assert (tmp_path / "roster.db").read_bytes() == before
    assert roster("users", "list").stdout.count("x.test") == 2


@pytest.mark.parametrize("resource", ["users", "memberships"])
def test_an_earlier_export_remains_if_the_database_fails(
    roster: Roster, tmp_path: Path, resource: str
) -> None:
    file = tmp_path / "earlier.csv"
    file.write_text("earlier")
    file.chmod(0o600)
    unreachable = "postgresql://roster@127.0.0.1:1/roster"
    failed = roster(resource, "export", str(file), ROSTER_DATABASE_URL=unreachable)
    assert failed.exit_code == 1
    assert failed.stderr.startswith("Error: unavailable: ")
    assert file.read_text() == "earlier"


def test_a_list_of_related_resources_is_not_a_column(roster: Roster) -> None:
    for name, field in (("users", "groups"), ("groups", "members")):
        refused = roster(name, "export", "--fields", f"name,{field}")
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert f"A file of {name} has no column for {field}" in refused.stderr
    assert roster("groups", "export", "--fields", "owner").stdout == "id,owner\n"


@pytest.mark.usefixtures("three")
def test_the_id_is_always_written(roster: Roster) -> None:
    for fields, header in (("email,id", "id,email"), ("id", "id"), ("", "id")):
        written = roster("users", "export", "--fields", fields)
        assert (written.exit_code, written.stdout.splitlines()[0]) == (0, header)
        assert len(written.stdout.splitlines()) == 4
