"""Irreversible changes require a confirmation."""

import os
import pty
import subprocess
import sys

import pytest

SCRIPT = """
import click
from entrypoints.cli.confirmation import confirm, yes_option

@click.command()
@yes_option
def destroy(yes):
    confirm("This deletes 3 users.", yes=yes)
    click.echo("deleted")

destroy()
"""


def run(*arguments: str, stdin: int = subprocess.DEVNULL) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT, *arguments]
    return subprocess.run(command, stdin=stdin, capture_output=True, text=True, timeout=30)


def run_on_terminal(text: str) -> subprocess.CompletedProcess[str]:
    """Runs the command on a terminal, with typed text."""
    terminal, program_side = pty.openpty()
    try:
        os.write(terminal, text.encode())
        return run(stdin=program_side)
    finally:
        os.close(program_side)
        os.close(terminal)


def test_without_a_terminal_the_option_yes_is_required() -> None:
    refused = run()
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "This deletes 3 users." in refused.stderr
    assert "--yes" in refused.stderr


def test_yes_confirms_and_the_loss_is_still_printed() -> None:
    done = run("--yes")
    assert (done.returncode, done.stdout) == (0, "deleted\n")
    assert done.stderr == "This deletes 3 users.\n"


@pytest.mark.parametrize(
    ("text", "status", "output"), [("y\n", 0, "deleted\n"), ("n\n", 1, ""), ("\n", 1, "")]
)
def test_on_a_terminal_the_user_decides(text: str, status: int, output: str) -> None:
    done = run_on_terminal(text)
    assert (done.returncode, done.stdout) == (status, output)
    assert done.stderr.startswith("This deletes 3 users.\n")
