"""roster users import with the column password_hash."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Roster = Callable[..., Result]
Write = Callable[[str, str | bytes], str]

BCRYPT = "$2b$04$abcdefghijklmnopqrstuuC7LZ0vHcdEwGSfUeoOkw0Bm1Gl4FCuW"
OTHER = "$2b$05$abcdefghijklmnopqrstuuC7LZ0vHcdEwGSfUeoOkw0Bm1Gl4FCuW"
SECRET = "md5$d41d8cd98f00b204"


@pytest.fixture
def hashes(sqlite_url: str, roster: Roster) -> Callable[[], dict[int, str]]:
    """The stored hashes, by user."""

    def read() -> dict[int, str]:
        with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as database:
            found = dict(database.execute("SELECT user_id, password_hash FROM accounts"))
        database.close()
        return found

    return read


def test_hashes_are_stored_unchanged_and_an_empty_cell_means_none(
    roster: Roster, write: Write, hashes: Callable[[], dict[int, str]]
) -> None:
    text = f"password_hash,email,name\n{BCRYPT},ann@example.org,Ann\n,bob@example.org,Bob\n"
    imported = roster("users", "import", write("users.csv", text))
    assert imported.exit_code == 0, imported.stderr
    assert hashes() == {1: BCRYPT}
    lines = [
        {"email": "cy@example.org", "name": "Cy", "password_hash": OTHER},
        {"email": "dy@example.org", "name": "Dy", "password_hash": None},
        {"email": "ey@example.org", "name": "Ey", "password_hash": ""},
    ]
    text = "\n".join(map(json.dumps, lines))
    assert roster("users", "import", write("users.jsonl", text)).exit_code == 0
    assert hashes() == {1: BCRYPT, 3: OTHER}


def test_an_update_leaves_an_existing_password_unchanged(
    roster: Roster, write: Write, hashes: Callable[[], dict[int, str]]
) -> None:
    text = f"email,name,password_hash\nann@example.org,Ann,{BCRYPT}\nbob@example.org,Bob,\n"
    roster("users", "import", write("users.csv", text))
    text = "email,name,password_hash\n" + "".join(
        f"{name}@example.org,New,{OTHER}\n" for name in ("ANN", "bob", "cy")
    )
    imported = roster("users", "import", "--update", write("more.csv", text))
    assert imported.exit_code == 0, imported.stderr
    assert hashes() == {1: BCRYPT, 2: OTHER, 3: OTHER}


def test_a_rejected_record_does_not_change_the_password_of_the_existing_user(
    roster: Roster, write: Write, hashes: Callable[[], dict[int, str]]
) -> None:
    header = "email,name,password_hash\n"
    roster("users", "import", write("users.csv", f"{header}ann@example.org,Ann,{BCRYPT}\n"))
    text = f"{header}ANN@example.org,Ann,{OTHER}\nbob@example.org,Bob,{OTHER}\n"
    imported = roster("users", "import", "--skip-errors", write("more.csv", text))
    assert imported.stdout == "1 created, 0 changed, 0 unchanged, 1 bad\n"
    assert [*hashes().values()] == [BCRYPT, OTHER]


@pytest.mark.parametrize(
    ("hash_", "reason"),
    [
        (SECRET, "the hash has an unknown format"),
        (
            "$argon2id$v=19$m=999999999,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
            "the hash costs too much to verify",
        ),
        ("x", "the hash has an unknown format"),
    ],
)
def test_another_hash_makes_an_invalid_record_that_is_never_shown(
    roster: Roster,
    write: Write,
    tmp_path: Path,
    bad_lines: Callable[[Result], list[tuple[int, str]]],
    hash_: str,
    reason: str,
) -> None:
    rejected = tmp_path / "rejected"
    record = {"email": "ann@example.org", "name": "", "password_hash": hash_}
    files = {
        "users.csv": f"email,name,Password_Hash\nann@example.org,,{hash_}\n".replace(
            hash_, f'"{hash_}"'
        ),
        "users.jsonl": json.dumps(record) + "\n",
    }
    for name, text in files.items():
        refused = roster("users", "import", write(name, text), "--errors", str(rejected))
        assert refused.exit_code == 1
        codes = [code for _, code in bad_lines(refused)]
        assert "password_hash: unsupported_hash" in codes
        assert any(code.startswith("name: ") for code in codes)
        shown = refused.stdout + refused.stderr + rejected.read_text()
        assert f"moderate cost, but {reason}" in shown
        assert "ann@example.org" in shown
        assert len(hash_) == 1 or hash_ not in shown


def test_a_hash_in_an_unreadable_record_is_not_shown(
    roster: Roster, write: Write, tmp_path: Path
) -> None:
    rejected = tmp_path / "rejected"
    header = "email,name,password_hash\n"
    files: dict[str, str | bytes] = {
        "cells.csv": f"{header}ann@example.org,{BCRYPT}\n",
        "bytes.csv": header.encode() + b"ann@example.org,\xff," + BCRYPT.encode() + b"\n",
        "users.jsonl": f'{{"email": "ann@example.org", "password_hash": "{BCRYPT}"\n',
        "mapped.jsonl": f'{{"email": "ann@example.org", "pw": "{BCRYPT}"\n',
    }
    for name, text in files.items():
        options = ("--column", "password_hash=pw") if name == "mapped.jsonl" else ()
        refused = roster("users", "import", write(name, text), "--errors", str(rejected), *options)
        assert refused.exit_code == 1
        assert BCRYPT not in refused.stdout + refused.stderr + rejected.read_text()


def test_an_export_and_the_history_never_have_the_hash(roster: Roster, write: Write) -> None:
    text = f"email,name,password_hash\nann@example.org,Ann,{BCRYPT}\n"
    roster("users", "import", write("users.csv", text))
    for format_ in ("csv", "jsonl"):
        assert "hash" not in roster("users", "export", "--format", format_).stdout
    assert "$2b$" not in roster("users", "history", "1", "--json").stdout
    assert "password_set" in roster("users", "history", "1", "--json").stdout


def test_a_mapped_column_has_the_hashes(
    roster: Roster, write: Write, hashes: Callable[[], dict[int, str]], tmp_path: Path
) -> None:
    text = f"email,name,pw\nann@example.org,Ann,{BCRYPT}\nbob@example.org,,{SECRET}\n"
    rejected = tmp_path / "rejected"
    imported = roster(
        "users",
        "import",
        write("users.csv", text),
        "--column",
        "password_hash=pw",
        "--skip-errors",
        "--errors",
        str(rejected),
    )
    assert imported.exit_code == 0, imported.stderr
    assert hashes() == {1: BCRYPT}
    assert SECRET not in rejected.read_text()
