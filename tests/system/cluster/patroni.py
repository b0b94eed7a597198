"""A cluster of PostgreSQL with Patroni, and what connects to it, by the files of its page."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import psutil
import psycopg2
from roster_process import free_port, is_gone
from waiting import until

PAGE = Path(__file__).parents[3] / "docs" / "operations" / "patroni.md"
PROGRAMS = {
    "etcd": Path("/usr/bin/etcd"),
    "patroni": Path("/usr/bin/patroni"),
    "haproxy": Path("/usr/sbin/haproxy"),
    "pgbouncer": Path("/usr/sbin/pgbouncer"),
    "psql": Path("/usr/lib/postgresql/15/bin/psql"),
}
"""The programs, by their names in Debian, except that etcd is in etcd-server."""
WAYS = ("HAProxy", "PgBouncer and HAProxy", "A URL with three hosts")
"""The ways to connect, by the headings of the page."""
_SECONDS_TO_CHANGE = 120
_NODES = {"db1": "192.0.2.11", "db2": "192.0.2.12", "db3": "192.0.2.13"}
_PORTS = (5432, 8008, 2379, 2380)
_NETWORK = "192.0.2.0/24"
# PostgreSQL does not run as root, so root runs everything as the user of Debian's package.
_USER = "postgres" if os.geteuid() == 0 else None


def files() -> dict[str, str]:
    """The files on the page, by their paths."""
    blocks = re.findall(r"`(/etc/\S+)`:\n\n```\w+\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return dict(blocks)


def commands(program: str) -> list[str]:
    """The commands on the page that begin with the name of the program."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    found = [line for block in blocks for line in re.findall(r"(?:.*\\\n)*.+", block)]
    return [each for each in found if each.startswith(f"{program} ")]


def url_of(way: str) -> str:
    """The URL of Roster's database for a way to connect."""
    section = PAGE.read_text().split(f"\n### {way}\n")[1]
    found = re.search(r"ROSTER_DATABASE_URL=(\S+)", section)
    assert found
    return found[1]


class Node:
    """etcd, Patroni and PostgreSQL of one node."""

    def __init__(self, name: str, directory: Path, etcd: str, patroni: str) -> None:
        self.name = name
        self._directory = directory
        for path in ("lib/etcd", "lib/postgresql/15", "run/postgresql"):
            (directory / "var" / path).mkdir(parents=True)
        self._environment = dict(line.split("=", 1) for line in etcd.splitlines())
        self.configuration = directory / "config.yml"
        self.configuration.write_text(patroni)
        self._etcd: psutil.Popen | None = None
        self._patroni: psutil.Popen | None = None

    def start_etcd(self) -> None:
        self._etcd = _started([PROGRAMS["etcd"]], self._log("etcd"), self._environment)

    def start(self) -> None:
        """Starts Patroni, which starts PostgreSQL, unless it runs."""
        if self._patroni and self._patroni.is_running():
            return
        command: list[str | Path] = [PROGRAMS["patroni"], self.configuration]
        self._patroni = _started(command, self._log("patroni"))

    def kill(self) -> None:
        """Kills Patroni and all processes of PostgreSQL at once, like a power failure."""
        processes = self._suspended()
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        if self._patroni:
            self._patroni.wait()
        until(lambda: all(is_gone(process) for process in processes))

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """In the block, the node keeps its connections, but sends nothing."""
        processes = self._suspended()
        try:
            yield
        finally:
            for process in reversed(processes):
                with suppress(psutil.NoSuchProcess):
                    process.resume()

    def _suspended(self) -> list[psutil.Process]:
        """Suspends the processes, first the parents, so that they start no further ones."""
        processes = []
        if self._patroni and self._patroni.is_running():
            processes.append(self._patroni)
        with suppress(OSError, ValueError, psutil.NoSuchProcess):
            (pid, *_) = (self._data / "postmaster.pid").read_text().split()
            processes.append(psutil.Process(int(pid)))
        for process in list(processes):
            with suppress(psutil.NoSuchProcess):
                process.suspend()
                for child in process.children(recursive=True):
                    child.suspend()
                    processes.append(child)
        return processes

    def stop(self) -> None:
        """Ends all processes of the node."""
        self.kill()
        if self._etcd:
            self._etcd.kill()
            self._etcd.wait()

    def logs(self) -> str:
        """The ends of its logs."""
        return "\n".join(
            f"{log}:\n{log.read_text()[-6000:]}" for log in self._directory.glob("*.log")
        )

    @property
    def _data(self) -> Path:
        return self._directory / "var" / "lib" / "postgresql" / "15" / "roster"

    def _log(self, program: str) -> Path:
        return self._directory / f"{program}.log"


