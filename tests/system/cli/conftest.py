"""The command line over an empty directory."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from entrypoints.cli.main import main

ROSTER = Path(sys.executable).with_name("roster")

Roster = Callable[..., Result]
Write = Callable[[str, str | bytes], str]


@pytest.fixture
def roster(sqlite_url: str) -> Roster:
    """Runs a command as a user does; its result has stdout, stderr and the exit status."""
    environment = {"ROSTER_DATABASE_URL": sqlite_url, "NO_COLOR": "1"}

    def run(*arguments: str, **more: str) -> Result:
        return CliRunner().invoke(
            main, arguments, env=environment | more, prog_name="roster", catch_exceptions=False
        )

    assert run("db", "upgrade").exit_code == 0
    return run


@pytest.fixture
def on_terminal(sqlite_url: str) -> Callable[..., str]:
    """Runs a command whose standard error, and output unless it is piped, is a terminal.

    `typed` is typed on the terminal. `width` is the number of its columns.
    """

    def run(*arguments: str, piped: bool = False, typed: str = "", width: int = 80) -> str:
        ours, its = pty.openpty()
        environment = os.environ | {"ROSTER_DATABASE_URL": sqlite_url, "TERM": "xterm"}
        environment["COLUMNS"] = str(width)
        os.write(ours, typed.encode())
        with subprocess.Popen(
            [ROSTER, *arguments],
            env=environment,
            stdin=its,
            stdout=subprocess.DEVNULL if piped else its,
            stderr=its,
        ):
            os.close(its)
            said = b""
            with suppress(OSError):  # that is how a terminal ends
                while part := os.read(ours, 65536):
                    said += part
        os.close(ours)
        return said.decode()

    return run


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file and gives its name."""

    def written(name: str, text: str | bytes) -> str:
        data = text if isinstance(text, bytes) else text.encode()
        tmp_path.joinpath(name).write_bytes(data)
        return str(tmp_path / name)

    return written


@pytest.fixture
def directory(roster: Roster) -> Callable[[], list[tuple[Any, ...]]]:
    """What people set of the users in the directory, in the order of their ids."""

    def users() -> list[tuple[Any, ...]]:
        exported = roster("users", "export", "--format", "jsonl")
        assert exported.exit_code == 0, exported.stderr
        users = map(json.loads, exported.stdout.split("\n")[:-1])
        return [(u["email"], u["name"], u["is_active"], u["role"]) for u in users]

    return users


@pytest.fixture
def bad_lines() -> Callable[[Result], list[tuple[int, str]]]:
    """The number of each bad line that was told, with the attribute, if any, and the code."""

    def told(result: Result) -> list[tuple[int, str]]:
        lines = [line for line in result.stderr.splitlines() if line.startswith("line ")]
        parts = [line.removeprefix("line ").split(": ") for line in lines]
        return [(int(number), ": ".join(said[:-1])) for number, *said in parts]

    return told
