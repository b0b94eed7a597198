"""The commands as a whole: their help, and what they import."""

import base64
import json
import re
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from textwrap import dedent
from typing import Any

import click
import pytest
from click.testing import CliRunner

from adapters.sql.schema import REVISION
from entrypoints.cli.main import main

Roster = Callable[..., subprocess.CompletedProcess[str]]

ANY_TOKEN = {"ROSTER_JWT_ISSUER": "*", "ROSTER_JWT_AUDIENCE": "*"}
CLOSED_PORT = "postgresql://roster:hush@127.0.0.1:1/roster"
REFUSED = (
    'connection to server at "127.0.0.1", port 1 failed: Connection refused. '
    "Check ROSTER_DATABASE_URL, and that the server is running."
)


def ended(result: subprocess.CompletedProcess[str], status: int, line: str) -> bool:
    """Checks the exit status, and that the output is this one line on standard error."""
    assert (result.returncode, result.stdout, result.stderr) == (status, "", f"Error: {line}\n")
    return True


def test_help_imports_no_large_library() -> None:
    look = (
        "import sys; from entrypoints.cli.main import main; "
        "heavy = {'flask', 'sqlalchemy', 'alembic', 'granian', 'marshmallow', 'structlog', 'jwt'}; "
        "print(heavy & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True)
    assert result.stdout == "set()\n", result.stderr


@pytest.mark.parametrize("command", ["users list", "accounts admin ann@example.org --generate"])
def test_commands_import_nothing_of_the_server(command: str) -> None:
    look = (
        "import sys; from entrypoints.cli.main import main; "
        f"main({command.split()}, standalone_mode=False); "
        "print({'flask', 'throttled', 'jwt', 'granian'} & set(sys.modules), file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", look],
        capture_output=True,
        text=True,
        env={"ROSTER_DATABASE_URL": "memory://"},
    )
    assert result.stderr.splitlines()[-1] == "set()", result.stderr


