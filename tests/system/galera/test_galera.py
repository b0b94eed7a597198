"""A service on each of three nodes of MariaDB Galera, and failures of nodes under load."""

import json
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from threading import Barrier, Event
from time import monotonic
from typing import Any

import pytest
from contract.stores.directories import RelatedDirectory
from faults.load import Load
from faults.service import Service
from galera.cluster import Cluster, Node
from galera.conftest import Print
from roster_process import JSONAPI, ROSTER, USERS
from sqlalchemy import Engine, event
from waiting import until

from adapters.sql.audit import SqlEventReader
from adapters.sql.schema import REVISION
from adapters.sql.transactions import core_connection
from application.deadlines import deadline
from application.ports import Unavailable

pytestmark = pytest.mark.long

Services = Callable[..., Sequence[Service]]
Hold = Callable[..., Any]

CLIENTS = 12
CHANGES = 20
ROUNDS = 100
READS = 1000
LARGE_IMPORT = 40_000
SMALL_LIMIT = 16 * 1024**2


class Client:
    """A connection to a service."""

    def __init__(self, service: Service) -> None:
        self._http = HTTPConnection("127.0.0.1", service.port, timeout=30)

    def __call__(
        self, method: str, path: str, attributes: Any = None, *, key: str = "", user_id: str = ""
    ) -> tuple[int, Any]:
        headers = {"Content-Type": JSONAPI} | ({"Idempotency-Key": key} if key else {})
        data = {"type": "users", "attributes": attributes} | ({"id": user_id} if user_id else {})
        body = json.dumps({"data": data}) if attributes else None
        self._http.request(method, path, body, headers)
        response = self._http.getresponse()
        return response.status, json.loads(response.read() or b"{}")

    def close(self) -> None:
        self._http.close()


def at_once(services: Sequence[Service], times: int, work: Callable[[Client, int], Any]) -> Any:
    """Calls `work` in CLIENTS threads, which are distributed over the services."""
    start = Barrier(CLIENTS)

    def run(number: int) -> list[Any]:
        with closing(Client(services[number % len(services)])) as client:
            start.wait()
            return [work(client, time) for time in range(times)]

    with ThreadPoolExecutor(CLIENTS) as threads:
        return [each for results in threads.map(run, range(CLIENTS)) for each in results]


def codes(replies: Sequence[tuple[int, Any]]) -> Counter[Any]:
    return Counter(
        document["errors"][0]["code"] if "errors" in document else status
        for status, document in replies
    )


def test_racing_writers_on_three_nodes_all_succeed(services: Services, print_number: Print) -> None:
    started = services(ROSTER_REQUEST_SECONDS="20")
    with closing(Client(started[0])) as client:
        _, created = client("POST", USERS, {"email": "ann@example.org", "name": "0"})
    user_id = created["data"]["id"]
    names = count(1)

    def change(client: Client, _: int) -> Any:
        name = {"name": str(next(names))}
        return client("PATCH", f"{USERS}/{user_id}", name, user_id=user_id)

    began = monotonic()
    replies = at_once(started, CHANGES, change)
    print_number(
        f"| {CLIENTS} clients on 3 nodes change one user {len(replies)} times "
        f"| {dict(codes(replies))} in {monotonic() - began:.1f} s |"
    )
    assert codes(replies) == {200: CLIENTS * CHANGES}


def test_one_email_is_taken_on_three_nodes(services: Services, print_number: Print) -> None:
    started = services()
    start = Barrier(CLIENTS)

    def create(client: Client, number: int) -> Any:
        start.wait()
        return client("POST", USERS, {"email": f"user{number}@example.org", "name": "Ann"})

    replies = at_once(started, CHANGES, create)
    print_number(
        f"| {CLIENTS} clients on 3 nodes create {CHANGES} emails | {dict(codes(replies))} |"
    )
    assert codes(replies) == {201: CHANGES, "email_taken": (CLIENTS - 1) * CHANGES}
    assert len(started[1].users()) == CHANGES


def test_one_idempotency_key_is_used_on_three_nodes(services: Services) -> None:
    started = services()
    start = Barrier(CLIENTS)

    def create(client: Client, number: int) -> Any:
        start.wait()
        attributes = {"email": f"user{number}@example.org", "name": "Ann"}
        return client("POST", USERS, attributes, key=f"key-{number}")

    replies = at_once(started, CHANGES, create)
    assert codes(replies) == {201: CLIENTS * CHANGES}
    assert len({document["data"]["id"] for _, document in replies}) == CHANGES


