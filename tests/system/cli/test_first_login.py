"""The first login as the README shows it, with a password that is typed on a terminal."""

import json
import os
import pty
import re
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from project.docs.sessions import ADDRESS, ROOT, section
from roster_process import ROSTER

PASSWORD = "correct horse battery staple"
PROMPT, REPEAT = "Password: ", "Repeat for confirmation: "
Terminal = Callable[..., tuple[int, str]]


@pytest.fixture
def terminal(sqlite_url: str) -> Terminal:
    """Runs the installed command on a terminal of its own. Types a text when its prompt appears.

    Returns the exit status, and everything that the terminal showed.
    """

    def run(arguments: list[str], *typed: tuple[str, str]) -> tuple[int, str]:
        pid, descriptor = pty.fork()
        if pid == 0:
            os.environ["ROSTER_DATABASE_URL"] = sqlite_url
            os.execv(ROSTER, ["roster", *arguments])
        shown, start = "", 0
        for prompt, text in typed:
            while (found := shown.find(prompt, start)) < 0:
                shown += os.read(descriptor, 1024).decode()
            start = found + len(prompt)
            os.write(descriptor, text.encode())
        with suppress(OSError):  # the terminal is closed when the command ends
            while more := os.read(descriptor, 1024):
                shown += more.decode()
        os.close(descriptor)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown

    return run


def test_the_steps_of_the_readme_lead_to_a_session(
    serve: Callable[..., str], sqlite_url: str, tmp_path: Path, terminal: Terminal
) -> None:
    text = section(ROOT / "README.md", "Accounts")
    start, admin, login, request = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    assert start == "ROSTER_ACCOUNTS=on make run\n"
    program, *arguments = admin.split()
    assert program == ".venv/bin/roster"
    base_url = serve(sqlite_url, ROSTER_ACCOUNTS="on", ROSTER_MAIL_FOLDER=f"{tmp_path}/mail")
    status, shown = terminal(arguments, (PROMPT, f"{PASSWORD}\n"), (REPEAT, f"{PASSWORD}\n"))
    assert status == 0, shown
    command = login.replace(ADDRESS, base_url).replace("PASSWORD", PASSWORD)
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    token = json.loads(done.stdout)["data"]["meta"]["access_token"]
    command = request.replace(ADDRESS, base_url).replace("ACCESS_TOKEN", token)
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    (user,) = json.loads(done.stdout)["data"]
    assert user["attributes"]["role"] == "admin"


def test_a_terminal_shows_no_password(terminal: Terminal, roster_upgraded: None) -> None:
    arguments = ["accounts", "admin", "ann@example.org"]
    status, shown = terminal(arguments, (PROMPT, f"{PASSWORD}\n"), (REPEAT, f"{PASSWORD}\n"))
    assert (status, shown.splitlines()[-1]) == (0, "Created administrator 1, ann@example.org.")
    assert "horse" not in shown


def test_two_different_passwords_are_typed_again(terminal: Terminal, roster_upgraded: None) -> None:
    status, shown = terminal(
        ["accounts", "admin", "ann@example.org"],
        (PROMPT, f"{PASSWORD}\n"),
        (REPEAT, "another horse\n"),
        (PROMPT, f"{PASSWORD}\n"),
        (REPEAT, f"{PASSWORD}\n"),
    )
    assert status == 0
    assert "Error: The two entered values do not match." in shown
    assert "horse" not in shown


def test_an_interrupt_changes_nothing(
    terminal: Terminal, roster_upgraded: None, roster_program: Path, sqlite_url: str
) -> None:
    status, shown = terminal(["accounts", "admin", "ann@example.org"], (PROMPT, "\x03"))
    assert (status, shown.splitlines()[-1]) == (1, "Aborted!")
    environment = os.environ | {"ROSTER_DATABASE_URL": sqlite_url}
    count = [str(roster_program), "users", "count"]
    done = subprocess.run(count, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"


@pytest.fixture
def roster_upgraded(roster_program: Path, sqlite_url: str) -> None:
    """Creates the database."""
    environment = os.environ | {"ROSTER_DATABASE_URL": sqlite_url}
    upgrade = [str(roster_program), "db", "upgrade"]
    subprocess.run(upgrade, env=environment, check=True, capture_output=True)
