"""A database that stops answering."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

Serve = Callable[..., Any]
Eventually = Callable[..., None]


@pytest.fixture(params=["postgresql_18", "mariadb"])
def database(request: pytest.FixtureRequest) -> Any:
    """A server of databases."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def migrated(database: Any) -> str:
    """A database on it that is fit to serve."""
    url: str = database.new_database()
    roster = Path(sys.executable).with_name("roster")
    environment = {"ROSTER_DATABASE_URL": url}
    subprocess.run([roster, "db", "upgrade"], env=environment, check=True, capture_output=True)
    return url


def test_a_frozen_database_is_503_in_time_and_then_well_again(
    serve: Serve, eventually: Eventually, migrated: str, database: Any
) -> None:
    server = serve("--workers", "1", ROSTER_DATABASE_URL=migrated, ROSTER_REQUEST_SECONDS="1")
    assert server.post(server.user()).status_code == 201
    with database.frozen():
        for ask in (
            lambda: server.get("/api/v1/users"),
            lambda: server.get("/api/v1/users/1"),
            lambda: server.post(server.user("bob@example.org")),
            lambda: server.get("/readyz"),
        ):
            began = monotonic()
            response = ask()
            assert monotonic() - began < 2.5
            assert response.status_code == 503
            assert int(response.headers["Retry-After"]) > 0
        assert server.get("/healthz").status_code == 200
    eventually(server.answers)
    assert server.get("/api/v1/users/1").status_code == 200


def test_a_fault_of_the_database_is_no_fault_in_the_log(
    serve: Serve, migrated: str, database: Any
) -> None:
    server = serve("--workers", "1", ROSTER_DATABASE_URL=migrated, ROSTER_REQUEST_SECONDS="1")
    with database.frozen():
        server.get("/api/v1/users")
    assert "Traceback" not in server.log()
