"""The files that commands read and write; - is standard input or output."""

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from stat import S_ISREG
from typing import IO, BinaryIO, TextIO

import click

from application.ports import Unavailable

STANDARD = "-"
_OWNER_ONLY = 0o600
_READ_BY_OTHERS = 0o044

_ENDINGS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
# Files to read may also be named like this. The reader of CSV explains what a workbook is.
_ENDINGS_TO_READ = {
    **_ENDINGS,
    **dict.fromkeys((".tsv", ".tab"), "csv"),
    ".json": "jsonl",
    **dict.fromkeys((".xlsx", ".xlsm", ".xls", ".ods", ".numbers"), "csv"),
}

as_format = click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "jsonl"]),
    help="The format of FILE.  [default: by the end of its name; csv for -]",
)


class FileFailed(Unavailable):
    """A file can't be read or written: the disk is full, there is no permission."""

    code = "file_failed"

    def __init__(self, name: str, error: OSError) -> None:
        super().__init__(f"{name}: {os.strerror(error.errno) if error.errno else error}.")


def standard_output() -> BinaryIO:
    """The bytes of standard output. Raises FileFailed if it is closed."""
    return _buffer(sys.stdout, "standard output")


def _buffer(stream: TextIO | None, name: str) -> BinaryIO:
    """The interpreter has no stream for a descriptor that is closed."""
    if stream is None:
        raise FileFailed(name, OSError(errno.EBADF, os.strerror(errno.EBADF)))
    return stream.buffer


def format_of(name: str, chosen: str | None, *, reading: bool = False) -> str:
    """The chosen format, or the one of the name. Raises UsageError if the name has none."""
    ending = ".csv" if name == STANDARD else Path(name).suffix.lower()
    if found := chosen or (_ENDINGS_TO_READ if reading else _ENDINGS).get(ending):
        return found
    raise click.UsageError(f"{name} ends neither with .csv nor with .jsonl: use --format.")


@contextmanager
def reading(name: str) -> Iterator[BinaryIO]:
    """The file's bytes. FileFailed."""
    with _failing_with_reason(name), _opened(name) as file:
        yield file


@contextmanager
def writing(name: str) -> Iterator[BinaryIO]:
    """Open a file for writing. Raises FileFailed, also as it is closed; not for a closed pipe.

    A new file is readable by its owner only. An existing one keeps its owner and permissions,
    with a warning if other users of the machine may read it.
    """
    with _failing_with_reason(name):
        try:
            with _created(name) as file:
                _warn_of_readers(name, file)
                yield file
                file.flush()
        except OSError:
            if name == STANDARD:
                _discard_stdout()
            raise


def write(parts: Iterable[bytes], file: IO[bytes]) -> None:
    """All parts, one after the other."""
    for part in parts:
        file.write(part)


def _opened(name: str) -> "nullcontext[BinaryIO] | BinaryIO":
    return (
        nullcontext(_buffer(sys.stdin, "standard input"))
        if name == STANDARD
        else Path(name).open("rb")
    )


def _created(name: str) -> "nullcontext[BinaryIO] | BinaryIO":
    if name == STANDARD:
        return nullcontext(standard_output())
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    return os.fdopen(os.open(name, flags, _OWNER_ONLY), "wb")


def _warn_of_readers(name: str, file: BinaryIO) -> None:
    if name == STANDARD or name.startswith("/dev/"):
        return
    status = os.fstat(file.fileno())
    if not S_ISREG(status.st_mode):
        return
    if status.st_uid != os.geteuid():
        remedy = "remove it first, or choose another name"
        click.echo(f"Warning: {name} belongs to another user, who can read it: {remedy}", err=True)
    elif status.st_mode & _READ_BY_OTHERS:
        remedy = f"chmod 600 {name}"
        click.echo(f"Warning: other users of this machine can read {name}: {remedy}", err=True)


@contextmanager
def _failing_with_reason(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        raise FileFailed("standard output" if name == STANDARD else name, error) from error


def _discard_stdout() -> None:
    """Or the interpreter would try in vain, as it ends, to write what is left, and say so."""
    with suppress(OSError):  # it is no file where somebody else listens
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
