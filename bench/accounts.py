"""python -m bench.accounts: measures logins, tokens and recoveries, and compares imports."""

import csv
import http.client
import json
import os
import resource
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median, quantiles
from threading import Barrier, Event, Thread
from typing import Any

import click
import jwt
import psutil
from argon2.low_level import Type, hash_secret
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from jwt.algorithms import ECAlgorithm

from bench.database import Database, database
from bench.measuring import timed
from bench.servers import JSONAPI, PROGRAM, ROOT

PASSWORD = "correct horse battery staple"
WRONG = "not the password of anybody here"
ISSUER = "https://issuer.example"
USERS = 200
MEMORY, PASSES = 19_456, 2
MEBIBYTE = 1024 * 1024
START_SECONDS = 30
_HEADERS = {"Content-Type": JSONAPI, "Accept": JSONAPI}


@dataclass(frozen=True)
class Service:
    """A server that is ready, with one worker."""

    port: int
    worker: psutil.Process
    hashes: int
    own_token: str
    other_token: str


@dataclass(frozen=True)
class Line:
    """A line of the table: what was measured, the limit, and whether it holds."""

    subject: str
    measured: str
    limit: str
    holds: bool


@click.command()
@click.option("--store", type=click.Choice(["sqlite", "postgresql"]), default="postgresql")
@click.option("--logins", default=200, show_default=True, help="Clients that log in concurrently.")
@click.option("--samples", default=200, show_default=True, help="Requests of each kind.")
@click.option("--rounds", default=5, show_default=True)
@click.option("--lines", default=100_000, show_default=True, help="Users of an import.")
@click.option(
    "--baseline", type=click.Path(path_type=Path), help="A checkout whose import is compared."
)
def main(
    store: str, logins: int, samples: int, rounds: int, lines: int, baseline: Path | None
) -> None:
    """Measure accounts, and print a table with the limits of the specification."""
    table: list[Line] = []
    with _database(store) as url, _service(url) as service:
        table.append(_compare_tokens(service, rounds))
        table += _log_in_together(service, logins, rounds)
        table.append(_queue(service, rounds))
        table += _compare_times(service, samples)
    if baseline is not None:
        table.append(_compare_imports(baseline, lines, rounds))
    click.echo(f"{store}, {service.hashes} hash at a time, load {os.getloadavg()[0]:.1f}\n")
    click.echo("| | measured | limit |\n| --- | ---: | ---: |")
    for line in table:
        failed = "" if line.holds else " (exceeded)"
        click.echo(f"| {line.subject} | {line.measured}{failed} | {line.limit} |")


@contextmanager
def _database(store: str) -> Iterator[str]:
    """The URL of an empty database that has the tables."""
    if store == "sqlite":
        with tempfile.TemporaryDirectory(prefix="roster-accounts-") as directory:
            yield f"sqlite:///{directory}/roster.db"
        return
    filled: Database
    with database(1) as filled:
        yield filled.url


@contextmanager
def _service(url: str) -> Iterator[Service]:
    """Starts the service with users who have the same password."""
    with tempfile.TemporaryDirectory(prefix="roster-accounts-") as name:
        directory = Path(name)
        key = generate_private_key(SECP256R1())
        jwk = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
        (directory / "keys.json").write_text(json.dumps({"keys": [{**jwk, "kid": "other"}]}))
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "ROSTER_DATABASE_URL": url,
            "ROSTER_ACCOUNTS": "on",
            "ROSTER_ACCOUNT_RATE": "1000000/minute",
            "ROSTER_LOGIN_FAILURES": "1000/1s",
            "ROSTER_MAIL_FOLDER": str(directory / "mail"),
            "ROSTER_SIGNING_KEYS": str(directory / "own.json"),
            "ROSTER_ARGON2": f"m={MEMORY},t={PASSES},p=1",
            "ROSTER_JWT_JWKS": str(directory / "keys.json"),
            "ROSTER_JWT_ISSUER": ISSUER,
            "ROSTER_JWT_AUDIENCE": "roster",
        }
        roster = str(PROGRAM)
        _write_users(directory / "users.csv")
        _run([roster, "keys", "new", str(directory / "own.json")], environment)
        _run([roster, "db", "upgrade"], environment)
        _run([roster, "users", "import", str(directory / "users.csv")], environment)
        with closing(socket.create_server(("127.0.0.1", 0))) as probe:
            port = int(probe.getsockname()[1])
        command = [roster, "serve", "--port", str(port), "--workers", "1"]
        with (directory / "log").open("wb") as log:
            server = psutil.Popen(command, env=environment, stdout=log, stderr=log, cwd=name)
        try:
            _wait_until_ready(port)
            (worker,) = server.children()
            own = Client(port).log_in(_address(0))["access_token"]
            hashes = max(1, (os.cpu_count() or 1) // 2)
            yield Service(port, worker, hashes, own, _token_of_other_issuer(key))
        finally:
            server.terminate()
            server.wait(30)


def _write_users(path: Path) -> None:
    """Writes a file of users, who have the same password."""
    password_hash = _hash().decode()
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["email", "name", "is_active", "role", "password_hash"])
        for number in range(USERS):
            writer.writerow([_address(number), f"User {number}", "true", "admin", password_hash])