def commands(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """A group and every command below it, with the words that call it."""
    yield path, group
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield (*path, name), command


COMMANDS = dict(commands(main))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_help(path: tuple[str, ...]) -> None:
    shown = {
        CliRunner().invoke(main, arguments, prog_name="roster").stdout
        for arguments in ((*path, "-h"), (*path, "--help"), ("help", *path))
    }
    (text,) = shown
    assert text.startswith(" ".join(("Usage: roster", *path)))
    assert max(map(len, text.splitlines())) <= 80
    summaries = text.partition("\nCommands:\n")[2]
    assert "..." not in summaries


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_is_whole_sentences(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    assert command.help
    texts = [command.get_short_help_str(80), command.help.split("\b")[0]]
    texts += [each.help or "" for each in command.params if isinstance(each, click.Option)]
    for text in texts:
        sentence = text.partition("  [default")[0].strip()
        assert re.fullmatch(r"(?s)[^a-z].*[.]", sentence), sentence


def test_the_version_is_printed(roster: Roster) -> None:
    for arguments in (("version",), ("--version",)):
        result = roster(*arguments)
        assert (result.returncode, result.stderr) == (0, "")
        assert re.fullmatch(r"roster, version \d\S*\n", result.stdout)


def test_help_for_no_command_is_wrong_usage(invoke: Roster) -> None:
    for *group, unknown in (("user",), ("users", "lists"), ("version", "x")):
        result = invoke("help", *group, unknown)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.splitlines()[-1] == f"Error: No such command '{unknown}'."


def test_without_a_command_help_is_printed(roster: Roster) -> None:
    result = roster()
    assert result.returncode == 2
    assert result.stderr.startswith("Usage: roster [OPTIONS] COMMAND")


def test_each_of_several_errors_is_a_line_of_one_form(invoke: Roster) -> None:
    invoke("db", "upgrade")
    refused = invoke("users", "create", "--email", "ann", "--name", " ", "--role", "Boss")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert re.fullmatch(r"(Error: [a-z_]+: [a-z]+ .*\n){3}", refused.stderr)
    refused = invoke("users", "list", "--filter", "shoe=1", "--sort", "hat")
    assert refused.returncode == 2
    assert re.fullmatch(r"(Error: unknown_attribute: Unknown attribute .*\n){2}", refused.stderr)


def test_a_server_starts_with_an_env_file(roster: Roster, tmp_path: Path) -> None:
    (tmp_path / "a.env").write_text("ROSTER_DATABASE_URL=memory://\n")
    refused = roster("--env-file", "a.env", "serve", "--workers", "2")
    assert "memory:// requires a single process" in refused.stderr


@pytest.mark.parametrize(
    ("option", "typed", "completed"),
    [
        ("--filter", "na", {"name"}),
        ("--sort", "id,-n", {"id,-name"}),
        ("--sort", "role,-em", {"role,-email"}),
        ("--columns", "id,up", {"id,update_time"}),
        ("--fields", "r", {"role"}),
    ],
)
def test_names_of_attributes_are_completed(option: str, typed: str, completed: set[str]) -> None:
    environment = {
        "_ROSTER_COMPLETE": "bash_complete",
        "COMP_WORDS": f"roster users list {option} {typed}",
        "COMP_CWORD": "4",
    }
    result = CliRunner().invoke(main, [], env=environment, prog_name="roster")
    assert {line.partition(",")[2] for line in result.stdout.splitlines()} == completed


def options(command: click.Command) -> Iterator[str]:
    """The options of a command and of its subcommands."""
    for parameter in command.params:
        yield from parameter.opts
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            each = command.get_command(context, name)
            assert each
            yield from options(each)


def test_no_option_accepts_a_secret_because_other_users_see_command_lines() -> None:
    names = set(options(main))
    assert {"--port", "--scope", "--filter"} <= names
    assert [each for each in names if re.search("secret|password|key|jw|token|url", each)] == []


def test_wrong_usage_is_status_2(roster: Roster) -> None:
    assert roster("serve", "--port", "high").returncode == 2
    assert roster("no-such-command").returncode == 2


def test_a_bad_setting_is_status_2_and_one_line(roster: Roster) -> None:
    line = "ROSTER_POOL_SIZE: must be a whole number from 1 to 1000"
    assert ended(roster("serve", ROSTER_POOL_SIZE="none"), 2, line)
    assert ended(roster("db", "current", ROSTER_POOL_SIZE="none"), 2, line)


@pytest.mark.parametrize("command", ["upgrade", "current", "check"])
def test_an_unreachable_database_is_status_1_and_one_line(invoke: Roster, command: str) -> None:
    result = invoke("db", command, ROSTER_DATABASE_URL=CLOSED_PORT)
    assert ended(result, 1, f"unavailable: {REFUSED}")


def test_memory_has_no_tables(invoke: Roster) -> None:
    result = invoke("db", "check", ROSTER_DATABASE_URL="memory://")
    assert ended(result, 2, "ROSTER_DATABASE_URL: memory:// has no tables")


def test_tables_are_created_and_removed(roster: Roster) -> None:
    assert roster("db", "upgrade").stdout == f"{REVISION}\n"
    assert roster("db", "current").stdout == f"{REVISION}\n"
    assert roster("db", "check").returncode == 0
    assert roster("db", "downgrade", "base", "--yes").stdout == "base\n"
    assert roster("db", "current").stdout == "base\n"
    at_base = f"schema_differs: The database is at base, this release at {REVISION}"
    assert ended(roster("db", "check"), 1, f"{at_base}: run roster db upgrade.")


def test_an_unknown_revision_is_status_1(invoke: Roster) -> None:
    line = (
        "no_such_revision: The tables can't be upgraded to 4711. The revisions are 0001 to "
        f"{REVISION}, head and base."
    )
    assert ended(invoke("db", "upgrade", "4711"), 1, line)
    line = line.replace("upgraded", "downgraded")
    assert ended(invoke("db", "downgrade", "4711", "--yes"), 1, line)


def test_check_finds_a_column_that_was_added_by_hand(invoke: Roster, tmp_path: Path) -> None:
    invoke("db", "upgrade")
    database = sqlite3.connect(tmp_path / "roster.db")
    database.execute("ALTER TABLE users ADD COLUMN shoe_size INTEGER")
    database.close()
    result = invoke("db", "check")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "Error: schema_differs: The tables differ: "
        "('remove_column', None, 'users', Column('shoe_size', INTEGER(), table=<users>))\n"
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_an_open_service_listens_on_loopback_only(invoke: Roster, host: str) -> None:
    line = (
        f"ROSTER_ALLOW_OPEN: must be 1 to listen on {host} without access control: anyone who can "
        "reach it can read and change all users. Or set ROSTER_JWT_SECRET, ROSTER_JWT_JWKS or "
        "ROSTER_ACCOUNTS=on"
    )
    assert ended(invoke("serve", "--host", host), 2, line)


def test_an_open_service_listens_elsewhere_only_if_its_hosts_are_known(invoke: Roster) -> None:
    line = (
        "ROSTER_HOSTS: must name the hosts of the service (or set ROSTER_PUBLIC_URL) to listen on "
        "0.0.0.0 without access control: requests for other hosts are rejected"
    )
    assert ended(invoke("serve", "--host", "0.0.0.0", ROSTER_ALLOW_OPEN="1"), 2, line)


@pytest.mark.parametrize(
    ("name", "value"),
    [("ROSTER_HOSTS", "roster.example.org"), ("ROSTER_PUBLIC_URL", "http://roster.example.org")],
)
def test_an_open_service_with_known_hosts_may_listen_elsewhere(
    invoke: Roster, name: str, value: str
) -> None:
    with socket.create_server(("0.0.0.0", 0)) as other:  # checked after the hosts
        port = other.getsockname()[1]
        settings = {"ROSTER_ALLOW_OPEN": "1", name: value}
        result = invoke("serve", "--host", "0.0.0.0", "--port", str(port), **settings)
    line = rf"cannot_serve: Port {port} is already in use on 0.0.0.0. Choose another .* \d+\."
    assert (result.returncode, result.stdout) == (1, "")
    assert re.fullmatch(f"Error: {line}\n", result.stderr)


ALL_ORIGINS = (
    "ROSTER_CORS_ORIGINS: must not be * without access control (ROSTER_JWT_SECRET, ROSTER_JWT_JWKS "
    "or ROSTER_ACCOUNTS=on): any web page could change users; list the origins instead"
)


def test_an_open_service_does_not_start_with_all_origins(invoke: Roster) -> None:
    assert ended(invoke("serve", "--port", "0", ROSTER_CORS_ORIGINS="*"), 2, ALL_ORIGINS)


def test_memory_is_for_one_worker(invoke: Roster) -> None:
    result = invoke("serve", "--workers", "2", ROSTER_DATABASE_URL="memory://")
    assert result.returncode == 2
    assert result.stderr.endswith("memory:// requires a single process: --workers must be 1.\n")


def test_a_port_in_use_stops_the_start_and_the_next_free_one_is_suggested(roster: Roster) -> None:
    with ExitStack() as stack:
        port = stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
        with suppress(OSError):  # unless it is in use already
            stack.enter_context(socket.create_server(("127.0.0.1", port + 1)))
        result = roster("serve", "--port", str(port))
        assert (result.returncode, result.stdout) == (1, "")
        line = (
            rf"Error: cannot_serve: Port {port} is already in use on 127\.0\.0\.1\. "
            r"Choose another with --port (\d+) \(or make run PORT=(\d+)\)\.\n"
        )
        suggested = re.fullmatch(line, result.stderr)
        assert suggested, result.stderr
        assert suggested[1] == suggested[2]
        assert int(suggested[1]) > port + 1
        stack.enter_context(socket.create_server(("127.0.0.1", int(suggested[1]))))


def test_no_port_is_suggested_after_the_last_one(invoke: Roster) -> None:
    with ExitStack() as stack:
        with suppress(OSError):  # unless it is in use already
            stack.enter_context(socket.create_server(("127.0.0.1", 65535)))
        result = invoke("serve", "--port", "65535")
    line = (
        "cannot_serve: Port 65535 is already in use on 127.0.0.1. "
        "Choose another with --port; --port 0 finds one that is free."
    )
    assert ended(result, 1, line)


def test_an_unknown_host_stops_the_start(invoke: Roster) -> None:
    result = invoke("serve", "--host", "no such host")
    assert ended(result, 1, "cannot_serve: The host no such host has no address.")


def test_a_database_that_cannot_be_reached_stops_the_start(roster: Roster) -> None:
    result = roster("serve", "--port", "0", ROSTER_DATABASE_URL=CLOSED_PORT)
    assert ended(result, 1, f"cannot_serve: The database can't be used: {REFUSED}")


@pytest.mark.parametrize("kind", ["postgresql_url", "mariadb_url"])
def test_a_database_that_is_behind_stops_the_start(
    request: pytest.FixtureRequest, roster: Roster, kind: str
) -> None:
    url = request.getfixturevalue(kind)
    line = "cannot_serve: The database is behind this release: run `roster db upgrade`."
    assert ended(roster("serve", "--port", "0", ROSTER_DATABASE_URL=url), 1, line)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("ROSTER_JWT_SECRET", "hush" * 7, "must have 32 bytes or more"),
        ("ROSTER_JWT_SECRET", "", "must have 32 bytes or more"),
        ("ROSTER_JWT_JWKS", "http://127.0.0.1:1/hush", "must be a file or an https URL"),
        (
            "ROSTER_JWT_JWKS",
            "https://127.0.0.1:1/hush",
            "cannot fetch the key set: Connection refused",
        ),
        ("ROSTER_JWT_JWKS", "hush.json", "cannot read the file: No such file or directory"),
        ("ROSTER_JWT_JWKS", "none.json", "it has no key for RS256, ES256 or EdDSA"),
        ("ROSTER_JWT_JWKS", "odd.json", "it is not JSON"),
        (
            "ROSTER_JWT_ISSUER",
            "hush",
            "requires ROSTER_JWT_SECRET, ROSTER_JWT_JWKS or ROSTER_ACCOUNTS=on",
        ),
    ],
)
def test_incomplete_access_control_stops_the_start(
    invoke: Roster, tmp_path: Path, name: str, value: str, problem: str
) -> None:
    (tmp_path / "odd.json").write_text("hush")
    (tmp_path / "none.json").write_text('{"keys": [{"kty": "oct", "k": "aHVzaA"}]}')
    environment = {name: value, **(ANY_TOKEN if name == "ROSTER_JWT_JWKS" else {})}
    result = invoke("serve", "--port", "0", **environment)
    assert ended(result, 2, f"{name}: {problem}")


