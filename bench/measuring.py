"""Loads on servers for some seconds, in turn, and what they cost."""

import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bench.database import Database
from bench.machine import cpu_seconds, others
from bench.scenarios import SCENARIOS, WRITING, Load, WrongAnswer
from bench.servers import Running

CONNECTIONS = 8
_DONE = re.compile(r"(\d+) requests in ")
_RATE = re.compile(r"Requests/sec:\s+([\d.]+)")
_FAILED = re.compile(r"Non-2xx or 3xx responses: \d+|Socket errors: .*")


@dataclass(frozen=True)
class Measured:
    """Requests a second, and the processors' microseconds that each took."""

    rate: float
    application: float
    database: float


@dataclass(frozen=True)
class Rounds:
    """How often and how long each server is under load."""

    count: int
    seconds: int
    warm_up: bool = True


def compared(
    scenario: str, servers: Iterable[Running], database: Database, rounds: Rounds
) -> dict[str, list[Measured]]:
    """The measurements of each server, A B C A B C …, so that all meet the same weather."""
    found: dict[str, list[Measured]] = {each.server.name: [] for each in servers}
    for turn in range(0 if rounds.warm_up else 1, rounds.count + 1):
        for each in servers:
            load = SCENARIOS[scenario](each)
            measured = measure(each, load, database, rounds.seconds if turn else 1)
            if turn:
                found[each.server.name].append(measured)
            if scenario in WRITING:
                database.restore()
    return found


def measure(running: Running, load: Load, database: Database, seconds: int) -> Measured:
    """WrongAnswer where an answer was a refusal."""
    before = cpu_seconds(running.process), cpu_seconds(database.postmaster)
    told = _wrk(running, load, seconds)
    after = cpu_seconds(running.process), cpu_seconds(database.postmaster)
    done, rate = _DONE.search(told), _RATE.search(told)
    failed = _FAILED.search(told)
    if failed or not done or not rate:
        raise WrongAnswer(f"{running.server.name}, {load.path}: {told}")
    ours, its = ((b - a) / (int(done[1]) or 1) * 1e6 for a, b in zip(before, after, strict=True))
    return Measured(float(rate[1]), ours, its)


def _wrk(running: Running, load: Load, seconds: int) -> str:
    url = str(running.client.base_url.join(load.path))
    command = ["wrk", f"-t{load.threads}", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "30s"]
    command += _headers(running.headers)
    if load.script:
        command += ["-s", str(load.script), url, "--", *load.arguments]
    else:
        command.append(url)
    with others():
        return subprocess.check_output(command, text=True, timeout=seconds + 30)


def _headers(headers: Mapping[str, str]) -> list[str]:
    return [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
