"""Three nodes of MariaDB Galera on loopback, which a test can kill and partition."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, Final

import psutil
import pymysql
from roster_process import free_port
from waiting import until

PROVIDER = Path("/usr/lib/galera/libgalera_smm.so")
"""The library of Debian's package galera-4."""
TRANSFER = "wsrep_sst_rsync"
"""The script of Debian's package mariadb-server that copies a database to a node."""
_ROOT = Path(__file__).parents[3]
_SCRIPTS = _ROOT / "build" / "galera"
"""`make` extracts the scripts there: on a machine with systemd, the package starts a server."""
SEARCH_PATH = os.pathsep.join((os.environ["PATH"], "/usr/sbin", str(_SCRIPTS)))
_SECONDS_TO_START = 120
_numbers = count(1)
SETTINGS = (
    "--binlog-format=ROW",
    "--default-storage-engine=InnoDB",
    "--innodb-autoinc-lock-mode=2",
    "--wsrep-on=ON",
    f"--wsrep-provider={PROVIDER}",
    "--wsrep-cluster-name=roster",
    "--wsrep-sst-method=rsync",
)
"""The settings of every node of a cluster, which docs/operations/galera.md lists."""
_FOR_TESTS = (
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=16M",
    "--innodb-flush-log-at-trx-commit=2",
    "--performance-schema=OFF",
    "--skip-name-resolve",
)
# A partition is noticed sooner than by default, after 5 seconds.
_FAILURE_DETECTION = (
    "evs.keepalive_period=PT0.5S;evs.suspect_timeout=PT2S;evs.inactive_timeout=PT4S;"
    "evs.install_timeout=PT4S;evs.inactive_check_period=PT0.25S"
)


def missing_program() -> str | None:
    """The name of a program that is missing on this machine."""
    if not PROVIDER.exists():
        return "Galera (Debian's galera-4)"
    programs = ("mariadbd", "mariadb-install-db", "rsync", TRANSFER)
    return next((each for each in programs if not shutil.which(each, path=SEARCH_PATH)), None)


_UNPRIVILEGED_UID: Final = 65534
"""The account without privileges on Linux, because MariaDB refuses to run as root."""


