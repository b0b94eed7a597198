"""python -m bench.starts: measures how long the command line and the service take to start.

Prints medians of several starts, as elapsed time and as processor time. Other work on the machine
disturbs the processor time less.
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
_TIMEOUT = 30.0
_MIB = 1024**2


def main() -> None:
    with TemporaryDirectory() as directory:
        environment = {
            "PATH": os.environ["PATH"],
            "ROSTER_DATABASE_URL": f"sqlite:///{directory}/roster.db",
        }
        subprocess.run([_ROSTER, "db", "upgrade"], env=environment, check=True, capture_output=True)
        commands = [_help(environment) for _ in range(_ROUNDS)]
        services = [_serve(environment) for _ in range(_ROUNDS)]
    _print("roster --help", [each[0] for each in commands], [each[1] for each in commands])
    _print("first response", [each[0] for each in services], [each[1] for each in services])
    memory = median(each[2] for each in services)
    sys.stdout.write(f"a worker's resident memory then: {memory:.1f} MiB\n")


def _print(name: str, elapsed: list[float], cpu: list[float]) -> None:
    sys.stdout.write(f"{name}: {median(elapsed):.2f} s, {median(cpu):.2f} s of processor time\n")


def _help(environment: dict[str, str]) -> tuple[float, float]:
    """The elapsed time and the processor time of `roster --help`."""
    start = monotonic()
    process = psutil.Popen([_ROSTER, "--help"], env=environment, stdout=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    return monotonic() - start, usage.ru_utime + usage.ru_stime


def _serve(environment: dict[str, str]) -> tuple[float, float, float]:
    """The elapsed time and the processor time until the first response, and a worker's MiB."""
    with create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    start = monotonic()
    command = [_ROSTER, "serve", f"--port={port}", "--workers=1"]
    service = psutil.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        while not _responds(port):
            if monotonic() > start + _TIMEOUT:
                raise TimeoutError("the service does not respond")
            sleep(0.005)
        elapsed = monotonic() - start
        worker = service.children()[0]
        times = [each.cpu_times() for each in (service, worker)]
        cpu = sum(each.user + each.system for each in times)
        return elapsed, cpu, worker.memory_info().rss / _MIB
    finally:
        service.terminate()
        service.wait(_TIMEOUT)


def _responds(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT)
    try:
        connection.request("GET", "/api/v1/users")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    main()
