"""Disks without free space."""

from contextlib import suppress
from pathlib import Path


def fill(disk: Path) -> Path:
    """Fills a disk with one file, and returns the file."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return ballast
