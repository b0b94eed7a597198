"""The command line over an empty directory."""

import json
import os
import pty
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from roster_process import ROSTER

from entrypoints.cli.main import main

Roster = Callable[..., Result]
Write = Callable[[str, str | bytes], str]


@pytest.fixture
def roster(sqlite_url: str) -> Roster:
    """Runs a command in this process. Its result has stdout, stderr and the exit status."""
    environment = {"ROSTER_DATABASE_URL": sqlite_url, "NO_COLOR": "1"}

    def run(*arguments: str, **more: str) -> Result:
        return CliRunner().invoke(
            main, arguments, env=environment | more, prog_name="roster", catch_exceptions=False
        )

    assert run("db", "upgrade").exit_code == 0
    return run


@pytest.fixture
def on_terminal(sqlite_url: str) -> Callable[..., str]:
    """Runs a command on a terminal, and returns what the terminal shows.

    With `piped`, only the standard error is a terminal. `typed` is the input of the user.
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
            shown = b""
            with suppress(OSError):  # raised at the end of a terminal
                while part := os.read(ours, 65536):
                    shown += part
        os.close(ours)
        return shown.decode()

    return run


@pytest.fixture
def open_umask() -> Iterator[None]:
    """Without a umask, files are readable by all users unless their creator restricts them."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file, and returns its name."""

    def written(name: str, text: str | bytes) -> str:
        data = text if isinstance(text, bytes) else text.encode()
        tmp_path.joinpath(name).write_bytes(data)
        return str(tmp_path / name)

    return written


@pytest.fixture
def directory(roster: Roster) -> Callable[[], list[tuple[Any, ...]]]:
    """The settable attributes of all users, in the order of their ids."""

    def users() -> list[tuple[Any, ...]]:
        exported = roster("users", "export", "--format", "jsonl")
        assert exported.exit_code == 0, exported.stderr
        users = map(json.loads, exported.stdout.split("\n")[:-1])
        return [(u["email"], u["name"], u["is_active"], u["role"]) for u in users]

    return users


@pytest.fixture
def bad_lines() -> Callable[[Result], list[tuple[int, str]]]:
    """The reported number of each invalid record, with its attribute, if any, and code."""

    def reported(result: Result) -> list[tuple[int, str]]:
        lines = [line for line in result.stderr.splitlines() if line.startswith("line ")]
        parts = [line.removeprefix("line ").split(": ") for line in lines]
        return [(int(number), ": ".join(error[:-1])) for number, *error in parts]

    return reported
