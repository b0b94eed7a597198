"""The commands of the pages about the installation and about tokens work as printed."""

from collections.abc import Callable
from pathlib import Path

import pytest
from project.docs.sessions import ADDRESS, DOCS, normalized, run, section, session

PROGRAM = ".venv/bin/roster"


@pytest.mark.slow
def test_the_commands_of_an_installation_work_as_printed(sqlite_url: str) -> None:
    """This runs the installed program."""
    run(f"{PROGRAM} db upgrade", ROSTER_DATABASE_URL=sqlite_url)
    for command, printed in session((DOCS / "install.md").read_text()):
        output = run(command, ROSTER_DATABASE_URL=sqlite_url)
        assert output == printed or (not printed and "Usage: roster" in output), command


def test_the_session_with_tokens_works_as_printed(
    serve: Callable[[str], str],
    roster_program: Path,
    sqlite_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (secret, _), (start, _), (token, _), *requests = session(
        section(DOCS / "access-control.md", "Tokens")
    )
    monkeypatch.setenv("ROSTER_JWT_SECRET", run(f"{secret}; echo $ROSTER_JWT_SECRET").strip())
    assert start == f"{PROGRAM} serve &"
    base_url = serve(sqlite_url)
    assert len(requests) == 3
    token = token.replace(PROGRAM, str(roster_program))
    for command, printed in requests:
        request = command.replace(ADDRESS, base_url)
        assert normalized(run(f"{token}; {request}")) == normalized(printed), command