@pytest.mark.parametrize("name", ["ROSTER_JWT_ISSUER", "ROSTER_JWT_AUDIENCE"])
def test_a_key_set_without_issuer_or_audience_stops_the_start(invoke: Roster, name: str) -> None:
    environment = {"ROSTER_JWT_JWKS": "keys.json", **ANY_TOKEN}
    del environment[name]
    problem = "must be set with ROSTER_JWT_JWKS; * accepts any value"
    assert ended(invoke("serve", "--port", "0", **environment), 2, f"{name}: {problem}")


def claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return decoded


@pytest.mark.parametrize(
    ("expires", "seconds"), [("90s", 90), ("15m", 900), ("1h", 3600), ("365d", 365 * 86400)]
)
def test_a_token_has_the_claims_of_the_options_and_settings(
    invoke: Roster, expires: str, seconds: int
) -> None:
    settings = {
        "ROSTER_JWT_SECRET": "hush" * 8,
        "ROSTER_JWT_ISSUER": "https://i.example, https://j.example",
        "ROSTER_JWT_AUDIENCE": "roster,api://roster",
    }
    scopes = ("--scope", "users:read users:write", "--scope", "users:read")
    result = invoke("token", *scopes, "--expires", expires, "--subject", "ann", **settings)
    assert (result.returncode, result.stderr) == (0, "")
    found = claims(result.stdout)
    assert found.pop("exp") - found.pop("iat") == seconds
    assert found == {
        "iss": "https://i.example",
        "aud": "roster",
        "sub": "ann",
        "scope": "users:read users:write",
    }


