"""Reads from replicas of PostgreSQL: own changes, lag, loss and promotion."""

import re
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import psycopg2
import pytest
from cluster.readers import HEAD, Readers
from cluster.replication import SCOPES, Client, Replication, Reply, replicas_used, results
from faults.postgres import Postgres
from faults.service import DEADLINE, Service
from findings import FINDINGS
from roster_process import SECRET
from waiting import until

NewReplication = Callable[[int], Replication]
Serve = Callable[..., Service]
Report = Callable[[Readers, str], None]
PAGE = Path(__file__).parents[3] / "docs" / "operations" / "replicas.md"


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """Adds a row to the table of findings, and checks that no read failed."""

    def write(readers: Readers, fault: str) -> None:
        request.config.stash[FINDINGS].row("replicas", [*HEAD], readers.row(fault))
        assert readers.replies.keys() == {"200"}
        assert readers.slowest < DEADLINE + 1

    return write


class SetUp(NamedTuple):
    """The commands in the section "Set up" of the page."""

    on_primary: list[str]
    on_replica: list[str]
    check_replication: str
    check_roster: str


def set_up_commands() -> SetUp:
    section = PAGE.read_text().partition("## Set up")[2].partition("\n## ")[0]
    primary, replica, check, _, check_roster = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return SetUp([primary], [replica], check, check_roster)


def _start(serve: Serve, replication: Replication, **options: Any) -> Service:
    service = serve(replication, ROSTER_JWT_SECRET=SECRET, **options)
    lines = service.size * len(replication.replicas)
    until(lambda: service.log().count('"replica_used"') >= lines, within=60, details=service.log)
    return service


@pytest.mark.long
def test_reads_include_the_own_changes_but_wait_for_no_replica(
    new_replication: NewReplication, serve: Serve
) -> None:
    replication = new_replication(1)
    service = _start(serve, replication)
    ann, bob = Client(service.port, "ann"), Client(service.port, "bob")
    old = ann.create("old").id
    replication.pause()

    created = ann.create("new")
    path = f"/users/{created.id}"
    assert bob.get(path).status == 404, "the replica serves a read of another client"
    assert bob.get(path, created.position).status == 200, "the position includes the change"
    for _ in range(10):  # any worker gets the request
        assert ann.get(path).status == 200, "the own change is included without a position"
    assert len(ann.get("/users").document["data"]) == 2
    assert len(bob.get("/users").document["data"]) == 1
    assert len(bob.get("/users", created.position).document["data"]) == 2
    assert bob.get(f"{path}/history", created.position).status == 200

    future = bob.get(f"/users/{old}", "1-FFFFFFFFFFFFFFFF")
    assert future.status == 200, "the primary serves what no replica has reached"
    other_timeline = bob.get(path, "2-1")
    assert other_timeline.status == 200, "a replica never satisfies a position of another timeline"
    assert bob.get(path, "0/16B3748").code == "invalid_position"

    replication.resume()
    until(lambda: bob.get(path).status == 200)
    until(lambda: results(service.port)["not_recent"] > 15)
    before = results(service.port)["replica"]
    assert bob.get(path, created.position).status == 200
    until(lambda: results(service.port)["replica"] > before)


def _has_names(*names: str) -> Callable[[Reply], bool]:
    """Returns a check that a list of users has exactly these names."""
    return lambda reply: [each["attributes"]["name"] for each in reply.document["data"]] == [*names]


@pytest.mark.long
@pytest.mark.parametrize("lost", [1, 2])
def test_a_killed_replica_fails_no_read(
    new_replication: NewReplication, serve: Serve, report: Report, lost: int
) -> None:
    replication = new_replication(2)
    service = _start(serve, replication)
    Client(service.port, "ann").create("ann")
    replication.wait()
    with Readers(service.port, "/users", _has_names("ann")).running() as readers:
        for each in replication.replicas[:lost]:
            each.kill()
        readers.read_on()
        for each in replication.replicas[:lost]:
            each.start()
        readers.read_on()
        until(lambda: replicas_used(service.port) == 2)
    report(readers, f"{lost} of 2 replicas killed (kill -9) and started again")


@pytest.mark.long
def test_a_frozen_replica_delays_few_reads(
    new_replication: NewReplication, serve: Serve, report: Report
) -> None:
    replication = new_replication(2)
    service = _start(serve, replication)
    Client(service.port, "ann").create("ann")
    replication.wait()
    with Readers(service.port, "/users", _has_names("ann")).running() as readers:
        with replication.replicas[0].frozen():
            readers.read_on()
            readers.read_on()
        readers.read_on()
        until(lambda: replicas_used(service.port) == 2)
    report(readers, "1 of 2 replicas frozen (SIGSTOP)")


