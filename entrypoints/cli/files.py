"""The files that commands read and write; - is standard input or output."""

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO, BinaryIO

import click

from application.ports import Unavailable

STANDARD = "-"

_ENDINGS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}

as_format = click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "jsonl"]),
    help="What FILE holds.  [default: as its name ends; csv for -]",
)


class FileFailed(Unavailable):
    """A file can't be read or written: the disk is full, there is no permission."""

    code = "file_failed"

    def __init__(self, name: str, error: OSError) -> None:
        super().__init__(f"{name}: {os.strerror(error.errno) if error.errno else error}.")


def format_of(name: str, chosen: str | None) -> str:
    """The format that was chosen, or that the name tells. UsageError where neither does."""
    ending = ".csv" if name == STANDARD else Path(name).suffix.lower()
    if found := chosen or _ENDINGS.get(ending):
        return found
    raise click.UsageError(f"{name} ends neither with .csv nor with .jsonl: say --format.")


@contextmanager
def reading(name: str) -> Iterator[BinaryIO]:
    """The file's bytes. FileFailed."""
    with _told(name), _opened(name, "rb") as file:
        yield file


@contextmanager
def writing(name: str) -> Iterator[BinaryIO]:
    """A file to be written anew. FileFailed, at its end too; a closed pipe passes as it is."""
    with _told(name):
        try:
            with _opened(name, "wb") as file:
                yield file
                file.flush()
        except OSError:
            if name == STANDARD:
                _forget_standard_output()
            raise


def write(parts: Iterable[bytes], file: IO[bytes]) -> None:
    """All parts, one after the other."""
    for part in parts:
        file.write(part)


def _opened(name: str, mode: str) -> "nullcontext[BinaryIO] | BinaryIO":
    if name == STANDARD:
        return nullcontext(sys.stdin.buffer if mode == "rb" else sys.stdout.buffer)
    return Path(name).open(mode)  # type: ignore[return-value]


@contextmanager
def _told(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        raise FileFailed("standard output" if name == STANDARD else name, error) from error


def _forget_standard_output() -> None:
    """Or the interpreter would try in vain, as it ends, to write what is left, and say so."""
    with suppress(OSError):  # it is no file where somebody else listens
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
