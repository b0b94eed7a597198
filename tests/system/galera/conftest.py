"""A cluster of three nodes that the tests of a module share, and services on its nodes."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from contract.stores.directories import RelatedDirectory
from faults.conftest import hold, report  # noqa: F401 (fixtures)
from faults.service import Service
from findings import FINDINGS
from galera.cluster import Cluster, missing_program, running_cluster
from sqlalchemy import Engine

from adapters.sql import schema
from adapters.sql.engine import make_engine

Print = Callable[[str], None]


@pytest.fixture(scope="session")
def cluster(lacking: Callable[[str], None]) -> Iterator[Cluster]:
    if program := missing_program():
        lacking(program)
    with (
        tempfile.TemporaryDirectory(prefix="roster-galera-") as directory,
        running_cluster(Path(directory)) as cluster,
    ):
        yield cluster


@pytest.fixture
def database(cluster: Cluster) -> str:
    """The name of an empty database. All nodes are in sync."""
    cluster.wait()
    return cluster.new_database()


@pytest.fixture
def engines(cluster: Cluster, database: str) -> Iterator[Sequence[Engine]]:
    """An engine on each node, for a migrated database."""
    engines = [make_engine(node.url(database), pool_size=8) for node in cluster.nodes]
    schema.upgrade(engines[0])
    yield engines
    for engine in engines:
        engine.dispose()


@pytest.fixture
def directories(engines: Sequence[Engine]) -> Sequence[RelatedDirectory]:
    """The same directory of users and groups, through each node."""
    return [RelatedDirectory("mariadb", engine) for engine in engines]


@pytest.fixture
def services(
    cluster: Cluster, database: str, tmp_path: Path
) -> Iterator[Callable[..., Sequence[Service]]]:
    """Starts a service on each node, for the same database."""
    with ExitStack() as stack:

        def start(**settings: Any) -> Sequence[Service]:
            started = []
            for node in cluster.nodes:
                service = Service(tmp_path, node.url(database), workers=1, **settings)
                service.start()
                stack.callback(service.kill)
                started.append(service)
            return started

        yield start


@pytest.fixture
def print_number(request: pytest.FixtureRequest) -> Print:
    """Adds a row to the table at the end of the run."""

    def write(row: str) -> None:
        header = ["| measured on a Galera cluster | result |", "| --- | --- |"]
        request.config.stash[FINDINGS].row("galera", header, row)

    return write
