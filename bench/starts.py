"""How long the command line and the service take to begin: `python -m bench.starts`.

Medians of several starts, each in seconds passed and in seconds of processor time, which other
work on the machine disturbs less.
"""

import os
import subprocess
import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from socket import create_server
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic, sleep

import psutil

_ROSTER = Path(sys.executable).with_name("roster")
_ROUNDS = 7
_PATIENCE = 30.0
_MIB = 1024**2


def main() -> None:
    with TemporaryDirectory() as directory:
        environment = {
            "PATH": os.environ["PATH"],
            "ROSTER_DATABASE_URL": f"sqlite:///{directory}/roster.db",
        }
        subprocess.run([_ROSTER, "db", "upgrade"], env=environment, check=True, capture_output=True)
        helped = [_help(environment) for _ in range(_ROUNDS)]
        served = [_serve(environment) for _ in range(_ROUNDS)]
    _print("roster --help", [each[0] for each in helped], [each[1] for each in helped])
    _print("first answer", [each[0] for each in served], [each[1] for each in served])
    memory = median(each[2] for each in served)
    sys.stdout.write(f"a worker's resident memory then: {memory:.1f} MiB\n")


def _print(name: str, passed: list[float], worked: list[float]) -> None:
    sys.stdout.write(f"{name}: {median(passed):.2f} s, {median(worked):.2f} s of processor time\n")


def _help(environment: dict[str, str]) -> tuple[float, float]:
    began = monotonic()
    process = psutil.Popen([_ROSTER, "--help"], env=environment, stdout=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    return monotonic() - began, usage.ru_utime + usage.ru_stime


def _serve(environment: dict[str, str]) -> tuple[float, float, float]:
    """Until the first user's list is there; with the worker's memory in MiB."""
    with create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    began = monotonic()
    command = [_ROSTER, "serve", f"--port={port}", "--workers=1"]
    service = psutil.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        while not _answers(port):
            if monotonic() > began + _PATIENCE:
                raise TimeoutError("the service does not answer")
            sleep(0.005)
        passed = monotonic() - began
        worker = service.children()[0]
        times = [each.cpu_times() for each in (service, worker)]
        worked = sum(each.user + each.system for each in times)
        return passed, worked, worker.memory_info().rss / _MIB
    finally:
        service.terminate()
        service.wait(_PATIENCE)


def _answers(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
    try:
        connection.request("GET", "/api/v1/users")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    main()