def _token_of_other_issuer(key: EllipticCurvePrivateKey) -> str:
    scope, expiry = "users:read", int(time.time()) + 3600
    claims = {"iss": ISSUER, "aud": "roster", "sub": "bench", "scope": scope, "exp": expiry}
    return jwt.encode(claims, key, "ES256", headers={"kid": "other"})


def _run(command: Sequence[str], environment: dict[str, str]) -> None:
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


def _wait_until_ready(port: int) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        with suppress(OSError):
            if Client(port).send("GET", "/readyz") == 200:
                return
        time.sleep(0.05)
    raise TimeoutError("the service does not become ready")


def _address(number: int) -> str:
    return f"user{number}@example.org"


def _hash() -> bytes:
    return hash_secret(
        PASSWORD.encode(),
        os.urandom(16),
        time_cost=PASSES,
        memory_cost=MEMORY,
        parallelism=1,
        hash_len=32,
        type=Type.ID,
    )


def _hash_seconds(times: int = 20) -> float:
    return median(timed(_hash) for _ in range(times))


class Client:
    """A client with one connection."""

    def __init__(self, port: int, token: str | None = None) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._connection.connect()
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._headers = dict(_HEADERS)
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def send(self, method: str, path: str, document: Any = None) -> int:
        """Returns the status. Keeps the body in `text`."""
        body = None if document is None else json.dumps(document)
        self._connection.request(method, path, body, self._headers)
        response = self._connection.getresponse()
        self.text = response.read()
        return response.status

    def post(self, kind: str, **attributes: str) -> int:
        """Creates a resource of a type."""
        data = {"type": kind, "attributes": attributes}
        return self.send("POST", f"/api/v1/{kind}", {"data": data})

    def log_in(self, email: str) -> Any:
        """Returns the tokens."""
        assert self.post("sessions", email=email, password=PASSWORD) == 201, self.text
        return json.loads(self.text)["data"]["meta"]


def _compare_tokens(service: Service, rounds: int, requests: int = 250) -> Line:
    """Compares the processor time of the worker for a request. The tokens take turns."""
    clients = [Client(service.port, each) for each in (service.own_token, service.other_token)]
    costs, turns = [0.0, 0.0], 16 * rounds
    for turn in range(-2, turns):
        for number in (0, 1) if turn % 2 else (1, 0):
            start = sum(service.worker.cpu_times()[:2])
            for _ in range(requests):
                assert clients[number].send("GET", "/api/v1/users/1") == 200
            if turn >= 0:
                costs[number] += sum(service.worker.cpu_times()[:2]) - start
    own, other = (cost / turns / requests for cost in costs)
    return Line(
        "request with a token of Roster, compared with one of another issuer",
        f"{own * 1e6:.0f} : {other * 1e6:.0f} µs = {own / other:.2f}",
        "1.05",
        own <= 1.05 * other,
    )


def _log_in_together(service: Service, clients: int, rounds: int) -> list[Line]:
    """Lets clients log in at the same time, and measures requests of /me meanwhile."""
    context = get_context("spawn")
    idle, busy, statuses = [], [], Counter[int]()
    before = service.worker.memory_info().rss
    peak = Peak(service.worker)
    with context.Pool(1) as load, peak:
        for _ in range(rounds):
            idle += _times_of_me(service, seconds=2)
            pending = load.apply_async(log_in_at_once, (service.port, clients))
            busy += _times_of_me(service, until=pending.ready)
            statuses += pending.get()
    growth = (peak.bytes - before) / MEBIBYTE
    allowed = service.hashes * MEMORY / 1024 + 32
    factor = _p95(busy) / _p95(idle)
    return [
        Line(
            f"{clients} concurrent logins: memory of the worker",
            f"+{growth:.0f} MiB",
            f"+{allowed:.0f} MiB",
            growth <= allowed,
        ),
        Line(
            "95th percentile of `GET /me` meanwhile, compared with that without logins",
            f"{_p95(busy) * 1e3:.1f} : {_p95(idle) * 1e3:.1f} ms = {factor:.1f}",
            "3",
            factor <= 3,
        ),
        Line(
            "statuses of these logins",
            ", ".join(f"{number} × {status}" for status, number in sorted(statuses.items())),
            "201 and 503",
            statuses.keys() <= {201, 503},
        ),
    ]


