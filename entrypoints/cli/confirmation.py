"""Confirmation of changes that can't be undone."""

from typing import Any

import click

from entrypoints.cli.files import has_terminal


def yes_option(command: Any) -> Any:
    """Adds --yes to a command that calls `confirm`."""
    return click.option("--yes", is_flag=True, help="Do not ask for confirmation.")(command)


def confirm(message: str, *, yes: bool) -> None:
    """Prints a message on standard error, and asks for confirmation unless `yes` is set.

    The message consists of sentences, and states what will be lost, with the number of rows. Raises
    click.UsageError (status 2) if standard input is not a terminal, and click.Abort (status 1) if
    the user does not confirm.
    """
    if not yes and not has_terminal():
        raise click.UsageError(f"{message} Standard input is not a terminal: use --yes to confirm.")
    click.echo(message, err=True)
    if not yes:
        click.confirm("Continue?", abort=True, err=True)