@pytest.mark.long
def test_no_read_sees_a_promoted_replica(
    new_replication: NewReplication, serve: Serve, report: Report
) -> None:
    replication = new_replication(2)
    service = _start(serve, replication)
    Client(service.port, "ann").create("ann")
    replication.wait()
    fork = replication.replicas[0]
    with Readers(service.port, "/users", _has_names("ann")).running() as readers:
        fork.execute("SELECT pg_promote()")
        with closing(psycopg2.connect(fork.url)) as connection, connection.cursor() as cursor:
            cursor.execute("UPDATE users SET name = 'forked', name_key = 'forked'")
            connection.commit()
        readers.read_on()
        until(lambda: replicas_used(service.port) == 1)
    report(readers, "1 of 2 replicas promoted, with other data")


@pytest.mark.long
def test_no_read_is_older_than_ten_seconds(
    new_replication: NewReplication, serve: Serve, request: pytest.FixtureRequest
) -> None:
    replication = new_replication(1)
    service = _start(serve, replication)
    ann, bob = Client(service.port, "ann"), Client(service.port, "bob")
    erased = ann.create("erased").id
    replication.pause()
    eve = Client(service.port, "eve", [*SCOPES, "users:erase"])
    assert eve.send("DELETE", f"/users/{erased}?erase_history=true").status == 204
    began = monotonic()
    assert bob.get(f"/users/{erased}").status == 200, "the replica does not know the erasure yet"
    age = 0.0  # when a replica last served a read; each worker has its own measure
    while (now := monotonic()) < began + 13:
        if bob.get(f"/users/{erased}").status == 200:
            age = now - began
    assert 5 < age < 10.5
    until(lambda: replicas_used(service.port) == 0)
    replication.resume()
    resumed = monotonic()
    until(lambda: replicas_used(service.port) == 1)
    _report_times(
        request,
        {
            "replay paused: last read of a user after its erasure": age,
            "replay continued: the replica is used again": monotonic() - resumed,
        },
    )


@pytest.mark.long
def test_replicas_follow_a_promoted_primary(
    new_replication: NewReplication, serve: Serve, request: pytest.FixtureRequest
) -> None:
    replication = new_replication(2)
    old, (new, follower) = replication.primary, replication.replicas
    for each in (old, new, follower):
        each.settings["wal_keep_size"] = "64MB"
    hosts = f"host={old.directory}&host={new.directory}&target_session_attrs=read-write"
    url = f"postgresql://roster@/roster?{hosts}"
    service = _start(serve, replication, database_url=url)
    ann, bob = Client(service.port, "ann"), Client(service.port, "bob")
    before = ann.create("before")
    replication.wait()

    old.kill()
    new.execute("SELECT pg_promote()")
    promoted = monotonic()
    follower.set("primary_conninfo", f"'host={new.directory} user=postgres'")
    until(lambda: ann.create("first").status in (201, 409), within=60)
    again = monotonic() - promoted
    until(lambda: replicas_used(service.port) == 1, within=60)
    used = monotonic() - promoted
    after = ann.create("after")
    assert after.position
    assert before.position
    assert after.position.split("-")[0] != before.position.split("-")[0]
    for position in (before.position, after.position):
        assert bob.get(f"/users/{after.id}", position).status == 200
    assert ann.get(f"/users/{after.id}").status == 200
    _report_times(
        request,
        {
            "primary killed and a replica promoted: changes are accepted": again,
            "primary killed and a replica promoted: the other replica is used": used,
        },
    )


def _report_times(request: pytest.FixtureRequest, seconds: Mapping[str, float]) -> None:
    head = ["| after | s |", "| --- | ---: |"]
    for event, each in seconds.items():
        request.config.stash[FINDINGS].row("replicas in time", head, f"| {event} | {each:.1f} |")


@pytest.mark.long
def test_the_documented_set_up_makes_a_replica(
    new_replication: NewReplication, new_server: Callable[[], Postgres], serve: Serve
) -> None:
    """Runs the commands of docs/operations/replicas.md, with the addresses of this test."""
    replication, copy = new_replication(0), new_server()
    commands = set_up_commands()
    for command in commands.on_primary:
        replication.primary.shell(command)
    for command in commands.on_replica:
        copy.shell(command, PGHOST=str(replication.primary.directory))
    copy.start()
    until(lambda: "streaming" in replication.primary.shell(commands.check_replication), within=60)
    documented = Replication(replication.primary, [copy])
    service = _start(serve, documented)
    check = commands.check_roster.replace("5000", str(service.port))
    until(lambda: replication.primary.shell(check) == "roster_replicas_used 1.0\n")
    created = Client(service.port, "ann").create("ann")
    bob = Client(service.port, "bob")
    assert bob.get(f"/users/{created.id}", created.position).status == 200
    before = results(service.port)["replica"]
    bob.get("/users")
    until(lambda: results(service.port)["replica"] > before)
