"""Reads, creates and replaces files that only their owner can access."""

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp
from typing import Final

from adapters.tokens.keys import UnusableKeySet

MAX_BYTES: Final = 256 * 1024
_OTHERS: Final = 0o007

Stamp = tuple[int, int, int, int]


class UnreadableFile(UnusableKeySet):
    """The file cannot be read now, for example because the process has too many open files."""


def stamp_of(path: str) -> Stamp | None:
    """Returns values that change with the file. None if it cannot be accessed."""
    try:
        status = os.stat(path)  # noqa: PTH116 (called often)
    except (OSError, ValueError):
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def read_private_file(path: str) -> bytes:
    """Returns the content.

    Raises UnreadableFile if the system cannot read the file now, and UnusableKeySet if all users
    can access it, or it is too long.
    """
    try:
        with Path(path).open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if mode & _OTHERS:
                raise UnusableKeySet(
                    f"the file {path} must not be accessible to all users of this machine: "
                    f"chmod o= {path}"
                )
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UnreadableFile(f"cannot read the file {path}: {_reason(error)}") from None
    except ValueError:
        raise UnusableKeySet("cannot read the file: its name is not valid") from None
    if len(content) > MAX_BYTES:
        raise UnusableKeySet(f"the file {path} is longer than {MAX_BYTES} bytes")
    return content


def create_private_file(path: str, content: bytes) -> bool:
    """Creates the file with its content at once. Returns False if it exists. Raises OSError.

    Several processes may do it concurrently: one of them creates the file.
    """
    with _temporary(path, content) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
    return True


def replace_private_file(path: str, change: Callable[[bytes], bytes]) -> None:
    """Replaces the content of the file with the result of `change`.

    Its owner, its group and its permissions remain. Concurrent replacements of the file wait.
    Raises OSError. Raises UnusableKeySet if the file cannot be read, now or with its new content,
    or if its owner and its group cannot remain.
    """
    real = os.path.realpath(path)
    with _locked(os.path.dirname(real)):  # noqa: PTH120
        content = change(read_private_file(real))
        if len(content) > MAX_BYTES:
            raise UnusableKeySet(f"the file {path} would be longer than {MAX_BYTES} bytes")
        existing = os.stat(real)  # noqa: PTH116
        with _temporary(real, content) as temporary:
            try:
                os.chown(temporary, existing.st_uid, existing.st_gid)
            except PermissionError:
                raise UnusableKeySet(
                    f"cannot keep the owner and the group of the file {path}: run the command as "
                    "its owner or as root"
                ) from None
            os.chmod(temporary, stat.S_IMODE(existing.st_mode) & ~_OTHERS)  # noqa: PTH101
            os.replace(temporary, real)  # noqa: PTH105


@contextmanager
def _temporary(path: str, content: bytes) -> Iterator[str]:
    """A file in the same folder, which only its owner can access. It is removed at the end."""
    folder, name = os.path.split(os.path.abspath(path))  # noqa: PTH100
    descriptor, temporary = mkstemp(prefix=f".{name}.", dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)  # noqa: PTH108


@contextmanager
def _locked(folder: str) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)
