"""Valid and invalid records are imported, exported and imported elsewhere, on every database."""

import csv
import json
import os
import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner, Result

from domain.text import fold
from entrypoints.cli.fake_people import fake_people
from entrypoints.cli.main import main

COLUMNS = ("email", "name", "is_active", "role")
BAD_VALUES = [
    ("email", "nobody", "invalid_email"),
    ("email", "x@localhost", "invalid_email"),
    ("email", "a" * 251 + "@x.test", "too_long"),
    ("name", " \u3000", "blank"),
    ("name", "a\nb", "control_character"),
    ("name", "n" * 251, "too_long"),
    ("name", "a\0b", "forbidden_character"),
    ("role", "Boss", "invalid_format"),
    ("role", "r" * 51, "too_long"),
    ("is_active", "maybe", "wrong_type"),
]
BROKEN_CSV = [
    ('"Ann"a,b,true,user\n', "malformed_csv"),
    ("ann@x.test,Ann,true\n", "wrong_number_of_cells"),
    ("ann@x.test,Ann,true,user,more\n", "wrong_number_of_cells"),
    ("\udcff@x.test,Ann,true,user\n", "not_utf_8"),
]
BROKEN_JSON = [
    ('{"email":"ann@x.test",}\n', "malformed_json"),
    ('{"email":"ann@x.test","email":"bob@x.test","name":"Ann"}\n', "duplicate_member"),
    ('{"email":"ann@x.test","name":1e999}\n', "number_out_of_range"),
    ("[" * 65 + "]" * 65 + "\n", "too_deep"),
    ('["ann@x.test","Ann"]\n', "wrong_json_type"),
    ('{"email":"ann@x.test","name":"\udcff"}\n', "malformed_json"),
    ('{"email":"ann@x.test","name":"\\ud800"}\n', "name: forbidden_character"),
    ('{"email":"ann@x.test","name":"Ann","shoe":44}\n', "shoe: unknown_attribute"),
    ('{"email":"ann@x.test"}\n', "name: missing"),
]
Bad = tuple[int, str]


def another_spelling(email: str, number: int) -> str:
    """An email that is equal after folding."""
    wide = "".join(chr(ord(c) + 0xFEE0) if c in "abcdefghij" else c for c in email)
    forms = (email.upper(), email.swapcase(), unicodedata.normalize("NFD", email), wide)
    same = [form for form in forms if fold(form) == fold(email)]  # "ı".upper() is not equal
    return same[number % len(same)]


def as_csv(user: dict[str, Any]) -> str:
    text = StringIO()
    words = {True: "true", False: "false"}
    csv.writer(text).writerow([words.get(user[name], user[name]) for name in COLUMNS])
    return text.getvalue()


def as_json(user: dict[str, Any]) -> str:
    return json.dumps(user, ensure_ascii=False) + "\n"


@dataclass
class Case:
    """A file, the users of its valid records, and the line and error of each invalid record."""

    text: str
    good: list[dict[str, Any]]
    bad: list[Bad]


def case_of(size: int, form: str) -> Case:
    """Returns the same records in each run. About 3 % of them are invalid."""
    random = Random(size)
    write, broken = (as_csv, BROKEN_CSV) if form == "csv" else (as_json, BROKEN_JSON)
    lines = [",".join(COLUMNS) + "\n"] if form == "csv" else []
    case, number = Case("", [], []), len(lines)
    for user in fake_people(size, seed=size):
        user["name"] = unicodedata.normalize(random.choice(("NFC", "NFD")), user["name"])
        kind = random.random()
        if kind < 0.01:
            attribute, value, code = random.choice(BAD_VALUES)
            line, error = write({**user, attribute: value}), f"{attribute}: {code}"
        elif kind < 0.02:
            line, error = random.choice(broken)
        elif kind < 0.03 and case.good:
            other = random.choice(case.good)
            email = another_spelling(other["email"], number)
            line, error = write({**user, "email": email}), "email: email_taken"
        else:
            line, error = write(user), None
            case.good.append(user)
        if error is not None:
            case.bad.append((number + 1, error))
        lines.append(line)
        number += line.count("\n")
    case.text = "".join(lines)
    return case


Run = Callable[..., Result]


@pytest.fixture
def roster(new_url: Callable[[], str]) -> Callable[[], Run]:
    """Creates an empty directory, and returns a function that runs a command on it."""

    def fresh() -> Run:
        environment = {"ROSTER_DATABASE_URL": new_url()}

        def run(*arguments: object) -> Result:
            return CliRunner().invoke(
                main, [*map(str, arguments)], env=environment, catch_exceptions=False
            )

        assert run("db", "upgrade").exit_code == 0
        return run

    return fresh


