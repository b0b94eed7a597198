"""A PostgreSQL server that a test can kill, freeze and promote, and a pooler."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import psycopg2
from roster_process import is_gone
from waiting import until

PGBOUNCER = Path("/usr/sbin/pgbouncer")
POOLED = 4
_SECONDS_TO_START = 30


class Postgres:
    """A server on a unix socket in its directory. Its user roster is not a superuser."""

    def __init__(self, binaries: Path, directory: Path, **settings: object) -> None:
        self.directory = directory
        self.settings = settings
        self._binaries = binaries
        # The server does not run as root, so root runs it as the user of its package.
        self._user = "pgserver" if os.geteuid() == 0 else None
        self._process: psutil.Popen | None = None
        if self._user:
            shutil.chown(directory, self._user)

    def create(self) -> None:
        self._run("initdb", "--username=postgres", "--auth=trust", "--no-sync", "--encoding=UTF8")
        self.start()
        self.execute("CREATE ROLE roster LOGIN")
        self.execute("CREATE DATABASE roster OWNER roster")

    def copy(self, primary: "Postgres") -> None:
        """Becomes the standby of a running server."""
        self.back_up(primary, "--write-recovery-conf")
        self.start()

    def back_up(self, other: "Postgres", *options: str) -> None:
        """Copies the files of a running server. `start` starts a server on them."""
        source = ("-h", str(other.directory), "-U", "postgres")
        self._run("pg_basebackup", *source, "--no-sync", "--checkpoint=fast", *options)

    def recover(self, command: str, point: str) -> None:
        """Starts from copied files, and recovers from the archive to a restore point."""
        (self._data / "recovery.signal").touch()
        if self._user:
            shutil.chown(self._data / "recovery.signal", self._user)
        own = self.settings
        self.settings = own | {
            "restore_command": command,
            "recovery_target_name": point,
            "recovery_target_action": "promote",
        }
        self.start()
        self.settings = own
        until(lambda: self.execute("SELECT pg_is_in_recovery()") == [(False,)])

    @property
    def binaries(self) -> Path:
        """The directory of its programs."""
        return self._binaries

    @property
    def url(self) -> str:
        return f"postgresql://roster@/roster?host={self.directory}"

    def connect(self) -> psycopg2.extensions.connection:
        """Connects as the superuser, who can write even if the server is read-only."""
        connection = psycopg2.connect(host=str(self.directory), user="postgres", dbname="postgres")
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = off")
        return connection

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        """Returns the rows of the statement, if any."""
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def shell(self, command: str, **environment: str) -> str:
        """Runs a command of the documentation as the server's user, and returns its output."""
        return subprocess.run(
            ["bash", "-euc", command],
            user=self._user,
            cwd="/",
            env={
                "PATH": f"{self._binaries}:{os.environ['PATH']}",
                "PGHOST": str(self.directory),
                "PGUSER": "postgres",
                "PGDATA": str(self._data),
                **environment,
            },
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout

    def set(self, name: str, value: str) -> None:
        """Changes a setting, including for open connections."""
        self.execute(f"ALTER SYSTEM SET {name} = {value}")
        self.execute("SELECT pg_reload_conf()")

    def start(self) -> None:
        """Starts the server, and waits until it accepts connections."""
        options = [f"-c{name}={value}" for name, value in self.settings.items()]
        command = [self._binaries / "postgres", "-D", self._data, "-k", self.directory]
        with (self.directory / "log").open("ab") as log:
            self._process = psutil.Popen(
                [*command, "-clisten_addresses=", *options],
                user=self._user,
                cwd="/",
                stdout=log,
                stderr=log,
            )
        until(self._is_up, within=_SECONDS_TO_START)

    def restart(self) -> None:
        self.stop()
        self.start()

    def stop(self) -> None:
        """Shuts the server down, and ends its connections."""
        process = self._running()
        process.send_signal(signal.SIGINT)
        process.wait(_SECONDS_TO_START)

    def kill(self) -> None:
        """Kills all processes at once, like a power failure."""
        if self._process is None or not self._process.is_running():
            return
        processes = self._stopped()
        for process in processes:
            process.kill()
        self._process.wait()
        # A new server can start only after the shared memory is free.
        until(lambda: all(is_gone(process) for process in processes))

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """In the block, the server accepts and keeps connections, but sends nothing."""
        processes = self._stopped()
        try:
            yield
        finally:
            for process in reversed(processes):
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGCONT)

    def _stopped(self) -> list[psutil.Process]:
        """Stops the processes, first the parent, so that it starts no further ones."""
        processes: list[psutil.Process] = [self._running()]
        processes[0].send_signal(signal.SIGSTOP)
        for child in processes[0].children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.send_signal(signal.SIGSTOP)
                processes.append(child)
        return processes

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _running(self) -> psutil.Popen:
        assert self._process is not None
        return self._process

    def _is_up(self) -> bool:
        log = self.directory / "log"
        assert self._running().poll() is None, log.read_text()
        with suppress(psycopg2.OperationalError):
            self.connect().close()
            return True
        return False

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), "-D", str(self._data), *arguments]
        subprocess.run(command, user=self._user, cwd="/", check=True, capture_output=True)


class PgBouncer:
    """A pooler in transaction mode, which lends a connection for each transaction."""

    def __init__(self, directory: Path, postgres: Postgres) -> None:
        self._directory = directory
        self._user = "pgserver" if os.geteuid() == 0 else None
        (directory / "users").write_text('"roster" ""\n')
        (directory / "pgbouncer.ini").write_text(
            f"""\
[databases]
* = host={postgres.directory}
[pgbouncer]
unix_socket_dir = {directory}
listen_port = 6432
auth_type = trust
auth_file = {directory}/users
pool_mode = transaction
default_pool_size = {POOLED}
server_login_retry = 1
"""
        )
        if self._user:
            shutil.chown(directory, self._user)

    @property
    def url(self) -> str:
        return f"postgresql://roster@/roster?host={self._directory}&port=6432"

    def start(self) -> None:
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [PGBOUNCER, self._directory / "pgbouncer.ini"],
                user=self._user,
                stdout=log,
                stderr=log,
            )
        until(self.is_up)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def is_up(self) -> bool:
        """Returns True if the service can reach its database."""
        assert self._process.poll() is None, (self._directory / "log").read_text()
        host = str(self._directory)
        with (
            suppress(psycopg2.OperationalError),
            closing(
                psycopg2.connect(host=host, port=6432, user="roster", dbname="roster")
            ) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT 1")
            return True
        return False
