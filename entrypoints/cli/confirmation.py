"""Confirmation of changes that can't be undone."""

import sys
from typing import Any

import click


def yes_option(command: Any) -> Any:
    """Add --yes to a command that calls `confirm`."""
    return click.option("--yes", is_flag=True, help="Do it without asking for confirmation.")(
        command
    )


def confirm(message: str, *, yes: bool) -> None:
    """Say what is about to happen, and ask for confirmation unless `yes` is set.

    `message` is one or more sentences that say what will be lost, with the number of rows. It goes
    to standard error. Raises click.UsageError (status 2) if standard input is not a terminal, and
    click.Abort (status 1) if the answer is no.
    """
    if not yes and not sys.stdin.isatty():
        raise click.UsageError(f"{message} Standard input is not a terminal: use --yes to confirm.")
    click.echo(message, err=True)
    if not yes:
        click.confirm("Continue?", abort=True, err=True)