class Cluster:
    """Three nodes, HAProxy and PgBouncer on this machine, by the files and commands of the page.

    Only addresses, ports and paths differ. PostgreSQL's user must be able to use the directory.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._haproxy_port, self._pgbouncer_port = free_port(), free_port()
        self._places = {
            **{
                f"{address}:{port}": f"127.0.0.1:{free_port()}"
                for address in _NODES.values()
                for port in _PORTS
            },
            _NETWORK: "127.0.0.0/8",
            "127.0.0.1:5433": f"127.0.0.1:{self._haproxy_port}",
            "port=5433": f"port={self._haproxy_port}",
            "listen_port = 6432": f"listen_port = {self._pgbouncer_port}",
            "127.0.0.1:6432": f"127.0.0.1:{self._pgbouncer_port}",
            "/etc/pgbouncer/": f"{directory}/",
            "/etc/patroni/": f"{directory}/db1/",
        }
        for address in _NODES.values():  # HAProxy's file has the port without the address
            checked = f"{address}:5432 check port "
            rest = self._places[f"{address}:8008"].partition(":")[2]
            here = {f"{checked}8008": f"{self._places[f'{address}:5432']} check port {rest}"}
            self._places = here | self._places
        self._files = files()
        self.nodes = {name: self._node(name) for name in _NODES}
        for name in ("haproxy/haproxy.cfg", "pgbouncer/pgbouncer.ini", "pgbouncer/userlist.txt"):
            path = directory / Path(name).name
            path.write_text(self.here(self._files[f"/etc/{name}"]))
        self._proxies: list[psutil.Popen] = []
        if _USER:
            for path in (directory, *directory.rglob("*")):
                shutil.chown(path, _USER)

    def here(self, text: str) -> str:
        """The text with the addresses, ports and paths of this cluster."""
        for old, new in self._places.items():
            text = text.replace(old, new)
        return text

    def start(self) -> None:
        """Starts all processes, and creates the role and the database."""
        for node in self.nodes.values():
            node.start_etcd()
        for node in self.nodes.values():
            node.start()
        haproxy: list[str | Path] = [
            PROGRAMS["haproxy"],
            "-db",
            "-f",
            self._directory / "haproxy.cfg",
        ]
        self._proxies.append(_started(haproxy, self._directory / "haproxy.log"))
        pgbouncer = [PROGRAMS["pgbouncer"], self._directory / "pgbouncer.ini"]
        self._proxies.append(_started(pgbouncer, self._directory / "pgbouncer.log"))
        self.until_whole()
        (create,) = commands("psql")
        self.run(create)

    def create_database(self) -> None:
        """Creates an empty database in place of the one that exists."""
        self.execute(
            "DROP DATABASE roster WITH (FORCE)",
            "CREATE DATABASE roster OWNER roster",
        )

    def repair(self) -> None:
        """Starts the killed nodes, and waits until they follow the primary."""
        for node in self.nodes.values():
            node.start()
        self.until_whole()

    def stop(self) -> None:
        """Ends all processes."""
        for process in self._proxies:
            process.kill()
            process.wait()
        for node in self.nodes.values():
            node.stop()

    def run(self, command: str) -> str:
        """Runs a command of the page. Returns its output."""
        done = subprocess.run(
            ["bash", "-c", self.here(command)], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}\n{self.logs()}"
        return done.stdout

    def members(self) -> dict[str, str]:
        """The roles of the members that run, by their names."""
        for address in _NODES.values():
            host, _, port = self._places[f"{address}:8008"].partition(":")
            with (
                suppress(OSError, HTTPException, ValueError),
                closing(HTTPConnection(host, int(port), timeout=5)) as connection,
            ):
                connection.request("GET", "/cluster")
                found = json.loads(connection.getresponse().read())["members"]
                return {
                    each["name"]: each["role"]
                    for each in found
                    if each["state"] in ("running", "streaming")
                }
        return {}

    def node(self, role: str) -> Node:
        """The node with the role leader, sync_standby or replica, as soon as there is one."""
        found: list[str] = []

        def is_found() -> bool:
            found[:] = [name for name, each in self.members().items() if each == role]
            return len(found) == 1

        until(is_found, within=_SECONDS_TO_CHANGE, details=self.logs)
        return self.nodes[found[0]]

    def until_roles(self, *roles: str) -> None:
        """Waits until the running members have exactly these roles."""
        until(
            lambda: sorted(self.members().values()) == sorted(roles),
            within=_SECONDS_TO_CHANGE,
            details=lambda: f"{self.members()}\n{self.logs()}",
        )

    def until_whole(self) -> None:
        """Waits until there is a primary, a synchronous standby and another one, and HAProxy has
        found the primary.
        """
        self.until_roles("leader", "sync_standby", "replica")
        until(self._accepts, within=_SECONDS_TO_CHANGE, details=self.logs)

    def _accepts(self) -> bool:
        with suppress(psycopg2.Error):
            return self.execute("SELECT pg_is_in_recovery()") == [(False,)]
        return False

    def execute(self, *statements: str) -> list[tuple[object, ...]]:
        """Runs statements on the primary as the superuser. Returns the rows of the last, if any."""
        superuser = "user=postgres password=SUPERUSER_PASSWORD dbname=postgres"
        with closing(
            psycopg2.connect(f"host=127.0.0.1 port={self._haproxy_port} {superuser}")
        ) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []

    def logs(self) -> str:
        """The ends of all logs."""
        return "\n".join(node.logs() for node in self.nodes.values())

    def _node(self, name: str) -> Node:
        directory = self._directory / name
        texts = [
            self.here(self._own(name, self._files[path])).replace("/var/", f"{directory}/var/")
            for path in ("/etc/default/etcd", "/etc/patroni/config.yml")
        ]
        return Node(name, directory, *texts)

    @staticmethod
    def _own(name: str, text: str) -> str:
        """The file of another node: lines with only one node are about the node itself."""
        return "\n".join(
            line
            if "db2" in line or _NODES["db2"] in line
            else line.replace("db1", name).replace(_NODES["db1"], _NODES[name])
            for line in text.splitlines()
        )


def _started(
    command: Sequence[str | Path], log: Path, environment: dict[str, str] | None = None
) -> psutil.Popen:
    with log.open("ab") as output:
        return psutil.Popen(
            [str(each) for each in command],
            user=_USER,
            cwd="/",
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **(environment or {})},
            stdout=output,
            stderr=output,
        )
