"""Puts load on the servers in turn, and measures rates and CPU times."""

import re
import subprocess
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from bench.database import Database
from bench.machine import cpu_seconds, on_other_cores
from bench.scenarios import SCENARIOS, WRITING, Load, WrongResponse
from bench.servers import Running

CONNECTIONS = 8
_DONE = re.compile(r"(\d+) requests in ")
_RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
_FAILED = re.compile(r"Non-2xx or 3xx responses: \d+|Socket errors: .*")


@dataclass(frozen=True)
class Measured:
    """Requests per second, and CPU microseconds per request of the application and database."""

    rate: float
    application: float
    database: float


@dataclass(frozen=True)
class Rounds:
    """The number of rounds, and the seconds of load on each server in a round."""

    count: int
    seconds: int
    warm_up: bool = True


def compare(
    scenario: str, servers: Collection[tuple[Running, Database]], rounds: Rounds
) -> dict[str, list[Measured]]:
    """Measures the servers in turn (A B C A B C …), so that conditions are the same for all.

    Each server is listed with its database.
    """
    results: dict[str, list[Measured]] = {each.server.name: [] for each, _ in servers}
    for turn in range(0 if rounds.warm_up else 1, rounds.count + 1):
        for each, database in servers:
            load = SCENARIOS[scenario](each)
            measured = measure(each, load, database, rounds.seconds if turn else 1)
            if turn:
                results[each.server.name].append(measured)
            if scenario in WRITING:
                database.restore()
    return results


def measure(running: Running, load: Load, database: Database, seconds: int) -> Measured:
    """Puts load on a server. Raises WrongResponse if a response has an error status."""
    before = cpu_seconds(running.process), cpu_seconds(database.postmaster)
    output = _wrk(running, load, seconds)
    after = cpu_seconds(running.process), cpu_seconds(database.postmaster)
    done, rate = _DONE.search(output), _RATE.search(output)
    failed = _FAILED.search(output)
    if failed or not done or not rate:
        raise WrongResponse(f"{running.server.name}, {load.path}: {output}")
    requests = int(done[1]) or 1
    costs = ((end - start) / requests * 1e6 for start, end in zip(before, after, strict=True))
    return Measured(float(rate[1]), *costs)


def _wrk(running: Running, load: Load, seconds: int) -> str:
    url = str(running.client.base_url.join(load.path))
    command = ["wrk", f"-t{load.threads}", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "30s"]
    command += _headers(running.headers)
    if load.script:
        command += ["-s", str(load.script), url, "--", *load.arguments]
    else:
        command.append(url)
    with on_other_cores():
        return subprocess.check_output(command, text=True, timeout=seconds + 30)


def _headers(headers: Mapping[str, str]) -> list[str]:
    return [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]


def timed(work: Callable[[], object]) -> float:
    """Returns the seconds that the work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
