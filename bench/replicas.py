"""python -m bench.replicas: measures reads per second with 0, 1 and 2 replicas.

Roster and the load use the first core, as far as they can. The primary and the first replica use
the second core, and the second replica the first one. So the databases have one core with up to one
replica, and two cores with two replicas. A machine with more cores could show more.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from time import monotonic, sleep

import click
import psutil
import psycopg2

from bench.database import Database, database
from bench.machine import CORES, cpu_seconds, description
from bench.measuring import measure
from bench.scenarios import Load
from bench.servers import SERVERS, Running, running

START_SECONDS = 30


@dataclass(frozen=True)
class Replica:
    """A running replica: the directory of its socket, and its main process."""

    directory: Path
    process: psutil.Popen


@click.command()
@click.option("--users", default=200_000, show_default=True, help="The number of users.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--seconds", default=5, show_default=True, help="Duration of each measurement.")
def main(users: int, rounds: int, seconds: int) -> None:
    """Print reads per second, and CPU microseconds per read, for each number of replicas.

    The numbers of replicas are measured in turn, round by round. Each number is a median.
    """
    with ExitStack() as stack:
        filled = stack.enter_context(database(users))
        replicas = [stack.enter_context(replica(filled, core)) for core in (CORES[-1:], CORES[:1])]
        served = [
            stack.enter_context(_roster(filled, replicas[:number]))
            for number in range(len(replicas) + 1)
        ]
        machine = description()
        click.echo(f"{machine['processor']}; {users:,} users, {rounds} rounds of {seconds} s\n")
        headings = ("reads", "replicas", "reads/s", "Roster µs", "primary µs", "replicas µs")
        click.echo(f"| {' | '.join(headings)} |\n| --- | ---: | ---: | ---: | ---: | ---: |")
        for name, path in _reads(users).items():
            for number, row in enumerate(
                _measured(served, filled, replicas, path, rounds, seconds)
            ):
                cells = " | ".join(f"{each:,.0f}" for each in row)
                click.echo(f"| {name} | {number} | {cells} |")


def _reads(users: int) -> dict[str, str]:
    deep = min(users, 100_000) // 25
    return {
        "one user": "/777",
        "a page of 25": "?page%5Bsize%5D=25",
        f"numbered page {deep:,}, with its total": f"?page%5Bnumber%5D={deep}",
    }


def _measured(
    served: Sequence[Running],
    filled: Database,
    replicas: Sequence[Replica],
    path: str,
    rounds: int,
    seconds: int,
) -> Iterator[tuple[float, float, float, float]]:
    """Measures the services in turn. Yields the medians for each service."""
    results: list[list[tuple[float, float, float, float]]] = [[] for _ in served]
    for _ in range(rounds):
        for of_service, each in zip(results, served, strict=True):
            before = sum(cpu_seconds(other.process) for other in replicas)
            measured = measure(each, Load(f"{each.server.collection}{path}"), filled, seconds)
            used = sum(cpu_seconds(other.process) for other in replicas) - before
            cost = used / (measured.rate * seconds) * 1e6
            of_service.append((measured.rate, measured.application, measured.database, cost))
    for of_service in results:
        rates = [median(column) for column in zip(*of_service, strict=True)]
        yield rates[0], rates[1], rates[2], rates[3]


def _roster(filled: Database, replicas: Sequence[Replica]) -> AbstractContextManager[Running]:
    server = SERVERS["roster"]
    if replicas:
        hosts = "&".join(f"host={each.directory}" for each in replicas)
        url = f"postgresql://postgres@/postgres?{hosts}"
        server = replace(
            server, environment={**server.environment, "ROSTER_READ_DATABASE_URL": url}
        )
    return running(server, filled)


@contextmanager
def replica(filled: Database, cores: list[int]) -> Iterator[Replica]:
    """Starts a replica of the database on these cores, and removes it at the end."""
    directory = Path(tempfile.mkdtemp(prefix="roster-bench-replica-"))
    user = filled.postmaster.username()
    shutil.chown(directory, user)
    binaries = Path(filled.postmaster.exe()).parent
    source = psycopg2.extensions.parse_dsn(filled.url)["host"]
    data = directory / "data"
    copy = ["-h", source, "-U", "postgres", "--checkpoint=fast", "--write-recovery-conf"]
    command = [binaries / "pg_basebackup", "-D", data, *copy]
    subprocess.run(command, user=user, cwd="/", check=True, capture_output=True)
    with (directory / "log").open("wb") as log:
        process = psutil.Popen(
            [binaries / "postgres", "-D", data, "-k", directory, "-clisten_addresses="],
            user=user,
            cwd="/",
            stdout=log,
            stderr=log,
        )
    process.cpu_affinity(cores)
    try:
        _wait_until_up(directory)
        yield Replica(directory, process)
    finally:
        process.terminate()
        process.wait(START_SECONDS)
        shutil.rmtree(directory)


def _wait_until_up(directory: Path) -> None:
    end = monotonic() + START_SECONDS
    while True:
        with suppress(psycopg2.OperationalError):
            psycopg2.connect(host=str(directory), user="postgres", dbname="postgres").close()
            return
        if monotonic() > end:
            raise RuntimeError((directory / "log").read_text())
        sleep(0.05)


if __name__ == "__main__":
    main()
