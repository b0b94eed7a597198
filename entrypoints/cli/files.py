"""The files that commands read and write. - is standard input or output."""

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
_READABLE_BY_OTHERS = 0o044

_FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
# Only for reading. The reader of CSV rejects workbooks, and explains how to save them as CSV.
_READABLE_FORMATS = {
    **_FORMATS,
    **dict.fromkeys((".tsv", ".tab"), "csv"),
    ".json": "jsonl",
    **dict.fromkeys((".xlsx", ".xlsm", ".xls", ".ods", ".numbers"), "csv"),
}

format_option = click.option(
    "--format",
    "file_format",
    type=click.Choice(["csv", "jsonl"]),
    help="The format of FILE.  [default: from its extension; csv for -]",
)


class FileFailed(Unavailable):
    """A file cannot be read or written, for example because the disk is full."""

    code = "file_failed"

    def __init__(self, name: str, error: OSError) -> None:
        super().__init__(f"{name}: {os.strerror(error.errno) if error.errno else error}.")


def standard_output() -> BinaryIO:
    """Returns standard output as a binary stream. Raises FileFailed if it is closed."""
    return _buffer(sys.stdout, "standard output")


def standard_input() -> BinaryIO:
    """Returns standard input as a binary stream. Raises FileFailed if it is closed."""
    return _buffer(sys.stdin, "standard input")


def has_terminal() -> bool:
    """Returns True if standard input is a terminal."""
    return sys.stdin is not None and sys.stdin.isatty()


def _buffer(stream: TextIO | None, name: str) -> BinaryIO:
    if stream is None:  # the descriptor was closed before Python started
        raise FileFailed(name, OSError(errno.EBADF, os.strerror(errno.EBADF)))
    return stream.buffer


def format_of(name: str, chosen: str | None, *, reading: bool = False) -> str:
    """Returns the chosen format, or that of the file extension.

    Raises UsageError if the name is empty, or if no format is chosen and the extension is unknown.
    """
    require_name(name, or_standard=True)
    extension = ".csv" if name == STANDARD else Path(name).suffix.lower()
    if file_format := chosen or (_READABLE_FORMATS if reading else _FORMATS).get(extension):
        return file_format
    raise click.UsageError(f"The extension of {name} is neither .csv nor .jsonl. Use --format.")


@contextmanager
def open_to_read(name: str) -> Iterator[BinaryIO]:
    """Opens a file for reading.

    Raises UsageError if the name is empty, and FileFailed if the file cannot be opened or read.
    """
    require_name(name, or_standard=True)
    with _file_errors(name), _open(name) as file:
        yield file


@contextmanager
def open_to_write(name: str, *, truncate: bool = True) -> Iterator[BinaryIO]:
    """Opens a file for writing. Raises FileFailed if it cannot be opened, written or closed.

    Only the owner can read a new file. An existing file keeps its owner and permissions, and a
    warning is printed if other users of the machine can read it. Without `truncate`, it also keeps
    its content until `empty` removes it. With `truncate`, a warning states that the file is
    incomplete if the block raises an exception. Raises UsageError if the name is empty, and
    BrokenPipeError if the reader of a pipe is gone.
    """
    require_name(name, or_standard=True)
    with _file_errors(name):
        try:
            with _create(name, os.O_TRUNC if truncate else 0) as file:
                _warn_if_readable_by_others(name, file)
                try:
                    yield file
                    file.flush()
                except BaseException:
                    if truncate and _is_regular(file):
                        click.echo(f"Warning: {name} is incomplete.", err=True)
                    raise
        except OSError:
            if name == STANDARD:
                _discard_stdout()
            raise


def empty(file: BinaryIO) -> None:
    """Removes the content of a file. Standard output and pipes have none to remove."""
    if _is_regular(file):
        file.truncate(0)


def _is_regular(file: BinaryIO) -> bool:
    """Returns True if the file is a regular one, and not standard output."""
    is_standard = sys.stdout is not None and file is sys.stdout.buffer
    return not is_standard and S_ISREG(os.fstat(file.fileno()).st_mode)


def write(parts: Iterable[bytes], file: IO[bytes]) -> None:
    """Writes the parts to the file."""
    for part in parts:
        file.write(part)


def _open(name: str) -> "nullcontext[BinaryIO] | BinaryIO":
    return nullcontext(standard_input()) if name == STANDARD else Path(name).open("rb")


def _create(name: str, truncation: int) -> "nullcontext[BinaryIO] | BinaryIO":
    if name == STANDARD:
        return nullcontext(standard_output())
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | truncation
    return os.fdopen(os.open(name, flags, _OWNER_ONLY), "wb")


def _warn_if_readable_by_others(name: str, file: BinaryIO) -> None:
    if name == STANDARD or name.startswith("/dev/"):
        return
    status = os.fstat(file.fileno())
    if not S_ISREG(status.st_mode):
        return
    if status.st_uid != os.geteuid():
        remedy = "remove it first, or choose another name"
        click.echo(f"Warning: {name} belongs to another user, who can read it: {remedy}", err=True)
    elif status.st_mode & _READABLE_BY_OTHERS:
        remedy = f"chmod 600 {name}"
        click.echo(f"Warning: other users of this machine can read {name}: {remedy}", err=True)


def require_name(name: str, *, or_standard: bool = False) -> None:
    """Raises UsageError if the name is empty, such as that of an unset variable of a shell."""
    if not name:
        standard = ", or - for standard input or output" if or_standard else ""
        raise click.UsageError(f"The file name is empty. Enter a path{standard}.")


@contextmanager
def _file_errors(name: str) -> Iterator[None]:
    """Raises FileFailed in place of an OSError, except for a broken pipe."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        raise FileFailed("standard output" if name == STANDARD else name, error) from error


@contextmanager
def standard_output_errors() -> Iterator[None]:
    """Raises FileFailed if the block cannot write to standard output, except for a broken pipe."""
    with _file_errors(STANDARD):
        try:
            yield
        except OSError:
            _discard_stdout()
            raise


def _discard_stdout() -> None:
    """Redirects standard output to /dev/null after a failed write.

    Otherwise Python would try to flush the buffer when it exits, and print another error.
    """
    with suppress(OSError):  # standard output has no descriptor if it was replaced, as in tests
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
