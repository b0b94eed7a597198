"""roster keys, and roster token without a secret."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jwt
import pytest
from click.testing import CliRunner, Result
from disks import fill

from adapters.tokens.key_files import create_private_file
from adapters.tokens.signing_keys import SigningKey, write_signing_keys
from entrypoints.cli.main import main
from entrypoints.settings import BadSetting, Settings
from entrypoints.signing_keys import open_signing_keys, own_audience, own_issuer

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in an empty directory, with only these settings."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("ROSTER_"):
            monkeypatch.delenv(name)
    return lambda *arguments, **settings: CliRunner().invoke(main, arguments, env=settings)


def algorithms(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return [line.split()[1] for line in result.stdout.splitlines()]


INTERRUPTED = """
import os, signal, sys
from entrypoints.cli.main import main

number = int(sys.argv.pop(1))
signal.signal(number, signal.SIG_DFL)  # a test run that ignores it passes that on
os.fsync = lambda _: os.kill(os.getpid(), number)
main()
"""
"""Receives a signal after it has written keys to a temporary file."""


@pytest.mark.parametrize("command", ["new", "rotate"])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_command_leaves_no_private_keys(
    run: Run, tmp_path: Path, how: signal.Signals, command: str
) -> None:
    if command == "rotate":
        run("keys", "new", "keys.json")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    arguments = [str(int(how)), "keys", command, "keys.json"]
    ended = subprocess.run([sys.executable, "-c", INTERRUPTED, *arguments], check=False)
    assert ended.returncode == 128 + how
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_keys_are_created_rotated_and_pruned(run: Run, tmp_path: Path) -> None:
    assert algorithms(run("keys", "new", "k.json")) == ["ES256"]
    assert (tmp_path / "k.json").stat().st_mode & 0o777 == 0o600
    assert algorithms(run("keys", "rotate", "k.json", "--algorithm", "EdDSA")) == ["EdDSA", "ES256"]
    assert algorithms(run("keys", "rotate", "k.json")) == ["ES256", "EdDSA", "ES256"]
    assert algorithms(run("keys", "prune", "k.json", "--keep", "2")) == ["ES256", "EdDSA"]
    assert algorithms(run("keys", "prune", ROSTER_SIGNING_KEYS="k.json")) == ["ES256"]
    assert algorithms(run("keys", "list", "k.json")) == ["ES256"]


def test_private_keys_are_never_printed(run: Run, tmp_path: Path) -> None:
    outputs = [run("keys", each, "k.json").output for each in ("new", "rotate", "list", "prune")]
    keys = json.loads((tmp_path / "k.json").read_text())["keys"]
    assert not any(key["d"] in output for key in keys for output in outputs)


@pytest.mark.parametrize("command", ["list", "rotate", "prune"])
def test_a_file_that_cannot_be_used_is_one_error_line(
    run: Run, tmp_path: Path, command: str
) -> None:
    for content in (None, "{}"):
        if content:
            (tmp_path / "k.json").write_text(content)
            (tmp_path / "k.json").chmod(0o600)
        result = run("keys", command, "k.json")
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("Error: ")
        assert "k.json" in result.stderr
        assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["rotate", "prune"])
def test_a_full_disk_leaves_the_file_as_it_is(small_disk: Path, run: Run, command: str) -> None:
    file = small_disk / "k.json"
    run("keys", "new", str(file))
    before = file.read_bytes()
    fill(small_disk)
    result = run("keys", command, str(file))
    reason = f"The file {file} cannot be changed: No space left on device."
    assert (result.exit_code, result.stderr) == (1, f"Error: {reason}\n")
    assert file.read_bytes() == before
    assert len(list(small_disk.iterdir())) == 2


def test_the_error_of_a_start_names_the_file_of_the_default(run: Run, tmp_path: Path) -> None:
    (tmp_path / "roster.db.keys.json").write_text('{"keys": []}')
    (tmp_path / "roster.db.keys.json").chmod(0o600)
    result = run("serve", "--port", "0", ROSTER_ACCOUNTS="on")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ROSTER_SIGNING_KEYS: the file ")
    assert result.stderr.endswith("/roster.db.keys.json has no private key\n")


def test_a_rotation_never_leaves_a_file_that_cannot_be_read(run: Run, tmp_path: Path) -> None:
    key = SigningKey.generate()
    keys = [replace(key, jwk={**key.jwk, "kid": f"key-{n}"}) for n in range(100)]
    assert create_private_file(str(tmp_path / "k.json"), write_signing_keys(keys))
    result = run("keys", "rotate", "k.json")
    assert result.exit_code == 1
    assert "roster keys prune" in result.stderr
    assert len(algorithms(run("keys", "list", "k.json"))) == 100
    assert len(algorithms(run("keys", "prune", "k.json", "--keep", "2"))) == 2
    assert len(algorithms(run("keys", "rotate", "k.json"))) == 3


def test_an_existing_file_is_not_replaced(run: Run, tmp_path: Path) -> None:
    run("keys", "new", "k.json")
    before = (tmp_path / "k.json").read_bytes()
    assert run("keys", "new", "k.json").exit_code == 1
    assert (tmp_path / "k.json").read_bytes() == before


def test_a_file_that_cannot_be_created_is_one_error_line(run: Run) -> None:
    result = run("keys", "new", "missing/k.json")
    reason = "Cannot create the file missing/k.json: No such file or directory."
    assert (result.exit_code, result.stderr) == (1, f"Error: {reason}\n")


def test_a_token_is_signed_with_the_first_key_if_there_is_no_secret(
    run: Run, tmp_path: Path
) -> None:
    result = run("token", "--scope", "users:read", ROSTER_ACCOUNTS="on")
    assert result.exit_code == 0, result.output
    (key,) = json.loads((tmp_path / "roster.db.keys.json").read_text())["keys"]
    public = jwt.PyJWK({name: key[name] for name in ("kty", "crv", "x", "y")}, "ES256")
    claims = jwt.decode(result.stdout.strip(), public, ["ES256"], audience="roster")
    assert claims["scope"] == "users:read"
    assert "sid" not in claims


def test_a_file_that_all_users_can_read_is_an_invalid_setting(run: Run, tmp_path: Path) -> None:
    run("keys", "new", "k.json")
    (tmp_path / "k.json").chmod(0o644)
    result = run("token", "--scope", "a:read", ROSTER_ACCOUNTS="on", ROSTER_SIGNING_KEYS="k.json")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ROSTER_SIGNING_KEYS: ")


def test_a_configured_file_is_not_created(tmp_path: Path) -> None:
    missing = str(tmp_path / "keys.json")
    settings = Settings.of({"ROSTER_ACCOUNTS": "on", "ROSTER_SIGNING_KEYS": missing})
    with pytest.raises(BadSetting, match=r"ROSTER_SIGNING_KEYS: .*No such file"):
        open_signing_keys(settings)


def test_memory_has_keys_of_its_own() -> None:
    settings = Settings.of({"ROSTER_ACCOUNTS": "on", "ROSTER_DATABASE_URL": "memory://"})
    first, second = open_signing_keys(settings), open_signing_keys(settings)
    assert first.signing().kid != second.signing().kid


def test_the_issuer_and_the_audience_come_from_the_settings() -> None:
    accounts = {"ROSTER_ACCOUNTS": "on"}
    public = {"ROSTER_PUBLIC_URL": "https://people.example.org"}
    expected = {
        (): ("roster", "roster"),
        ("*",): ("roster", "roster"),
        ("api,other",): ("roster", "api"),
    }
    for audience, values in expected.items():
        more = {"ROSTER_JWT_AUDIENCE": audience[0]} if audience else {}
        settings = Settings.of({**accounts, **more})
        assert (own_issuer(settings), own_audience(settings)) == values
    settings = Settings.of({**accounts, **public})
    assert own_issuer(settings) == own_audience(settings) == public["ROSTER_PUBLIC_URL"]
