"""The command line over an empty directory."""

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from entrypoints.cli.main import main

Roster = Callable[..., Result]


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
