"""The choice of a server for each read, in this process and without threads."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial

import pytest
from cluster.replication import Replication
from sqlalchemy import Engine, text
from waiting import until

from adapters.sql import schema
from adapters.sql.connection import RawConnection
from adapters.sql.engine import make_engine, make_replica_engines
from adapters.sql.failures import failure_counts
from adapters.sql.reads import PrimaryReads
from adapters.sql.replicas.reads import LogPositions, ReplicaReads
from adapters.sql.replicas.recent_changes import RecentChanges
from adapters.sql.replicas.servers import Primary, Replica
from adapters.sql.repository import SqlReader
from adapters.sql.store import SqlStore
from adapters.sql.users import USERS_TABLE
from application.access import SECRET, Principal
from application.commands import Commands
from application.deadlines import deadline
from application.ports import Context, OutcomeUnknown, RequestPosition
from application.search import Search
from application.units import retrying
from application.users import USER_TYPE
from domain.errors import Stale
from domain.users import EmailTaken, NewUser, UserChanges

SCOPES = frozenset(("users:read", "users:write"))
ANN, BOB = (Principal(SECRET, None, name, SCOPES) for name in ("ann", "bob"))
SERVER = "SELECT pg_postmaster_start_time()"


class System:
    """A store whose users are read from the replicas."""

    def __init__(self, replication: Replication, engines: dict[str, Engine]) -> None:
        self.replication = replication
        self.engine = engines["primary"]
        self.primary = Primary(engines["primary"])
        self.replicas = [
            Replica(each, engine, engine, self.primary)
            for each, engine in engines.items()
            if each != "primary"
        ]
        reads = ReplicaReads(PrimaryReads(self.engine), self.primary, self.replicas)
        self.reads, self.reader = reads, SqlReader(USERS_TABLE, reads)
        self.positions = LogPositions(RecentChanges())
        self.store = SqlStore(
            self.engine, partial(datetime.now, UTC), [USERS_TABLE], positions=self.positions
        )
        self.commands = Commands(USER_TYPE, retrying(self.store.begin))
        self.poll()

    def poll(self) -> None:
        """Reads the states of the servers, as the threads do every second."""
        for each in (self.primary, *self.replicas):
            each.poll()

    def change(self, change: Callable[[Context], object], principal: Principal = ANN) -> str | None:
        """Changes something in a request of the principal. Returns its position."""
        with deadline(8), self.positions.track() as request:
            change(Context(principal))
        return request.reached

    def create(self, name: str, principal: Principal = ANN) -> str | None:
        new = NewUser(email=f"{name}@example.org", name=name)
        return self.change(lambda context: self.commands.create(new, context), principal)

    def read(
        self, principal: Principal = BOB, position: str | None = None, within: float = 8
    ) -> list[str]:
        """The names of all users, as one request of the principal reads them."""
        with deadline(within), self.positions.track() as request:
            request.allow_replicas(principal, position)
            return self.names()

    def names(self) -> list[str]:
        return [each.name for each in self.reader.page(Search()).items]

    def result(self, read: Callable[[], object]) -> list[str]:
        """The results of the reads that the function makes, as the metric counts them."""
        before = self.reads.counts()
        read()
        after = self.reads.counts()
        return [name for name in after for _ in range(after[name] - before[name])]


@pytest.fixture
def start(new_replication: Callable[[int], Replication]) -> Iterator[Callable[[int], System]]:
    """Starts servers with this number of replicas."""
    with ExitStack() as stack:

        def start(replicas: int) -> System:
            replication = new_replication(replicas)
            engines = {"primary": make_engine(replication.primary.url)}
            engines |= make_replica_engines(replication.read_url())
            for each in engines.values():
                stack.callback(each.dispose)
            schema.upgrade(engines["primary"])
            replication.wait()
            return System(replication, engines)

        yield start


def test_a_read_includes_the_own_changes(start: Callable[[int], System]) -> None:
    system = start(1)
    system.create("old")
    system.replication.pause()
    position = system.create("new")
    assert position

    assert system.result(system.read) == ["replica"]
    assert system.read() == ["old"]
    for read in (partial(system.read, ANN), partial(system.read, BOB, position)):
        assert read() == ["old", "new"]
        assert system.result(read) == ["not_recent"]
    assert system.names() == ["old", "new"], "the primary serves what is not part of a request"
    with system.positions.track():
        assert system.names() == ["old", "new"], "the primary serves requests that change something"
    future = partial(system.read, BOB, "1-FFFFFFFFFFFFFFFF", within=2)
    assert future() == ["old", "new"], "a position that no server has reached delays nothing"
    other_timeline = partial(system.read, BOB, "2-1")
    assert system.result(other_timeline) == ["not_recent"]

    with pytest.raises(EmailTaken), system.positions.track() as request:
        system.commands.create(NewUser(email="old@example.org", name="x"), Context(BOB))
    assert request.reached is None, "a change that fails has no position"
    with pytest.raises(Stale), system.positions.track() as request:
        system.commands.change(1, UserChanges({"name": "x"}), Context(BOB), expected=[7])
    assert request.reached is None
    assert system.result(system.read) == ["replica"]

    system.replication.resume()
    system.replication.wait()
    assert system.result(partial(system.read, BOB, position)) == ["replica"]
    assert system.read(BOB, position) == ["old", "new"]


@pytest.mark.long
def test_after_an_unknown_outcome_the_primary_serves_the_client(
    start: Callable[[int], System],
) -> None:
    system = start(1)
    system.create("old")
    system.replication.wait()

    def create_and_lose_the_connection(context: Context) -> None:
        with system.store.begin(context) as work:
            new = NewUser(email="new@example.org", name="new")
            work.repository(USER_TYPE).add(new, at=work.now)
            work.audit.flush()
            system.replication.primary.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'roster'"
                " AND state = 'idle in transaction'"
            )

    with pytest.raises(OutcomeUnknown):
        system.change(create_and_lose_the_connection)
    assert system.reads.counts()["none_usable"] == 0
    before = system.reads.counts()
    system.read(ANN)
    assert system.reads.counts() == before, "the read did not consider replicas"
    assert system.result(system.read) == ["replica"]


def test_a_lost_replica_delays_one_read_and_fails_none(start: Callable[[int], System]) -> None:
    system = start(2)
    system.create("ann")
    system.replication.wait()
    assert system.result(lambda: [system.read() for _ in range(4)]) == ["replica"] * 4

    system.replication.replicas[0].kill()
    assert system.result(lambda: [system.read() for _ in range(4)]) == ["replica"] * 4
    counts = failure_counts()
    system.read()
    assert failure_counts() == counts, "the lost replica is left out"
    system.replication.replicas[1].kill()
    assert system.read() == ["ann"]
    system.poll()
    assert system.result(system.read) == ["none_usable"]


def test_a_promoted_replica_serves_no_read(start: Callable[[int], System]) -> None:
    system = start(1)
    system.create("ann")
    system.replication.wait()
    assert system.result(system.read) == ["replica"]

    (fork,) = system.replication.replicas
    fork.execute("SELECT pg_promote()")
    engine = system.replicas[0].engine
    with engine.begin() as connection:
        connection.execute(text("UPDATE users SET name = 'forked'"))
    assert system.read() == ["ann"], "even before the next poll"
    system.poll()
    assert system.result(system.read) == ["none_usable"]


@pytest.mark.long
def test_a_replica_of_another_timeline_serves_no_read(start: Callable[[int], System]) -> None:
    """The replica follows a promoted one, but the primary is still the old server."""
    system = start(2)
    position = system.create("ann")
    system.replication.wait()
    promoted, follower = system.replication.replicas
    promoted.execute("SELECT pg_promote()")
    with system.replicas[0].engine.begin() as connection:
        connection.execute(text("UPDATE users SET name = 'forked'"))
    follower.set("primary_conninfo", f"'host={promoted.directory} user=postgres'")

    def follows() -> bool:
        with system.replicas[1].engine.connect() as connection:
            return connection.execute(text("SELECT name FROM users")).scalar() == "forked"

    until(follows)
    for sent in (None, position):
        assert system.read(BOB, sent) == ["ann"], "even before the next poll"
    system.poll()
    for sent in (None, position):
        assert system.result(partial(system.read, BOB, sent)) == ["none_usable"]
        assert system.read(BOB, sent) == ["ann"]

    first, second = system.replicas
    later = System(
        Replication(promoted, [follower]), {"primary": first.engine, second.name: second.engine}
    )
    assert later.result(later.read) == ["replica"]
    assert later.read() == ["forked"]
    assert later.result(partial(later.read, BOB, position)) == ["not_recent"]


@pytest.mark.long
def test_a_replica_whose_timeline_is_not_visible_serves_no_read(
    start: Callable[[int], System],
) -> None:
    system = start(1)
    system.create("ann")
    system.replication.primary.execute("REVOKE pg_read_all_stats FROM roster")
    system.replication.wait()
    system.poll()
    assert system.read() == ["ann"]
    assert system.result(system.read) == ["none_usable"]


@pytest.mark.long
def test_a_read_that_conflicts_with_the_replication_goes_to_the_primary(
    start: Callable[[int], System],
) -> None:
    """The replica cancels a read that needs rows which the primary has removed."""
    system = start(1)
    system.create("ann")
    system.replication.wait()
    (replica,) = system.replication.replicas
    replica.set("max_standby_streaming_delay", "0")
    servers = []

    def read(connection: RawConnection) -> object:
        is_replica = connection.execute(text("SELECT pg_is_in_recovery()")).scalar_one()
        servers.append(is_replica)
        if is_replica:
            with system.engine.connect() as primary:
                primary.execute(text("UPDATE users SET name = 'Anna'"))
            vacuum(system.engine)
        return connection.execute(
            text("SELECT name, pg_sleep(5 * pg_is_in_recovery()::int) FROM users")
        ).scalar_one()

    with deadline(20), system.positions.track() as request:
        request.allow_replicas(BOB, None)
        assert system.reads(read) == "Anna"
    assert servers == [True, False]
    assert system.result(system.read) == ["replica"], "the replica remains in use"


def vacuum(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("VACUUM users")


@pytest.mark.long
def test_one_request_reads_from_one_server(start: Callable[[int], System]) -> None:
    """Otherwise an included resource could be older than the one that refers to it."""
    system = start(2)

    def servers(request: RequestPosition) -> set[object]:
        request.allow_replicas(BOB, None)
        return {
            system.reads(lambda connection: connection.execute(text(SERVER)).scalar())
            for _ in range(5)
        }

    seen = []
    for _ in range(4):
        with system.positions.track() as request:
            seen.append(servers(request))
    assert [len(each) for each in seen] == [1, 1, 1, 1]
    assert len(set[object]().union(*seen)) == 2, "the replicas take turns"
    with system.replicas[0].engine.connect() as busy:
        address = busy.execute(text(SERVER)).scalar()
        for _ in range(4):
            with system.positions.track() as request:
                assert address not in servers(request), "the replica with fewer reads serves them"