class Node:
    """A server of a cluster, on a unix socket and a port. It does not run as root."""

    def __init__(self, directory: Path, settings: Sequence[str]) -> None:
        self.directory = directory
        self.port, self.group_port, self._transfer_port, self._state_port = (
            free_port() for _ in range(4)
        )
        self.settings = settings
        self._user = _UNPRIVILEGED_UID if os.geteuid() == 0 else None
        self._process: psutil.Popen | None = None
        for each in (directory, self._data):
            each.mkdir()
            if self._user:
                shutil.chown(each, self._user)

    def install(self) -> None:
        options = ("--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db")
        command = ["mariadb-install-db", *options, f"--datadir={self._data}"]
        assert self._run(command).wait() == 0, self.log()

    def start(self, address: str) -> None:
        """Starts the server. `address` has the other nodes; it is empty for a new cluster."""
        provider = (
            f"gmcast.listen_addr=tcp://127.0.0.1:{self.group_port};"
            f"ist.recv_addr=127.0.0.1:{self._state_port};{_FAILURE_DETECTION}"
        )
        options = [
            "--no-defaults",
            f"--datadir={self._data}",
            f"--socket={self._socket}",
            "--bind-address=127.0.0.1",
            f"--port={self.port}",
            *SETTINGS,
            *_FOR_TESTS,
            f"--wsrep-cluster-address=gcomm://{address}",
            f"--wsrep-node-address=127.0.0.1:{self.group_port}",
            f"--wsrep-node-name={self.directory.name}",
            f"--wsrep-provider-options={provider}",
            f"--wsrep-sst-receive-address=127.0.0.1:{self._transfer_port}",
            *self.settings,
        ]
        program = shutil.which("mariadbd", path=SEARCH_PATH)
        assert program
        self._process = self._run([program, *options])

    def _run(self, command: Sequence[str]) -> psutil.Popen:
        environment = os.environ | {"TMPDIR": str(self.directory), "PATH": SEARCH_PATH}
        with (self.directory / "log").open("ab") as log:
            # A group of its own, with the programs that copy the database.
            return psutil.Popen(
                command,
                env=environment,
                user=self._user,
                cwd="/",
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    @property
    def _socket(self) -> Path:
        return self.directory / "socket"

    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")[-20_000:]

    def url(self, database: str) -> str:
        return f"mariadb+pymysql://roster@127.0.0.1:{self.port}/{database}?ssl_disabled=true"

    def execute(self, statement: str) -> Sequence[Sequence[Any]]:
        """Runs a statement as root. Returns the rows."""
        settings: dict[str, Any] = {"unix_socket": str(self._socket), "user": "root"}
        connection = pymysql.Connection(**settings, autocommit=None, defer_connect=True)
        with closing(socket.socket(socket.AF_UNIX)) as opened, connection.cursor() as cursor:
            opened.connect(str(self._socket))
            connection.connect(opened)
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else ()

    def status(self, name: str) -> str:
        rows = self.execute(f"SHOW GLOBAL STATUS LIKE '{name}'")
        return str(rows[0][1]) if rows else ""

    def set(self, name: str, value: str) -> None:
        self.execute(f"SET GLOBAL {name} = {value}")

    def is_synced(self, size: int) -> bool:
        """Returns True if the node is in a primary component of `size` nodes, and up to date."""
        assert self._process
        assert self._process.poll() is None, self.log()
        with suppress(pymysql.Error, OSError):
            return (
                self.status("wsrep_ready") == "ON"
                and self.status("wsrep_local_state_comment") == "Synced"
                and self.status("wsrep_cluster_status") == "Primary"
                and self.status("wsrep_cluster_size") == str(size)
            )
        return False

    @contextmanager
    def isolated(self) -> Iterator[None]:
        """In the block, the node is cut off from the others. Its clients stay connected."""
        self.set("wsrep_provider_options", "'gmcast.isolate=1'")
        try:
            yield
        finally:
            self.set("wsrep_provider_options", "'gmcast.isolate=0'")

    def kill(self) -> None:
        """Kills the server at once, like a power failure."""
        if self._process is not None and self._process.is_running():
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """In the block, the server accepts and keeps connections, but sends nothing."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)


class Cluster:
    """Three nodes. The user roster has no password, and owns the databases."""

    def __init__(self, directory: Path, *settings: str) -> None:
        directory.chmod(0o755)
        self.nodes = [Node(directory / f"node{number}", settings) for number in (1, 2, 3)]

    def new_database(self) -> str:
        """Creates an empty database, and returns its name."""
        name = f"roster_{next(_numbers)}"
        self.nodes[0].execute(f"CREATE DATABASE {name}")
        return name

    def start(self) -> None:
        first, *others = self.nodes
        first.install()
        first.start("")
        self._wait(first, 1)
        first.execute("CREATE USER roster@'127.0.0.1'")
        first.execute(r"GRANT ALL ON `roster%`.* TO roster@'127.0.0.1'")
        for size, node in enumerate(others, 2):
            self.join(node, size)

    def join(self, node: Node, size: int = 3) -> None:
        """Starts a node, which copies what it lacks, and waits until `size` nodes are in sync."""
        node.start(",".join(f"127.0.0.1:{each.group_port}" for each in self.nodes))
        self._wait(node, size)

    def wait(self, size: int = 3) -> None:
        for node in self.nodes:
            self._wait(node, size)

    @staticmethod
    def _wait(node: Node, size: int) -> None:
        until(lambda: node.is_synced(size), within=_SECONDS_TO_START, details=node.log)

    def stop(self) -> None:
        for node in self.nodes:
            node.kill()


@contextmanager
def running_cluster(directory: Path, *settings: str) -> Iterator[Cluster]:
    cluster = Cluster(directory, *settings)
    with ExitStack() as stack:
        stack.callback(cluster.stop)
        cluster.start()
        yield cluster
