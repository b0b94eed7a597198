"""Starts the server: checks the settings and the database, then runs the workers."""

import errno
import os
import resource
import socket
import sys
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from application.deadlines import deadline
from application.ports import Unavailable
from domain.errors import Conflict
from entrypoints import logs
from entrypoints.glibc_malloc import limit_retained_memory
from entrypoints.granian_server import Server, die_with_parent, reset_sigterm_after_fork, tune_gc
from entrypoints.open_service import check_open_service
from entrypoints.settings import BadSetting, Settings
from entrypoints.start_errors import exit_on_errors, rejected_variables

if TYPE_CHECKING:
    from flask import Flask

    from adapters.sql.email_keys import SharedMailboxes

_RESERVED_FILES = 256
_MAKE_RUN_ADDRESS = "127.0.0.1"
_MAX_PORT = 65535
_MAX_PORTS_TRIED = 100
_PATHS = {"api": "/api/v1", "docs": "/docs", "health": "/readyz"}


class CannotServe(Conflict):
    """The service cannot start because of something outside of it."""

    code = "cannot_serve"


def serve(settings: Settings, host: str, port: int, *, workers: int, threads: int) -> None:
    """Serves until SIGTERM or SIGINT, then finishes the requests in flight.

    Raises BadSetting if a setting is unsafe, and CannotServe if the port or the database can't be
    used.
    """
    address = _address(host, port)
    check_open_service(settings, address)
    _check_access(settings)
    _check_files(settings)
    _check_accounts(settings, address)
    _check_traces(settings)
    port = _free_port(address, port)
    shared = _prepare_database(settings)
    logs.configure(settings.log_format)
    if shared and shared.count:
        structlog.get_logger("roster.server").warning(
            "mailboxes_shared", count=shared.count, users=[user for user, _ in shared.users]
        )
    _warn_of_readable_file(settings)
    with _metrics_directory(settings), _changes_file(settings, workers) as changes:
        _run(settings, address, port, changes, workers=workers, threads=threads)


def _address(host: str, port: int) -> str:
    """The address of the host; IPv4 if there is one, because every client tries it."""
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise CannotServe(f"The host {host} has no address.") from None
    addresses.sort(key=lambda each: each[0] != socket.AF_INET)
    return str(addresses[0][4][0])


def _check_access(settings: Settings) -> None:
    if settings.jwt_jwks is not None:
        from entrypoints.access import check_keys

        check_keys(settings)


def _check_accounts(settings: Settings, address: str) -> None:
    """Raises BadSetting if a file of accounts cannot be used, or emails would not be sent."""
    if not settings.accounts:
        return
    from entrypoints.account_config import make_estimator
    from entrypoints.mail import make_mailer
    from entrypoints.signing_keys import open_signing_keys

    if settings.has_default_mail_folder and not ip_address(address).is_loopback:
        raise BadSetting(
            "ROSTER_MAIL_FOLDER",
            f"must be set to listen on {address} without ROSTER_SMTP_URL: emails are otherwise "
            "written to the folder roster-mail",
        )
    open_signing_keys(settings)
    make_mailer(settings, None)
    make_estimator(settings)


def _check_traces(settings: Settings) -> None:
    """Raises BadSetting if OpenTelemetry rejects one of its own variables."""
    if settings.traces_endpoint is None:
        return
    with rejected_variables():
        from entrypoints.traces import check_variables

        check_variables()


def _check_files(settings: Settings) -> None:
    """Raises BadSetting if the system allows too few open files for a worker.

    The hard limit counts: the server raises its own limit to it.
    """
    servers = 1 + _number_of_replicas(settings)
    needed = settings.connections + servers * settings.pool_size + _RESERVED_FILES
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if allowed != resource.RLIM_INFINITY and allowed < needed:
        problem = f"requires {needed} open files, but the system allows only {allowed}"
        raise BadSetting("ROSTER_CONNECTIONS", problem)


def _number_of_replicas(settings: Settings) -> int:
    if settings.read_database_url is None:
        return 0
    from adapters.sql.engine import make_replica_engines

    return len(make_replica_engines(settings.read_database_url))