def test_a_token_has_no_issuer_and_audience_if_any_is_accepted(invoke: Roster) -> None:
    result = invoke("token", "--scope", "users:read", ROSTER_JWT_SECRET="hush" * 8, **ANY_TOKEN)
    assert claims(result.stdout).keys() == {"exp", "iat", "scope"}


@pytest.mark.parametrize(
    "scopes",
    ["users:write", "users:read users:write", "users:erase", "read:users", "groups:write", "admin"],
)
def test_a_token_that_permits_changes_needs_a_subject(invoke: Roster, scopes: str) -> None:
    result = invoke("token", "--scope", scopes, ROSTER_JWT_SECRET="hush" * 8)
    assert (result.returncode, result.stdout) == (2, "")
    scope = scopes.removeprefix("users:read ")
    line = f"--subject is required for the scope {scope}: a change must name its author."
    assert result.stderr.endswith(f"\nError: {line}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--scope", ""],
        ["--scope", 'users:"read"'],
        ["--scope", "users:read", "--expires", "1"],
        ["--scope", "users:read", "--expires", "0s"],
        ["--scope", "users:read", "--expires", "-1h"],
        ["--scope", "users:read", "--expires", "366d"],
        ["--scope", "users:read", "--expires", "1.5h"],
        ["--scope", "users:read", "--expires", "99999999999999999999d"],
        ["--scope", "users:read", "--subject", ""],
        ["--scope", "users:read", "--subject", "a\nb"],
    ],
)
def test_an_invalid_token_option_is_status_2(invoke: Roster, arguments: list[str]) -> None:
    result = invoke("token", *arguments, ROSTER_JWT_SECRET="hush" * 8)
    assert (result.returncode, result.stdout) == (2, "")
    assert "hush" not in result.stderr


