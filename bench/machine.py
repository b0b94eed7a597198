"""The machine: the cores of the application, CPU times of processes, and a description."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

CORES = sorted(os.sched_getaffinity(0))
APPLICATION = CORES[:1]
"""The core of the application. The database and the load have the others."""


@contextmanager
def on_other_cores() -> Iterator[None]:
    """In the block, this process and its new children do not use the application's core."""
    os.sched_setaffinity(0, CORES[1:] or CORES)
    try:
        yield
    finally:
        os.sched_setaffinity(0, CORES)


def cpu_seconds(process: psutil.Process) -> float:
    """The CPU time of a process and its children, including those that have ended."""
    total = 0.0
    for each in [process, *process.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def description() -> dict[str, str]:
    """The hardware and the system, without anything that identifies the machine."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "processor": f"{cpu}, {len(CORES)} cores",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"Linux {platform.release().split('-')[0]}",
        "python": platform.python_version(),
    }
