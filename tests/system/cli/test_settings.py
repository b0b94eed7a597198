"""roster settings, and the settings of .env and --env-file."""

import json
import os
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from entrypoints.cli.main import main
from entrypoints.settings import Settings

Run = Callable[..., Result]
NAMES = [each.metadata["name"] for each in fields(Settings)]
HUSH = "hush" * 8


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in an empty directory, with only these settings."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(("ROSTER_", "OTEL_")):
            monkeypatch.delenv(name)

    def command(*arguments: str, **environment: str) -> Result:
        return CliRunner().invoke(
            main, arguments, env=environment, prog_name="roster", catch_exceptions=False
        )

    return command


def listed(result: Result) -> dict[str, tuple[str | None, str]]:
    found = json.loads(result.stdout)["meta"]["settings"]
    return {each["name"]: (each["value"], each["source"]) for each in found}


def test_every_setting_is_printed_with_its_value_and_source(run: Run, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ROSTER_POOL_SIZE=7\nROSTER_METRICS=off\n")
    table = run("settings", ROSTER_METRICS="on")
    assert (table.exit_code, table.stderr) == (0, "")
    rows = [line.split() for line in table.stdout.splitlines()]
    assert rows[0] == ["setting", "value", "source"]
    assert [row[0] for row in rows[1:]] == NAMES
    assert ["ROSTER_POOL_SIZE", "7", ".env"] in rows
    assert ["ROSTER_METRICS", "on", "environment"] in rows
    assert ["ROSTER_DATABASE_URL", "sqlite:///roster.db", "default"] in rows
    assert ["ROSTER_JWT_SECRET", "(none)", "default"] in rows
    found = listed(run("settings", "--json"))
    assert found["ROSTER_POOL_SIZE"] == ("7", ".env")
    assert found["ROSTER_METRICS"] == ("off", ".env")
    assert found["ROSTER_JWT_SECRET"] == (None, "default")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ann:hush@db.test/roster", "postgresql://ann:***@db.test/roster"),
        (
            "postgresql://ann@db.test/x?sslpassword=hush",
            "postgresql://ann@db.test/x?sslpassword=***",
        ),
        ("mariadb+pymysql://ann:hu%40sh@db.test/x", "mariadb+pymysql://ann:***@db.test/x"),
        (
            "postgresql://ann:hu:sh@h1:5432,h2:5433/x?target_session_attrs=read-write",
            "postgresql://ann:***@h1:5432,h2:5433/x?target_session_attrs=read-write",
        ),
        (
            "postgresql://ann:hu%2Fsh@/x?host=h1:5432&host=h2",
            "postgresql://ann:***@/x?host=h1:5432",
        ),
        ("postgresql:///x?user=ann&password=hush", "postgresql:///x?user=ann&password=***"),
        ("memory://", "memory://"),
        ("sqlite:///people.db", "sqlite:///people.db"),
    ],
)
def test_secrets_are_hidden(run: Run, url: str, shown: str) -> None:
    secrets = {"ROSTER_JWT_SECRET": HUSH, "ROSTER_CURSOR_SECRET": "hush"}
    for more in ((), ("--json",)):
        result = run("settings", *more, ROSTER_DATABASE_URL=url, **secrets)
        assert result.exit_code == 0
        assert shown in result.stdout
        if url.startswith("postgresql:"):
            replicas = {"ROSTER_DATABASE_URL": "postgresql://h/d", "ROSTER_READ_DATABASE_URL": url}
            if "target_session_attrs" not in url:
                assert shown in run("settings", *more, **replicas).stdout
        assert result.stdout.count("(hidden)") == 2
        assert "hu" not in result.output.replace("(hidden)", "")


