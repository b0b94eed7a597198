"""The setup of docs/operations/patroni.md loses nothing when its nodes change or fail.

Each fault is tested with each way to connect. The table of the run has its row.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic

import pytest
from cluster.patroni import PROGRAMS, WAYS, Cluster, Node, commands, url_of
from faults.accounts import DAMAGE, Account, Outcome
from faults.load import Load
from faults.service import Service
from findings import FINDINGS
from waiting import until

Check = Callable[[str, Load], Account]

pytestmark = pytest.mark.long

SWITCHOVER = next(each for each in commands("patronictl") if "switchover" in each)
STRICT = next(each for each in commands("patronictl") if "strict" in each)
SECONDS_TO_RECOVER = 90
"""Patroni's ttl and loop_wait, with much time for a busy machine."""


@pytest.fixture(scope="module")
def shared_cluster() -> Iterator[Cluster | None]:
    """The cluster of all tests, because it takes long to start."""
    if not all(path.exists() for path in PROGRAMS.values()):
        yield None
        return
    directory = Path(tempfile.mkdtemp(prefix="roster-patroni-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, directory)
        cluster = Cluster(directory)
        stack.callback(cluster.stop)
        cluster.start()
        yield cluster


@pytest.fixture
def cluster(shared_cluster: Cluster | None, lacking: Callable[[str], None]) -> Iterator[Cluster]:
    """The cluster with all its nodes and an empty database. Starts killed nodes after the test."""
    if shared_cluster is None:
        missing = [name for name, path in PROGRAMS.items() if not path.exists()]
        lacking(f"Patroni ({', '.join(missing)})")
    assert shared_cluster
    shared_cluster.create_database()
    yield shared_cluster
    shared_cluster.repair()


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def service(cluster: Cluster, way: str, tmp_path: Path) -> Iterator[Service]:
    """A service that connects in this way. The database is upgraded without PgBouncer."""
    started = Service(tmp_path, cluster.here(url_of("HAProxy")))
    started.environment["ROSTER_DATABASE_URL"] = cluster.here(url_of(way))
    started.start()
    yield started
    started.kill()


@pytest.fixture
def check(request: pytest.FixtureRequest, way: str) -> Check:
    """Adds a row to the table, and checks that nothing was lost."""

    def checked(fault: str, load: Load) -> Account:
        found = load.account()
        row = found.row(f"{fault} | {way}")
        head, line = Account.head()
        heads = [head.replace("| fault |", "| fault | connection |"), f"| --- {line}"]
        request.config.stash[FINDINGS].row("Patroni", heads, row)
        assert load.wrong_replies() == []
        assert {name: getattr(found, name) for name in DAMAGE} == dict.fromkeys(DAMAGE, 0)
        assert found.seconds_to_recover < SECONDS_TO_RECOVER
        return found

    return checked


@contextmanager
def loading(service: Service, cluster: Cluster) -> Iterator[Load]:
    """A load that measures the time to recover from the start of the block."""
    try:
        with Load(service) as load:
            load.recovered()
            yield load
    except AssertionError as error:
        error.add_note(cluster.logs())
        raise


def test_a_planned_switchover_loses_nothing(
    cluster: Cluster, service: Service, check: Check
) -> None:
    old = cluster.node("leader")
    with loading(service, cluster) as load:
        cluster.run(SWITCHOVER)
        until_another_leads(cluster, old.name)
        load.until_acknowledged(100)
    check("a planned switchover", load)


def test_a_killed_primary_loses_nothing(cluster: Cluster, service: Service, check: Check) -> None:
    old, standby = cluster.node("leader"), cluster.node("sync_standby")
    with loading(service, cluster) as load:
        old.kill()
        until_another_leads(cluster, old.name)
        load.until_acknowledged(100)
    assert cluster.node("leader").name == standby.name, "it has every acknowledged change"
    check("a killed primary", load)


def test_a_killed_standby_loses_nothing(cluster: Cluster, service: Service, check: Check) -> None:
    standby, other = cluster.node("sync_standby"), cluster.node("replica")
    with loading(service, cluster) as load:
        standby.kill()
        until(lambda: cluster.members().get(other.name) == "sync_standby", within=90)
        load.until_acknowledged(100)
    check("a killed synchronous standby", load)


def until_another_leads(cluster: Cluster, old: str) -> None:
    until(
        lambda: "leader" in {role for name, role in cluster.members().items() if name != old},
        within=90,
        details=cluster.logs,
    )


def test_a_frozen_primary_loses_nothing_when_it_continues(
    cluster: Cluster, service: Service, check: Check
) -> None:
    old = cluster.node("leader")
    with loading(service, cluster) as load:
        with old.frozen():
            until_another_leads(cluster, old.name)
            load.until_acknowledged(100)
        cluster.until_roles("leader", "sync_standby", "replica")
        load.until_acknowledged(100)
    check("a frozen primary, which continues later", load)


def standbys_of(cluster: Cluster) -> list[Node]:
    """The standbys, the synchronous one last.

    If the other one failed after Patroni had selected it, Patroni 3.0 would never let the primary
    continue alone (https://github.com/patroni/patroni/issues/3468).
    """
    return [cluster.node("replica"), cluster.node("sync_standby")]


@pytest.mark.parametrize("way", ["HAProxy"])
def test_a_primary_without_standbys_continues(
    cluster: Cluster, service: Service, check: Check
) -> None:
    standbys = standbys_of(cluster)
    with loading(service, cluster) as load:
        for node in standbys:
            node.kill()
        cluster.until_roles("leader")
        load.until_acknowledged(100)
    check("both standbys killed", load)


@pytest.fixture
def strict(cluster: Cluster) -> Iterator[None]:
    """The mode in which the primary never writes alone."""
    cluster.run(STRICT)
    yield
    cluster.run(STRICT.replace("=true", "=false"))


@pytest.mark.parametrize("way", ["HAProxy"])
def test_in_strict_mode_a_primary_without_standbys_acknowledges_only_reads(
    cluster: Cluster, service: Service, strict: None, check: Check
) -> None:
    standbys = standbys_of(cluster)
    with loading(service, cluster) as load:
        for node in standbys:
            node.kill()
        load.until_received("outcome_unknown", 2)
        alone = monotonic()
        load.until_acknowledged(20)
        acknowledged = {
            each.summary.split()[0]
            for each in load.replies()
            if each.outcome is Outcome.DONE and each.began > alone
        }
        assert acknowledged == {"GET"}
        for node in standbys:
            node.start()
        cluster.until_whole()
        load.until_acknowledged(100)
    check("both standbys killed in strict mode, and started", load)
