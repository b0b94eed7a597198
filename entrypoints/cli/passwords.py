"""Reads new passwords. A password is never an argument, because all users can see arguments."""

import secrets
from typing import Any, Final

import click

from entrypoints.cli.files import has_terminal, standard_input

_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
"""Characters that are easy to distinguish."""
_GROUP: Final = 6
_MIN_GROUPS: Final = 4
_MAX_LINE_BYTES: Final = 4096
"""The maximum number of bytes of a password on standard input. A longer one has too many
characters."""


def password_options(command: Any) -> Any:
    """Adds the options --stdin and --generate to a command that calls `read_password`."""
    for option in reversed(
        (
            click.option(
                "--stdin",
                "from_stdin",
                is_flag=True,
                help="Read the password from the first line of standard input.",
            ),
            click.option(
                "--generate",
                is_flag=True,
                help="Create a random password, and print it once on standard output.",
            ),
        )
    ):
        command = option(command)
    return command


def check_source(*, from_stdin: bool, generate: bool) -> None:
    """Raises UsageError if there is no source of a password, or two."""
    if from_stdin and generate:
        raise click.UsageError("--stdin and --generate cannot be combined.")
    if not (from_stdin or generate or has_terminal()):
        raise click.UsageError(
            "Standard input is not a terminal: use --stdin to read the password from its first "
            "line, or --generate."
        )


def read_password(*, from_stdin: bool, generate: bool, min_length: int) -> str:
    """Returns a new password: generated, from standard input, or entered twice on the terminal."""
    if generate:
        return generate_password(min_length)
    if from_stdin:
        return _first_line()
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return password


def generate_password(min_length: int) -> str:
    """Returns a random password of at least 118 bits, in groups of characters."""
    groups = max(_MIN_GROUPS, -(-min_length // _GROUP))
    return "-".join(
        "".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(groups)
    )


def _first_line() -> str:
    line = standard_input().readline(_MAX_LINE_BYTES)
    # Bytes that are not UTF-8 become lone surrogates, which no password may contain.
    return line.decode("utf-8", "surrogateescape").removesuffix("\n").removesuffix("\r")
