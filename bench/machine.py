"""The machine: which cores do what, what processes cost, and how it is described."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

CORES = sorted(os.sched_getaffinity(0))
APPLICATION = CORES[:1]
"""The core of the application; the database and the load have the others."""


@contextmanager
def others() -> Iterator[None]:
    """Inside, this process and those that it starts leave the application's core alone."""
    os.sched_setaffinity(0, CORES[1:] or CORES)
    try:
        yield
    finally:
        os.sched_setaffinity(0, CORES)


def cpu_seconds(process: psutil.Process) -> float:
    """What a process and its children have spent, those included that have ended."""
    spent = 0.0
    for each in [process, *process.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            spent += times.user + times.system + times.children_user + times.children_system
    return spent


def description() -> dict[str, str]:
    """What is worth knowing of it; nothing that tells whose it is."""
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
