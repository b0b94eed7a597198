"""python -m bench.relationships: measures what relationships cost, as ratios of response times."""

import csv
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
from urllib.parse import quote

import click
import psutil

from bench.directories import (
    ALL,
    EMPTY,
    KINDS,
    NONE,
    PAGE,
    TEN,
    THOUSAND,
    Directory,
    directory,
    empty_database,
)
from bench.machine import cpu_seconds
from bench.measuring import timed
from bench.scenarios import WrongResponse
from bench.servers import PROGRAM, SERVERS, Running, earlier_release, running

API = "/api/v1"
CLIENTS = 8
ADDED = 1000
AT_ONCE = 10


Request = Callable[[], float]
"""Sends a request. Returns the seconds until the end of its response."""


class Cost(NamedTuple):
    """The median of the seconds, and the mean of the seconds of CPU time, if it was measured."""

    seconds: float
    cpu: float | None = None


class Measured(NamedTuple):
    """The cost of something, that of its baseline, and the greatest ratio of the two."""

    name: str
    at_most: float
    measured: Cost
    baseline: Cost


@dataclass(frozen=True)
class Ratio:
    """Two kinds of requests, and how much longer the first may take."""

    name: str
    measured: Request
    baseline: Request
    at_most: float


class Client:
    """One connection to the server, which stays open."""

    def __init__(self, served: Running) -> None:
        url = served.client.base_url
        self._connection = HTTPConnection(url.host, url.port or 80)
        self._headers = dict(served.headers)

    def close(self) -> None:
        self._connection.close()

    def get(self, path: str) -> bytes:
        return self._send("GET", path, 200)

    def document(self, path: str) -> Any:
        return json.loads(self.get(path))

    def change(self, method: str, path: str, ids: Iterable[int]) -> None:
        """Adds users to a list, or removes them from it."""
        data = [{"type": "users", "id": str(each)} for each in ids]
        self._send(method, path, 204, json.dumps({"data": data}).encode())

    def _send(self, method: str, path: str, expected: int, body: bytes | None = None) -> bytes:
        self._connection.request(method, API + path, body, self._headers)
        response = self._connection.getresponse()
        content = response.read()
        if response.status != expected:
            raise WrongResponse(f"{method} {path} returned {response.status} {content[:500]!r}")
        return content


