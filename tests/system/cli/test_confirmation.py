"""Changes that can't be undone happen only if somebody confirms them."""

import os
import pty
import subprocess
import sys
from collections.abc import Callable

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
Run = Callable[..., subprocess.CompletedProcess[str]]


def run(*arguments: str, stdin: int = subprocess.DEVNULL) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT, *arguments]
    return subprocess.run(command, stdin=stdin, capture_output=True, text=True, timeout=30)


def answer(text: str) -> subprocess.CompletedProcess[str]:
    """Run it on a terminal on which somebody types the text."""
    terminal, program_side = pty.openpty()
    try:
        os.write(terminal, text.encode())
        return run(stdin=program_side)
    finally:
        os.close(program_side)
        os.close(terminal)


def test_without_a_terminal_nothing_happens_unless_yes_is_given() -> None:
    refused = run()
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "This deletes 3 users." in refused.stderr
    assert "--yes" in refused.stderr


def test_yes_confirms_and_what_is_lost_is_said_all_the_same() -> None:
    done = run("--yes")
    assert (done.returncode, done.stdout) == (0, "deleted\n")
    assert done.stderr == "This deletes 3 users.\n"


@pytest.mark.parametrize(
    ("text", "status", "output"), [("y\n", 0, "deleted\n"), ("n\n", 1, ""), ("\n", 1, "")]
)
def test_on_a_terminal_the_answer_decides(text: str, status: int, output: str) -> None:
    done = answer(text)
    assert (done.returncode, done.stdout) == (status, output)
    assert done.stderr.startswith("This deletes 3 users.\n")
