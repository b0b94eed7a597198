"""A database that stops responding."""

import subprocess
from time import monotonic
from typing import Any

import pytest
from process.server import Serve
from roster_process import ROSTER, USERS
from waiting import until


@pytest.fixture(params=["postgresql_18", "mariadb"])
def database(request: pytest.FixtureRequest) -> Any:
    """A database server."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def migrated(database: Any) -> str:
    """A migrated database on the server."""
    url: str = database.new_database()
    environment = {"ROSTER_DATABASE_URL": url}
    subprocess.run([ROSTER, "db", "upgrade"], env=environment, check=True, capture_output=True)
    return url


def test_a_frozen_database_is_503_in_time_and_recovers_without_a_traceback(
    serve: Serve, migrated: str, database: Any
) -> None:
    server = serve("--workers", "1", ROSTER_DATABASE_URL=migrated, ROSTER_REQUEST_SECONDS="1")
    assert server.post(server.user()).status_code == 201
    with database.frozen():
        for request in (
            lambda: server.get(USERS),
            lambda: server.get(f"{USERS}/1"),
            lambda: server.post(server.user("bob@example.org")),
            lambda: server.get("/readyz"),
        ):
            began = monotonic()
            response = request()
            assert monotonic() - began < 2.5
            assert response.status_code == 503
            assert 1 <= int(response.headers["Retry-After"]) <= 60
        assert server.get("/healthz").status_code == 200
    until(server.is_ready)
    assert server.get(f"{USERS}/1").status_code == 200
    assert "Traceback" not in server.log()