def test_another_node_reads_an_acknowledged_write(services: Services, print_number: Print) -> None:
    clients = [*map(Client, services())]
    first, second, third = clients
    missing = 0
    for number in range(ROUNDS):
        status, document = first(
            "POST", USERS, {"email": f"user{number}@example.org", "name": "Ann"}
        )
        assert status == 201, document
        for other in (second, third):
            missing += other("GET", f"{USERS}/{document['data']['id']}")[0] != 200
    for client in clients:
        client.close()
    print_number(
        f"| {2 * ROUNDS} reads on another node right after a write | {missing} missed it |"
    )
    assert missing == 0


def test_a_read_waits_for_the_commits_of_other_nodes(
    engines: Sequence[Engine], print_number: Print
) -> None:
    settings = "SELECT @@wsrep_sync_wait, @@wsrep_trx_fragment_unit, @@wsrep_trx_fragment_size"
    milliseconds = []
    with core_connection(engines[1]) as connection:
        assert tuple(connection.exec_driver_sql(settings).one()) == (1, "bytes", 8 * 1024**2)
        for wait in (1, 0):
            connection.exec_driver_sql(f"SET SESSION wsrep_sync_wait = {wait}")
            began = monotonic()
            for _ in range(READS):
                connection.exec_driver_sql("SELECT name FROM users WHERE id = 1").all()
            milliseconds.append(1000 * (monotonic() - began) / READS)
        connection.exec_driver_sql("SET SESSION wsrep_sync_wait = 1")
    print_number(
        f"| a read with and without wsrep_sync_wait, on idle nodes "
        f"| {milliseconds[0]:.2f} and {milliseconds[1]:.2f} ms |"
    )


def test_the_audit_log_has_the_same_order_on_each_node(
    engines: Sequence[Engine], directories: Sequence[RelatedDirectory]
) -> None:
    """Readers on all nodes follow the log while all nodes write."""
    readers = [SqlEventReader(engine) for engine in engines]
    written = Event()

    def write(number: int) -> None:
        for each in range(50):
            directories[number].user(f"user{number}-{each}")

    def follow(number: int) -> list[tuple[int, int]]:
        seen: list[tuple[int, int]] = []
        while True:
            is_last = written.is_set()
            while page := readers[number].read_from(seen[-1][0] if seen else 0, size=20):
                seen += [(position, event.id) for position, event in page]
            if is_last:
                return seen

    with ThreadPoolExecutor(6) as threads:
        following = [threads.submit(follow, number) for number in range(3)]
        list(threads.map(write, range(3)))
        written.set()
        logs = [each.result() for each in following]
    assert logs[0] == logs[1] == logs[2]
    assert [position for position, _ in logs[0]] == [*range(1, 151)]
    assert len({event_id for _, event_id in logs[0]}) == 150


def test_a_killed_node_loses_nothing(cluster: Cluster, services: Services, hold: Hold) -> None:
    node = cluster.nodes[2]
    with Load(*services()) as load:
        node.kill()
        load.until_received("unavailable", 10)
        load.until_acknowledged(300)
        cluster.join(node)
        load.recovered()
    hold("a node of Galera killed (kill -9)", load)


def test_a_partitioned_node_loses_nothing_and_returns_503(
    cluster: Cluster, services: Services, hold: Hold
) -> None:
    node, started = cluster.nodes[2], services()
    with closing(Client(started[2])) as client, Load(*started) as load:
        with node.isolated():
            until(lambda: client("GET", "/readyz")[0] == 503)
            load.until_acknowledged(300)
            status, document = client("GET", USERS)
            assert (status, document["errors"][0]["code"]) == (503, "unavailable")
        cluster.wait()
        load.recovered()
        assert client("GET", "/readyz")[0] == 200
    hold("a node of Galera partitioned", load)


@pytest.mark.parametrize(
    "use", [RelatedDirectory.find_ids, lambda directory: directory.user("bob")]
)
def test_connections_to_a_node_without_a_majority_are_not_used_again(
    cluster: Cluster, engines: Sequence[Engine], use: Callable[[RelatedDirectory], Any]
) -> None:
    """Behind a proxy, a new connection leads to another node."""
    node, directory = cluster.nodes[2], RelatedDirectory("mariadb", engines[2])
    opened: list[object] = []
    event.listen(engines[2], "connect", lambda connection, _: opened.append(connection))
    directory.user("ann")
    before = len(opened)
    with node.isolated():
        until(lambda: node.status("wsrep_cluster_status") != "Primary")
        with pytest.raises(Unavailable), deadline(5):
            use(directory)
    cluster.wait()
    use(directory)
    assert len(opened) == before + 1


