"""One measurement: a load on a server for some seconds, and what it cost."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from bench.database import Database
from bench.machine import cpu_seconds, others
from bench.scenarios import Load, WrongAnswer
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


def measure(running: Running, load: Load, database: Database, seconds: float) -> Measured:
    """WrongAnswer where an answer was a refusal."""
    before = cpu_seconds(running.process), cpu_seconds(database.postmaster)
    told = _wrk(running, load, seconds)
    after = cpu_seconds(running.process), cpu_seconds(database.postmaster)
    done, rate = _DONE.search(told), _RATE.search(told)
    failed = _FAILED.search(told)
    if failed or not done or not rate:
        raise WrongAnswer(f"{running.server.name}, {load.path}: {told}")
    ours, its = ((b - a) / int(done[1]) * 1e6 for a, b in zip(before, after, strict=True))
    return Measured(float(rate[1]), ours, its)


def _wrk(running: Running, load: Load, seconds: float) -> str:
    url = str(running.client.base_url.join(load.path))
    command = ["wrk", f"-t{load.threads}", f"-c{CONNECTIONS}", f"-d{_whole(seconds)}"]
    command += _headers(running.headers)
    if load.script:
        command += ["-s", str(load.script), url, "--", *load.arguments]
    else:
        command.append(url)
    with others():
        return subprocess.check_output(command, text=True, timeout=seconds + 30)


def _whole(seconds: float) -> str:
    return f"{max(1, round(seconds))}s"


def _headers(headers: Mapping[str, str]) -> list[str]:
    return [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