@click.command()
@click.option("--kinds", default=",".join(KINDS), show_default=True, help="The databases.")
@click.option("--users", default=1_000_000, show_default=True)
@click.option("--groups", default=100_000, show_default=True)
@click.option("--requests", default=200, show_default=True, help="Requests of each kind.")
@click.option("--lines", default=0, show_default=True, help="Lines to import; 0 imports nothing.")
@click.option(
    "--before",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A checkout of the last release without relationships, to compare its lists of users.",
)
@click.option("--rounds", default=3, show_default=True, help="Rounds of clients and of imports.")
def main(
    kinds: str,
    users: int,
    groups: int,
    requests: int,
    lines: int,
    before: Path | None,
    rounds: int,
) -> None:
    """Print the medians of two kinds of requests, which alternate, and their ratio.

    On a machine with other work, the ratio of the CPU times is more reliable. PostgreSQL also
    serves concurrent clients. MariaDB imports nothing.
    """
    click.echo("| database | measured | ms | relative to, ms | ratio | CPU ratio | at most |")
    click.echo("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for kind in kinds.split(","):
        with (
            directory(kind, users, groups) as filled,
            running(SERVERS["roster"], filled, pinned=False) as served,
            closing(Client(served)) as client,
        ):
            for each in (*_reads(client, filled), *_changes(client, filled)):
                _print(kind, _alternate(each, requests, [served.process, filled.server]))
            if before:
                _compare_with(before, served, client, filled, requests)
            if kind == "postgresql":
                _print(kind, _concurrent(served, filled, rounds))
        if lines and kind != "mariadb":
            _print(kind, _imports(kind, lines, groups, rounds))


def _compare_with(
    before: Path, served: Running, client: Client, filled: Directory, requests: int
) -> None:
    """Compares reads of users with those of an earlier release, which uses the same database."""
    with (
        running(earlier_release(before), filled, pinned=False) as earlier,
        closing(Client(earlier)) as other,
    ):
        for path in ("/users", "/users?page%5Bsize%5D=100", "/users/1"):
            ratio = Ratio(
                f"{path}, to the earlier release",
                partial(timed, partial(client.get, path)),
                partial(timed, partial(other.get, path)),
                1.2,
            )
            processes = [served.process, earlier.process, filled.server]
            _print(filled.kind, _alternate(ratio, requests, processes))


def _alternate(ratio: Ratio, requests: int, processes: Sequence[psutil.Process | None]) -> Measured:
    """Sends both kinds of requests in turn, a few of each at a time.

    `processes` are the servers and the database, whose CPU time counts.
    """

    def cpu() -> float:
        return sum(cpu_seconds(each) for each in processes if each)

    kinds = (ratio.measured, ratio.baseline)
    seconds: tuple[list[float], list[float]] = ([], [])
    used = [0.0, 0.0]
    for turn in range(-1, requests // AT_ONCE):
        for number, request in enumerate(kinds):
            before = cpu()
            taken = [request() for _ in range(AT_ONCE)]
            if turn >= 0:  # the first turn warms the caches
                used[number] += cpu() - before
                seconds[number].extend(taken)
    costs = (
        Cost(median(each), total / len(each)) for each, total in zip(seconds, used, strict=True)
    )
    return Measured(ratio.name, ratio.at_most, *costs)


def _print(kind: str, found: Measured) -> None:
    measured, baseline = found.measured, found.baseline
    cpu = f"{measured.cpu / baseline.cpu:.2f}" if measured.cpu and baseline.cpu else ""
    cells = (
        kind,
        found.name,
        f"{measured.seconds * 1000:.2f}",
        f"{baseline.seconds * 1000:.2f}",
        f"{measured.seconds / baseline.seconds:.2f}",
        cpu,
        f"{found.at_most}",
    )
    click.echo(f"| {' | '.join(cells)} |")


def _reads(client: Client, filled: Directory) -> Iterator[Ratio]:
    def get(path: str) -> Request:
        return lambda: timed(lambda: client.get(path))

    for name, path in (
        ("relationships/members", "/groups/{}/relationships/members"),
        ("members", "/groups/{}/members"),
        ("filter[groups]", "/users?filter%5Bgroups%5D={}"),
    ):
        baseline = get(path.format(THOUSAND))
        beginning = path.format(ALL)
        yield Ratio(f"{name}, first page", get(beginning), baseline, 1.2)
        later = _after(client, beginning, filled.users * 9 // 10)
        yield Ratio(f"{name}, after 90 %", get(later), baseline, 1.2)
    yield Ratio("a large group", get(f"/groups/{ALL}"), get(f"/groups/{NONE}"), 1.1)
    included = "include=members"
    yield Ratio(
        "a large group with its members",
        get(f"/groups/{ALL}?{included}"),
        get(f"/groups/{PAGE}?{included}"),
        1.2,
    )
    for size in (25, 100):
        path = f"/users?page%5Bsize%5D={size}&include=groups"
        document = client.document(path)
        total = len(document["data"]) + len(document["included"])
        name = f"{size} users with their groups, to {total} users"
        yield Ratio(name, get(path), get(f"/users?page%5Bsize%5D={total}"), 1.5)
    alone = [get(f"/users?filter%5Bgroups%5D={THOUSAND}"), get("/users?filter%5Brole%5D=admin")]
    both = f"filter%5Bor%5D%5B1%5D%5Bgroups%5D={THOUSAND}&filter%5Bor%5D%5B2%5D%5Brole%5D=admin"
    slower = max(alone, key=lambda request: median(request() for _ in range(AT_ONCE)))
    yield Ratio("two alternatives, to the slower one", get(f"/users?{both}"), slower, 3)


def _after(client: Client, path: str, rows: int) -> str:
    """Returns the URL of the page that follows this number of rows.

    Page numbers have a limit, so the rest is read by following the links.
    """
    separator = "&" if "?" in path else "?"
    size = min(1000, rows)
    number = min(rows // size, 100)
    page = f"{path}{separator}page%5Bsize%5D={size}&page%5Bnumber%5D={number}"
    document = client.document(page)
    for _ in range(rows // size - number):
        document = client.document(document["links"]["next"].removeprefix(API))
    cursor = document["data"][-1]["meta"]["page"]["cursor"]
    return f"{path}{separator}page%5Bafter%5D={quote(cursor)}"


def _changes(client: Client, filled: Directory) -> Iterator[Ratio]:
    """Adds a user who is in no group, and removes the user, one request after the other."""
    outsider = filled.users + 1

    def change(method: str, group: int) -> float:
        path = f"/groups/{group}/relationships/members"
        return timed(lambda: client.change(method, path, [outsider]))

    def add(group: int) -> float:
        seconds = change("POST", group)
        change("DELETE", group)
        return seconds

    def remove(group: int) -> float:
        change("POST", group)
        return change("DELETE", group)

    for name, perform in (("add a member", add), ("remove a member", remove)):
        yield Ratio(name, partial(perform, ALL), partial(perform, TEN), 1.2)


def _concurrent(served: Running, filled: Directory, rounds: int) -> Measured:
    """Eight clients add members to one group, and to a group each."""
    users = range(filled.users + 1, filled.users + 1 + ADDED)
    share = ADDED // CLIENTS

    def add(groups: list[int]) -> float:
        def work(number: int) -> None:
            path = f"/groups/{groups[number]}/relationships/members"
            with closing(Client(served)) as client:
                for user in users[number * share : (number + 1) * share]:
                    client.change("POST", path, [user])

        with ThreadPoolExecutor(CLIENTS) as pool:
            seconds = timed(lambda: list(pool.map(work, range(CLIENTS))))
        filled.execute(f"DELETE FROM memberships WHERE user_id > {filled.users}")
        return seconds

    pairs = [(add([ALL] * CLIENTS), add([*EMPTY])) for _ in range(rounds + 1)][1:]
    name = f"{CLIENTS} clients add {ADDED} members to one group, to eight groups"
    shared, separate = (Cost(median(each)) for each in zip(*pairs, strict=True))
    return Measured(name, 1.4, shared, separate)


def _imports(kind: str, lines: int, groups: int, rounds: int) -> Measured:
    """Imports users, and then a membership for each of them."""
    found = []
    with tempfile.TemporaryDirectory(prefix="roster-bench-") as name:
        people, memberships, teams = _files(Path(name), lines, groups)
        for _ in range(rounds):
            with empty_database(kind) as (url, _):
                _import(url, "groups", teams)
                users = timed(lambda: _import(url, "users", people))
                found.append((timed(lambda: _import(url, "memberships", memberships)), users))
    name = f"import {lines:,} memberships, to users"
    costs = (Cost(median(each)) for each in zip(*found, strict=True))
    return Measured(name, 1.5, *costs)


def _files(where: Path, lines: int, groups: int) -> Iterator[Path]:
    for name, header, rows in (
        ("users", ("email", "name"), ((f"u{n}@x.org", f"Person {n}") for n in range(lines))),
        (
            "memberships",
            ("group", "user"),
            ((f"Group {n * 7919 % groups}", f"u{n}@x.org") for n in range(lines)),
        ),
        ("groups", ("name",), ((f"Group {n}",) for n in range(groups))),
    ):
        path = where / f"{name}.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            writer.writerows(rows)
        yield path


def _import(url: str, resource: str, file: Path) -> None:
    subprocess.run(
        [str(PROGRAM), resource, "import", str(file)],
        env=os.environ | {"ROSTER_DATABASE_URL": url},
        check=True,
        stdout=subprocess.DEVNULL,
    )


if __name__ == "__main__":
    main()