def test_a_frozen_node_loses_nothing(cluster: Cluster, services: Services, hold: Hold) -> None:
    node = cluster.nodes[2]
    with Load(*services()) as load:
        with node.frozen():
            until(lambda: cluster.nodes[0].is_synced(2), within=60)
            load.until_acknowledged(300)
        cluster.wait()
        load.recovered()
    hold("a node of Galera frozen (SIGSTOP)", load)


def test_without_a_majority_all_nodes_return_503_and_recover(
    cluster: Cluster, services: Services, hold: Hold
) -> None:
    with Load(*services()) as load:
        with cluster.nodes[1].isolated(), cluster.nodes[2].isolated():
            load.until_refused(5)
        cluster.wait()
        load.recovered()
    hold("a cluster of Galera without a majority", load)


@pytest.fixture
def small_limit(cluster: Cluster) -> Iterator[None]:
    for node in cluster.nodes:
        node.set("wsrep_max_ws_size", str(SMALL_LIMIT))
    yield
    for node in cluster.nodes:
        node.set("wsrep_max_ws_size", str(2**31 - 1))


def run(node: Node, database: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"ROSTER_DATABASE_URL": node.url(database), "PATH": "/usr/bin:/bin"}
    return subprocess.run([ROSTER, *arguments], env=environment, capture_output=True, text=True)


@pytest.mark.usefixtures("small_limit")
def test_an_import_is_larger_than_the_limit_of_a_transaction(
    cluster: Cluster,
    database: str,
    engines: Sequence[Engine],
    tmp_path: Path,
    print_number: Print,
) -> None:
    lines = (f"user{number}@example.org,{'Ann' * 20}\n" for number in range(LARGE_IMPORT))
    (tmp_path / "users.csv").write_text("email,name\n" + "".join(lines))
    sent = int(cluster.nodes[0].status("wsrep_replicated_bytes"))
    began = monotonic()
    done = run(cluster.nodes[0], database, "users", "import", str(tmp_path / "users.csv"))
    seconds = monotonic() - began
    sent = int(cluster.nodes[0].status("wsrep_replicated_bytes")) - sent
    assert (done.returncode, done.stderr) == (0, "")
    assert sent > SMALL_LIMIT
    print_number(
        f"| an import of {LARGE_IMPORT:,} users with wsrep_max_ws_size={SMALL_LIMIT:,} "
        f"| {sent:,} bytes replicated in {seconds:.1f} s |"
    )
    with core_connection(engines[2]) as connection:
        found = connection.exec_driver_sql("SELECT count(*) FROM users").scalar_one()
    assert found == LARGE_IMPORT


def test_an_import_with_too_many_rows_names_the_limit(
    cluster: Cluster, database: str, engines: Sequence[Engine], tmp_path: Path
) -> None:
    lines = (f"user{number}@example.org,Ann\n" for number in range(2000))
    (tmp_path / "users.csv").write_text("email,name\n" + "".join(lines))
    cluster.nodes[0].set("wsrep_max_ws_rows", "1000")
    try:
        done = run(cluster.nodes[0], database, "users", "import", str(tmp_path / "users.csv"))
    finally:
        cluster.nodes[0].set("wsrep_max_ws_rows", "0")
    assert done.returncode == 1
    assert "wsrep_max_ws_rows" in done.stderr
    with core_connection(engines[1]) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM users").scalar_one() == 0


def test_migrations_on_three_nodes_at_once_all_succeed(cluster: Cluster, database: str) -> None:
    def upgrade(node: Node) -> subprocess.CompletedProcess[str]:
        return run(node, database, "db", "upgrade")

    with ThreadPoolExecutor(3) as threads:
        done = [*threads.map(upgrade, cluster.nodes)]
    assert [(each.returncode, each.stdout) for each in done] == [(0, f"{REVISION}\n")] * 3
    assert {each.stderr.partition(",")[0] for each in done} <= {
        "",
        "Waiting for another migration or another process that uses the database",
    }
    check = run(cluster.nodes[1], database, "db", "check")
    assert (check.returncode, check.stderr) == (0, "")
