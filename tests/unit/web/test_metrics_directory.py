"""The directory in which the processes of a service share their metrics."""

import errno
import fcntl
import os
import tempfile
from pathlib import Path

import pytest

from adapters.web.metrics_directory import metrics_directory


def test_a_directory_that_cannot_be_locked_is_removed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """For example on a network file system without locks."""
    attempts = 0

    def refuse(_: object, operation: int) -> None:
        nonlocal attempts
        attempts += 1
        assert attempts == 1
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="No locks available"), metrics_directory():
        pass
    assert [*tmp_path.iterdir()] == []


def test_a_directory_that_another_process_removes_is_replaced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Until it is locked, it looks like that of a process that was killed."""
    lock = fcntl.flock
    removed: list[Path] = []

    def remove_first(descriptor: int, operation: int) -> None:
        if not removed:
            removed.extend(tmp_path.iterdir())
            removed[0].rmdir()
        lock(descriptor, operation)

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(fcntl, "flock", remove_first)
    with metrics_directory():
        (directory,) = tmp_path.iterdir()
        assert directory not in removed
    assert [*tmp_path.iterdir()] == []
