"""Roster as a user runs it, on a port that it keeps after a restart."""

import json
import os
import subprocess
import sys
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import psutil
from roster_process import ROSTER, free_port, is_gone
from waiting import until

from adapters.tokens.issuer import sign

DEADLINE = 2.0
_POOL = 4
_SECONDS_TO_END = DEADLINE + 5
_KINDS = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mariadb+pymysql": "MariaDB"}
# PYTHONPATH selects the release. ROSTER refuses that if the release has no roster_command.py.
_COMMAND_OF_RELEASE = [sys.executable, "-P", "-c", "from entrypoints.cli.main import main; main()"]


class Service:
    """`roster serve` over a database, which is migrated first, from this or another release."""

    def __init__(
        self,
        directory: Path,
        database_url: str,
        *,
        workers: int = 2,
        port: int = 0,
        release: Path | None = None,
        **settings: str,
    ) -> None:
        self.port = port or free_port()
        self.kind = _KINDS[database_url.split(":")[0]]
        self.size = workers
        self.connections = workers * _POOL
        self._log = directory / f"service-{self.port}.log"
        roster = _COMMAND_OF_RELEASE if release else [ROSTER]
        self._command = [*roster, "serve", f"--port={self.port}", f"--workers={workers}"]
        self.environment = {
            "PATH": os.environ["PATH"],
            "ROSTER_DATABASE_URL": database_url,
            "ROSTER_REQUEST_SECONDS": str(DEADLINE),
            "ROSTER_POOL_SIZE": str(_POOL),
            "ROSTER_IDEMPOTENCY_BYTES": str(2**40),  # for hours of load from one principal
            **settings,
        }
        if release:
            self.environment["PYTHONPATH"] = str(release)
        self.headers = {}
        if secret := settings.get("ROSTER_JWT_SECRET"):
            token = sign(secret, ["users:read", "users:write"], seconds=86400, subject="load")
            self.headers["Authorization"] = f"Bearer {token}"
        migrate = [*roster, "db", "upgrade"]
        subprocess.run(migrate, env=self.environment, check=True, capture_output=True)

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = psutil.Popen(
                self._command, env=self.environment, stdout=log, stderr=subprocess.STDOUT
            )
        until(self._is_ready, within=60)

    def kill(self) -> None:
        """Kills only the master. The workers must end by themselves."""
        if self.process.poll() is not None:
            return
        workers = self.workers()
        self.process.kill()
        self.process.wait()
        until(lambda: all(is_gone(worker) for worker in workers))

    def terminate(self) -> None:
        """Sends SIGTERM, as an operator does."""
        self.process.terminate()

    def ended(self) -> int:
        """Waits for the end, and returns the exit status."""
        return int(self.process.wait(_SECONDS_TO_END))

    def workers(self) -> list[psutil.Process]:
        """The processes that serve, without Python's resource tracker."""
        return [each for each in self.process.children() if _serves(each)]

    def users(self) -> list[dict[str, Any]]:
        """All users, over HTTP."""
        found: list[dict[str, Any]] = []
        path = "/api/v1/users?page[size]=1000&fields[users]=email,name"
        while path:
            status, document = self._get_available(path)
            assert status == 200, document
            found += document["data"]
            path = document["links"]["next"]
        return found

    def events(self) -> list[dict[str, Any]]:
        """All events, from the command line of this release."""
        environment = {
            name: value for name, value in self.environment.items() if name != "PYTHONPATH"
        }
        done = subprocess.run([ROSTER, "events"], env=environment, check=True, capture_output=True)
        return list(map(json.loads, done.stdout.splitlines()))

    def log(self) -> str:
        return self._log.read_text()

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, self.log()
        with suppress(OSError, HTTPException):
            return self._get("/readyz")[0] == 200
        return False

    def _get_available(self, path: str) -> tuple[int, Any]:
        """Repeats the request while it gets 503, because the pool may have stale connections."""
        replies: list[tuple[int, Any]] = []

        def is_available() -> bool:
            replies.append(self._get(path))
            return replies[-1][0] != 503

        until(is_available, within=60, details=lambda: str(replies[-1]))
        return replies[-1]

    def _get(self, path: str) -> tuple[int, Any]:
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request("GET", path, headers=self.headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())


def _serves(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):  # it has just ended
        return "resource_tracker" not in str(process.cmdline())
    return False
