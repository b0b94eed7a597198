"""`roster serve` as a process."""

import json
import os
import re
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import psutil
from roster_process import JSONAPI, ROSTER, USERS
from waiting import until

_PORT = re.compile(r'http://[^\s"]+:(\d+)')
_numbers = count(1)


class Listener:
    """A process that listens on a port of this machine."""

    port: int

    def connect(self, sent: bytes = b"") -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        connection.sendall(sent)
        return connection

    def listens(self) -> bool:
        try:
            self.connect().close()
        except ConnectionRefusedError:
            return False
        return True


class Server(Listener):
    """`roster serve` in a directory, on a free port unless the options name one."""

    def __init__(self, directory: Path, *options: str, **environment: str) -> None:
        self._log = directory / f"server-{next(_numbers)}.log"
        with self._log.open("wb") as log:
            self.process = psutil.Popen(
                [ROSTER, "serve", "--port", "0", *options],
                cwd=directory,
                env={"PATH": os.environ["PATH"], **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_until_ready(self) -> None:
        until(lambda: self.process.poll() is not None or self.is_ready(), within=60)
        assert self.process.poll() is None, self.log()

    @cached_property
    def port(self) -> int:  # type: ignore[override]  # known when the server has logged it
        """The port that the server has logged."""
        found = _PORT.search(self.log())
        assert found, self.log()
        return int(found[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, **options: Any) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", **{"timeout": 20, **options})

    def post(self, body: Any, **options: Any) -> httpx.Response:
        options = {"headers": {"Content-Type": JSONAPI}, "timeout": 20, **options}
        return httpx.post(f"{self.url}{USERS}", content=body, **options)

    def is_ready(self) -> bool:
        if not _PORT.search(self.log()):
            return False
        with suppress(httpx.TransportError):
            return self.get("/readyz").status_code == 200
        return False

    @staticmethod
    def user(email: str = "ann@example.org") -> bytes:
        """A document that creates a user."""
        attributes = {"email": email, "name": "Ann"}
        return json.dumps({"data": {"type": "users", "attributes": attributes}}).encode()

    @staticmethod
    def post_headers(*lines: str) -> bytes:
        """The request line and the headers of a POST of a user, with further header lines."""
        fixed = (f"POST {USERS} HTTP/1.1", "Host: localhost", f"Content-Type: {JSONAPI}")
        return "\r\n".join((*fixed, *lines, "", "")).encode()

    def workers(self) -> list[psutil.Process]:
        """The processes that serve, without Python's resource tracker."""
        found = []
        for child in self.process.children():
            with suppress(psutil.NoSuchProcess):
                if "resource_tracker" not in str(child.cmdline()):
                    found.append(child)
        return found

    def log(self) -> str:
        return self._log.read_text()

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The log entries of an event."""
        entries = [json.loads(line) for line in self.log().splitlines()]
        return [entry for entry in entries if entry["event"] == event]

    def terminate(self) -> None:
        """Sends SIGTERM, and checks that the server ends normally."""
        self.process.terminate()
        assert self.process.wait(15) == 0, self.log()

    def stop(self) -> None:
        for each in [self.process, *self.process.children()] if self.process.is_running() else []:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        self.process.wait()


Serve = Callable[..., Server]