def test_values_that_are_not_text_are_printed_with_replacements(run: Run, tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff.env")
    tmp_path.joinpath(name).write_text("ROSTER_POOL_SIZE=5\n")
    folder = {"ROSTER_MAIL_FOLDER": os.fsdecode(b"m\xff")}
    found = listed(run("--env-file", name, "settings", "--json", **folder))
    assert found["ROSTER_POOL_SIZE"] == ("5", "\ufffd.env")
    assert found["ROSTER_MAIL_FOLDER"] == ("m\ufffd", "environment")


def test_invalid_settings_are_status_2_with_their_reasons(run: Run) -> None:
    bad = {"ROSTER_POOL_SIZE": "hush", "ROSTER_DATABASE_URL": "postgresql://a:hu@sh@b/c"}
    result = run("settings", **bad)
    assert result.exit_code == 2
    assert len(result.stdout.splitlines()) == 1 + len(NAMES)
    assert result.stdout.count("(invalid)") == 2
    lines = result.stderr.splitlines()
    assert lines[0].startswith("Error: ROSTER_DATABASE_URL: ")
    assert lines[1] == "Error: ROSTER_POOL_SIZE: must be a whole number from 1 to 1000"
    assert "hu@sh" not in result.output
    assert "hush" not in result.output
    document = json.loads(run("settings", "--json", **bad).stdout)["meta"]["settings"]
    assert [each["name"] for each in document if "problem" in each] == sorted(bad)
    together = run("settings", ROSTER_JWT_ISSUER="x")
    assert together.exit_code == 2
    assert together.stderr == (
        "Error: ROSTER_JWT_ISSUER: requires ROSTER_JWT_SECRET, ROSTER_JWT_JWKS or "
        "ROSTER_ACCOUNTS=on\n"
    )


def test_a_file_of_settings_applies_to_every_command(run: Run, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ROSTER_DATABASE_URL=sqlite:///a.db\n")
    (tmp_path / "b.env").write_text("ROSTER_DATABASE_URL=sqlite:///b.db\n")
    assert run("db", "upgrade").exit_code == 0
    assert run("--env-file", "b.env", "db", "upgrade").exit_code == 0
    assert run("users", "create", "--email", "ann@x.test", "--name", "Ann").exit_code == 0
    assert run("users", "count").stdout == "1\n"
    assert run("--env-file", "b.env", "users", "count").stdout == "0\n"
    wins = run("--env-file", "b.env", "users", "count", ROSTER_DATABASE_URL="sqlite:///a.db")
    assert wins.stdout == "1\n"
    assert "ROSTER_DATABASE_URL" not in os.environ


def test_an_invalid_file_of_settings_is_status_2(run: Run, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ROSTER_METRICS=on\nROSTER_POOL_SIZE 3\n")
    refused = run("users", "list")
    assert (refused.exit_code, refused.stdout) == (2, "")
    problem = "must be NAME=VALUE, a comment or empty"
    assert refused.stderr == f"Error: .env, line 2: {problem}\n"
    assert run("version").exit_code == 0
    missing = run("--env-file", "none.env", "users", "list")
    assert missing.exit_code == 2
    assert "File 'none.env' does not exist." in missing.stderr
    (tmp_path / "bad.env").write_text("ROSTER_POOL_SIZE=x\n")
    refused = run("--env-file", "bad.env", "users", "list")
    assert refused.exit_code == 2
    assert refused.stderr == "Error: ROSTER_POOL_SIZE: must be a whole number from 1 to 1000\n"


def test_a_default_file_that_cannot_be_found_is_ignored(run: Run, tmp_path: Path) -> None:
    # Even root gets an error for a name of this length, unlike for a directory without permission.
    (tmp_path / ".env").symlink_to("x" * 300)
    assert run("settings").stderr == ""


def test_a_file_with_secrets_that_others_can_read_causes_a_warning(
    run: Run, tmp_path: Path
) -> None:
    file = tmp_path / ".env"
    file.write_text(f"ROSTER_JWT_SECRET={HUSH}\n")
    file.chmod(0o640)
    warning = "Warning: other users of this machine can read .env, which has secrets: chmod 600"
    assert run("settings").stderr == f"{warning} .env\n"
    file.chmod(0o600)
    assert run("settings").stderr == ""
    file.write_text("ROSTER_DATABASE_URL=sqlite:///a.db\n")
    file.chmod(0o644)
    assert run("settings").stderr == ""


@pytest.mark.parametrize("source", ["environment", "file"])
def test_a_misspelled_setting_causes_a_warning(run: Run, tmp_path: Path, source: str) -> None:
    bad = {"ROSTER_DATABSE_URL": "sqlite:///a.db", "ROSTER_COLOUR": "blue"}
    if source == "file":
        (tmp_path / ".env").write_text("".join(f"{k}={v}\n" for k, v in bad.items()))
        bad = {}
    nearest = "ROSTER_DATABSE_URL is not a setting. Did you mean ROSTER_DATABASE_URL?"
    unknown = "ROSTER_COLOUR is not a setting. roster settings prints all of them."
    checked = run("settings", **bad)
    assert (checked.exit_code, checked.stderr) == (
        0,
        f"Warning: {unknown}\nWarning: {nearest}\n",
    )
    used = run("users", "list", **bad)
    assert used.exit_code == 1
    assert used.stderr.startswith(f"Warning: {nearest}\nError: no_database: ")


@pytest.mark.parametrize(
    "command",
    [
        *("users list", "users show 1", "users count", "users history 1", "users export", "events"),
        *("users create --email a@x.test --name A", "users update 1 --active", "users delete 1"),
        *("users delete 1 --erase --yes", "db current", "db check", "db downgrade base", "demo 5"),
    ],
)
def test_only_commands_that_migrate_create_a_database(
    run: Run, tmp_path: Path, command: str
) -> None:
    refused = run(*command.split())
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == (
        f"Error: no_database: The database {tmp_path}/roster.db does not exist. Run roster db "
        "upgrade to create it, or check ROSTER_DATABASE_URL.\n"
    )
    assert [*tmp_path.iterdir()] == []
    elsewhere = run(*command.split(), ROSTER_DATABASE_URL="sqlite:////no/such/roster.db")
    assert "Create the folder /no/such first." in elsewhere.stderr