@pytest.fixture(params=["sqlite", "postgresql_18", "mariadb"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Creates databases of one kind."""
    if request.param == "sqlite":
        numbers = count(1)
        return lambda: f"sqlite:///{tmp_path}/{next(numbers)}.db"
    new: Callable[[], str] = request.getfixturevalue(request.param).new_database
    return new


def reported(done: Result) -> list[Bad]:
    found = re.findall(r"^line (\d+): (.*?): [^:]*$", done.stderr, re.MULTILINE)
    return [(int(number), error) for number, error in found]


def rejected(file: Path) -> list[Bad]:
    """The line and the error of each record in a file of rejected records."""
    text = file.read_text("utf-8", "surrogateescape")
    if file.suffix == ".csv":
        rows = csv.DictReader(StringIO(text, newline=""))
        return [(int(row["line"]), row["errors"]) for row in rows]
    objects = map(json.loads, text.splitlines())
    return [(each["line"], *each["errors"]) for each in objects]


def attributes_in(exported: str) -> list[dict[str, Any]]:
    lines = map(json.loads, exported.split("\n")[:-1])
    return [{name: user[name] for name in COLUMNS} for user in lines]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize("size", [2500, pytest.param(20_000, marks=pytest.mark.long)])
def test_two_directories_are_equal_after_an_export_and_an_import(
    roster: Callable[[], Run], tmp_path: Path, size: int, form: str
) -> None:
    case = case_of(size, form)
    file, back, bad = (tmp_path / f"{name}.{form}" for name in ("people", "back", "bad"))
    file.write_bytes(case.text.encode("utf-8", "surrogateescape"))
    first, second = roster(), roster()

    refused = first("users", "import", file)
    assert refused.exit_code == 1
    assert reported(refused) == case.bad[:20]
    assert first("users", "export", "--format", "jsonl").stdout == ""

    skipped = first("users", "import", file, "--skip-errors", "--errors", bad, "--json")
    assert skipped.exit_code == 0
    assert reported(skipped) == case.bad[:20]
    assert [(line, error.rpartition(": ")[0]) for line, error in rejected(bad)] == case.bad
    counts = {"created": len(case.good), "changed": 0, "unchanged": 0, "bad": len(case.bad)}
    assert json.loads(skipped.stdout)["meta"] == counts | {"dry_run": False}
    again = first("users", "import", bad)
    assert again.exit_code == 1
    assert again.stdout == f"0 created, 0 changed, 0 unchanged, {len(case.bad)} bad\n"

    assert first("users", "export", back).exit_code == 0
    assert second("users", "import", back).exit_code == 0
    there = first("users", "export", "--format", "jsonl").stdout
    assert attributes_in(there) == case.good
    assert attributes_in(second("users", "export", "--format", "jsonl").stdout) == case.good
    again = second("users", "import", back, "--update")
    assert again.stdout == f"0 created, 0 changed, {len(case.good)} unchanged, 0 bad\n"


# A process inherits ru_maxrss from its parent, even through exec.
MEASURED = """
import sys
from pathlib import Path
from entrypoints.cli.main import main
try:
    main(sys.argv[2:])
finally:
    status = Path("/proc/self/status").read_text()
    Path(sys.argv[1]).write_text(status.split("VmHWM:")[1].split()[0])
"""


@pytest.mark.long
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_million_lines_take_no_more_memory_than_a_hundred_thousand(
    tmp_path: Path, form: str
) -> None:
    few, many = (_most_memory(tmp_path, form, size) for size in (100_000, 1_000_000))
    assert all(most < 1.1 * least for least, most in zip(few, many, strict=True)), (few, many)


def _most_memory(tmp_path: Path, form: str, size: int) -> list[int]:
    """The peak kilobytes of an import, in which half of the records are invalid, and an export."""
    environment = os.environ | {"ROSTER_DATABASE_URL": f"sqlite:///{tmp_path}/{form}{size}.db"}

    most = tmp_path / "most"

    def run(*arguments: object) -> int:
        command = [sys.executable, "-c", MEASURED, *map(str, (most, *arguments))]
        subprocess.run(command, env=environment, stderr=subprocess.DEVNULL, check=True)
        return int(most.read_text())

    run("db", "upgrade")
    file = tmp_path / f"{size}.{form}"
    with file.open("w") as lines:
        if form == "csv":
            lines.write("email,name\n")
        for number in range(size):
            user = {"email": f"u{number // 2}@x.test", "name": "Ann"}
            lines.write(f"{user['email']},Ann\n" if form == "csv" else as_json(user))
    imported = run("users", "import", file, "--skip-errors", "--errors", tmp_path / f"bad.{form}")
    exported = run("users", "export", tmp_path / f"out.{form}")
    with (tmp_path / f"out.{form}").open() as out:
        assert sum(1 for _ in out) == size // 2 + (form == "csv")
    return [imported, exported]