@pytest.mark.parametrize("more", [{}, {"ROSTER_JWT_JWKS": "keys.json", **ANY_TOKEN}])
def test_signing_a_token_requires_the_secret(invoke: Roster, more: dict[str, str]) -> None:
    result = invoke("token", "--scope", "users:read", **more)
    assert ended(
        result, 2, "ROSTER_JWT_SECRET: must be set to sign tokens (or set ROSTER_ACCOUNTS=on)"
    )


def test_another_server_does_not_start_with_an_unusable_key_set(tmp_path: Path) -> None:
    (tmp_path / "none.json").write_text('{"keys": []}')
    command = [sys.executable, "-c", "import entrypoints.wsgi"]
    environment = {
        "ROSTER_DATABASE_URL": "memory://",
        "ROSTER_JWT_JWKS": "none.json",
        **ANY_TOKEN,
    }
    refused = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    line = "Error: ROSTER_JWT_JWKS: it has no key for RS256, ES256 or EdDSA\n"
    assert (refused.returncode, refused.stderr) == (2, line)


@pytest.mark.parametrize("name", ["ROSTER_ALLOW_OPEN", "ROSTER_JWT_SECRET"])
def test_another_server_requires_a_setting_to_start_openly(tmp_path: Path, name: str) -> None:
    command = [sys.executable, "-c", "from entrypoints.wsgi import app; print(app.name)"]
    environment = {"ROSTER_DATABASE_URL": "memory://"}
    refused = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    line = (
        "Error: ROSTER_ALLOW_OPEN: must be 1 to serve without access control: anyone who can reach "
        "the service can read and change all users. Or set ROSTER_JWT_SECRET, ROSTER_JWT_JWKS or "
        "ROSTER_ACCOUNTS=on\n"
    )
    assert (refused.returncode, refused.stderr) == (2, line)
    environment[name] = "1" if name == "ROSTER_ALLOW_OPEN" else "hush" * 8
    served = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert served.stdout == "roster\n", served.stderr


def test_another_server_with_accounts_needs_a_place_for_emails_and_sends_them(
    tmp_path: Path,
) -> None:
    lines = """
        from pathlib import Path
        from time import monotonic
        from entrypoints.wsgi import app
        document = {"data": {"type": "signups", "attributes": {"email": "a@x.test", "name": "A"}}}
        headers = {"Content-Type": "application/vnd.api+json"}
        client = app.test_client()
        status = client.post("/api/v1/signups", json=document, headers=headers).status_code
        end = monotonic() + 20
        while not list(Path("emails").glob("*.eml")) and monotonic() < end:
            client.get("/healthz")
        print(status, len(list(Path("emails").glob("*.eml"))))
    """
    command = [sys.executable, "-c", dedent(lines)]
    environment = {
        "ROSTER_DATABASE_URL": "memory://",
        "ROSTER_ACCOUNTS": "on",
        "ROSTER_SIGNUP": "on",
    }
    refused = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    line = (
        "Error: ROSTER_MAIL_FOLDER: must be set to serve without ROSTER_SMTP_URL: emails are "
        "otherwise written to the folder roster-mail\n"
    )
    assert (refused.returncode, refused.stderr) == (2, line)
    environment["ROSTER_MAIL_FOLDER"] = "emails"
    served = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert served.stdout.splitlines()[-1] == "202 1", served.stderr


def test_another_server_names_a_folder_of_metrics_that_does_not_exist(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import entrypoints.wsgi"]
    environment = {
        "ROSTER_DATABASE_URL": "memory://",
        "ROSTER_JWT_SECRET": "hush" * 8,
        "PROMETHEUS_MULTIPROC_DIR": "missing",
    }
    refused = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    line = "Error: system_error: No such file or directory: missing/0.lock\n"
    assert (refused.returncode, refused.stderr) == (1, line)


def test_another_server_does_not_start_openly_with_all_origins(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", "import entrypoints.wsgi"]
    environment = {
        "ROSTER_DATABASE_URL": "memory://",
        "ROSTER_ALLOW_OPEN": "1",
        "ROSTER_CORS_ORIGINS": "*",
    }
    refused = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert (refused.returncode, refused.stderr) == (2, f"Error: {ALL_ORIGINS}\n")