class Peak:
    """Samples the resident memory of a process in the background."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._stopped = Event()
        self._thread = Thread(target=self._sample)
        self.bytes = 0

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stopped.wait(0.02):
            self.bytes = max(self.bytes, self._process.memory_info().rss)


def log_in_at_once(port: int, clients: int) -> Counter[int]:
    """Runs in another process. Each client logs in once. Returns the statuses."""
    start = Barrier(clients)

    def one(number: int) -> int:
        client = Client(port)
        start.wait()
        return client.post("sessions", email=_address(number % USERS), password=PASSWORD)

    with ThreadPoolExecutor(clients) as threads:
        return Counter(threads.map(one, range(clients)))


def _times_of_me(
    service: Service, *, seconds: float | None = None, until: Callable[[], bool] = lambda: False
) -> list[float]:
    """The durations of requests, 100 a second at most."""
    client, times = Client(service.port, service.own_token), []
    end = None if seconds is None else time.monotonic() + seconds
    while not until() and (end is None or time.monotonic() < end):
        times.append(timed(lambda: client.send("GET", "/api/v1/me")))
        time.sleep(0.01)
    return times


def _p95(times: Sequence[float]) -> float:
    return quantiles(times, n=20)[-1]


def _queue(service: Service, rounds: int, clients: int = 16) -> Line:
    """Measures how long `clients` that log in at the same time wait, in each round."""
    hash_seconds = [_hash_seconds()]
    statuses, times = Counter[int](), []
    with get_context("spawn").Pool(1) as load:
        for _ in range(rounds):
            for status, seconds in load.apply(time_logins, (service.port, clients)):
                statuses[status] += 1
                times.append(seconds)
            hash_seconds.append(_hash_seconds())
    one = median(hash_seconds)
    limit = (clients / service.hashes + 4) * one
    return Line(
        f"95th percentile of logins of {clients} clients, in hashes of {one * 1e3:.0f} ms",
        f"{_p95(times) / one:.1f}, {statuses[201]} of {len(times)} × 201",
        f"{clients / service.hashes + 4:.0f}, only 201",
        _p95(times) <= limit and statuses.keys() == {201},
    )


def time_logins(port: int, clients: int) -> list[tuple[int, float]]:
    """Runs in another process. Returns the status and the duration of each login."""
    start = Barrier(clients)

    def one(number: int) -> tuple[int, float]:
        client = Client(port)
        start.wait()
        begin = time.perf_counter()
        status = client.post("sessions", email=_address(number), password=PASSWORD)
        return status, time.perf_counter() - begin

    with ThreadPoolExecutor(clients) as threads:
        return list(threads.map(one, range(clients)))


def _compare_times(service: Service, samples: int) -> list[Line]:
    """Compares requests with known and with unknown addresses, one after the other."""
    client = Client(service.port)

    def log_in(email: str) -> None:
        assert client.post("sessions", email=email, password=WRONG) == 401, client.text

    def recover(email: str) -> None:
        assert client.post("recoveries", email=email) == 202, client.text

    lines = []
    for subject, work in (("wrong password, login", log_in), ("recovery", recover)):
        known: list[float] = []
        unknown: list[float] = []
        for number in range(samples + 10):
            pair = [(known, _address(number % USERS)), (unknown, f"unknown{number}@example.org")]
            for times, email in pair if number % 2 else reversed(pair):
                times.append(timed(partial(work, email)))
        ratio = median(known[10:]) / median(unknown[10:])
        lines.append(
            Line(
                f"{subject}: a known address compared with an unknown one",
                f"{median(known[10:]) * 1e3:.2f} : {median(unknown[10:]) * 1e3:.2f} ms"
                f" = {ratio:.2f}",
                "0.90 to 1.10",
                0.9 <= ratio <= 1.1,
            )
        )
    return lines


def _compare_imports(baseline: Path, lines: int, rounds: int) -> Line:
    """Compares the processor time of imports into SQLite with that of another checkout."""
    with tempfile.TemporaryDirectory(prefix="roster-accounts-") as name:
        file = Path(name, "users.csv")
        with file.open("w", newline="") as text:
            writer = csv.writer(text)
            writer.writerow(["email", "name", "is_active", "role"])
            writer.writerows(
                [f"person{number}@example.org", f"Person {number}", "true", "user"]
                for number in range(lines)
            )
        costs: dict[Path, list[float]] = {ROOT: [], baseline: []}
        for turn in range(rounds):
            for root in costs:
                costs[root].append(_import(root, file, Path(name, f"{turn}{root == ROOT}.db")))
    ours, theirs = (median(each) for each in costs.values())
    return Line(
        f"`roster users import` of {lines:,} users, compared with the release without accounts",
        f"{ours:.2f} : {theirs:.2f} s = {ours / theirs:.2f}",
        "1.05",
        ours <= 1.05 * theirs,
    )


def _import(root: Path, file: Path, target: Path) -> float:
    """Returns the seconds of processor time."""
    environment = {"PATH": os.environ["PATH"], "ROSTER_DATABASE_URL": f"sqlite:///{target}"}
    roster = str(root / ".venv" / "bin" / "roster") if root != ROOT else str(PROGRAM)
    _run([roster, "db", "upgrade"], environment)
    before = _child_seconds()
    _run([roster, "users", "import", str(file)], environment)
    target.unlink()
    return _child_seconds() - before


def _child_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