def _free_port(address: str, port: int) -> int:
    """Returns the port, or a free one if it is 0. Raises CannotServe if the port can't be used.

    The check is done here because the workers share their port: they would not notice if another
    server uses it.
    """
    try:
        return _bind(address, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotServe(_port_in_use(address, port)) from None
        reason = os.strerror(error.errno or 0)
        raise CannotServe(f"Can't listen on {address}, port {port}: {reason}.") from None


def _bind(address: str, port: int) -> int:
    """Binds a socket, and returns its port. Raises OSError if that fails."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((address, port))
        return int(probe.getsockname()[1])


def _port_in_use(address: str, port: int) -> str:
    """The error message for a port in use, with the next free port."""
    problem = f"Port {port} is already in use on {address}."
    for other in range(port + 1, min(port + _MAX_PORTS_TRIED, _MAX_PORT) + 1):
        with suppress(OSError):
            _bind(address, other)
            make = f" (or make run PORT={other})" if address == _MAKE_RUN_ADDRESS else ""
            return f"{problem} Choose another with --port {other}{make}."
    return f"{problem} Choose another with --port; --port 0 finds one that is free."


def _prepare_database(settings: Settings) -> "SharedMailboxes | None":
    """Migrates an SQLite file, or checks another database.

    A database that accepts no writes, such as a standby, passes: its reads are served. Returns the
    users whose email keys could not be updated. Raises CannotServe if the database can't be used.
    """
    if settings.store == "memory":
        return None
    import entrypoints.resources  # noqa: F401 (they declare their tables)
    from adapters.sql import schema
    from adapters.sql.database_checks import check_database
    from adapters.sql.email_keys import upgrade_database
    from adapters.sql.engine import make_engine
    from adapters.sql.failures import WritesRefused

    engine = make_engine(settings.database_url, pool_size=1)
    try:
        with deadline(settings.request_seconds):
            revision = schema.current(engine)
        shared = None
        if not schema.is_servable(revision):
            if not settings.embedded:
                raise CannotServe("The database is behind this release: run `roster db upgrade`.")
            shared = upgrade_database(engine, report=_report)
        with deadline(settings.request_seconds), suppress(WritesRefused):
            check_database(engine)
        return shared
    except Unavailable as error:
        raise CannotServe(f"The database can't be used: {error.explanation}") from error
    finally:
        engine.dispose()


def _report(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _warn_of_readable_file(settings: Settings) -> None:
    """Warns if other users can read the SQLite file. Roster does not create such a file."""
    if not settings.embedded:
        return
    from adapters.sql import sqlite_file

    if file := sqlite_file.readable_by_others(settings.database_url):
        remedy = f"chmod 600 {file}"
        structlog.get_logger("roster.server").warning(
            "database_readable_by_others", file=str(file), remedy=remedy
        )
        sys.stderr.write(f"Warning: other users of this machine can read {file}: {remedy}\n")


def _metrics_directory(settings: Settings) -> AbstractContextManager[None]:
    """The directory in which the workers share their metrics, if metrics are on."""
    if not settings.metrics:
        return nullcontext()
    from adapters.web import metrics_directory

    return metrics_directory.metrics_directory()


def _changes_file(settings: Settings, workers: int) -> AbstractContextManager[Path | None]:
    """The file in which the workers share the positions of changes, if there are replicas."""
    if settings.read_database_url is None:
        return nullcontext()
    from adapters.sql.replicas import recent_changes

    return recent_changes.shared_file(workers)


def _run(
    settings: Settings,
    address: str,
    port: int,
    changes: Path | None,
    *,
    workers: int,
    threads: int,
) -> None:
    server = Server(
        "roster",
        address=address,
        port=port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(
            header_read_timeout=ceil(settings.header_seconds * 1000),
            max_buffer_size=settings.header_bytes,
        ),
        websockets=False,
        workers=workers,
        blocking_threads=threads,
        backpressure=settings.connections,
        respawn_failed_workers=True,
        respawn_interval=0.1,
        workers_kill_timeout=ceil(settings.request_seconds) + 1,  # finishes requests that arrived
        log_level=LogLevels.error,
        log_dictconfig=logs.server_logging(settings.log_format),
        log_access=False,
    )
    server.on_startup(partial(_announce, address, port))
    reset_sigterm_after_fork()
    server.serve(
        target_loader=partial(load, os.getpid(), port, _url(address, port), workers, changes),
        wrap_loader=False,
    )


def _url(address: str, port: int) -> str:
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def _announce(address: str, port: int) -> None:
    """Logs the URLs of the service, and also prints them if standard error is a terminal."""
    url = _url(address, port)
    places = {name: f"{url}{path}" for name, path in _PATHS.items()}
    structlog.get_logger("roster.server").info("listening", url=url, **places, pid=os.getpid())
    if sys.stderr.isatty():
        listed = "".join(f"  {name:<8}{place}\n" for name, place in places.items())
        sys.stderr.write(f"Roster is at {url} (Ctrl-C stops it)\n{listed}")


def load(master: int, port: int, url: str, workers: int, changes: Path | None = None) -> "Flask":
    """Creates the application in a worker. If that fails, prints the reason and exits.

    `url` is the URL of the service, and `workers` the number of workers. They share the file
    `changes`, if there are replicas.
    """
    with exit_on_errors():
        return _load(master, port, url, workers, changes)


def _load(master: int, port: int, url: str, workers: int, changes: Path | None) -> "Flask":
    die_with_parent(master)
    limit_retained_memory()
    settings = Settings.of(os.environ)
    settings = replace(settings, hashes=settings.hashes_per_worker(workers))
    logs.configure(settings.log_format)
    from entrypoints.background import start_background_work
    from entrypoints.container import Container
    from entrypoints.slow_clients import SlowClients

    container = Container(settings=settings, changes_file=changes)
    app: Flask = container.app()
    start_background_work(container, settings, address=url)
    SlowClients(
        port,
        seconds=settings.body_seconds + settings.request_seconds,
        idle_seconds=settings.header_seconds,
    ).watch()
    tune_gc()
    return app
