"""roster: its commands, and how they end."""

from typing import Any

import click

from domain.errors import RosterError
from entrypoints.cli.db import db
from entrypoints.cli.serve import serve
from entrypoints.settings import BadSetting


class Failed(click.ClickException):
    """The command was right and could not be done."""

    exit_code = 1


class WronglySet(click.ClickException):
    """The command can't begin with a setting like this."""

    exit_code = 2


class Roster(click.Group):
    """Says in one line on standard error why a command could not do its work."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BadSetting as error:
            raise WronglySet(str(error)) from error
        except RosterError as error:
            raise Failed(f"{error.code}: {error.detail}") from error


@click.group(cls=Roster)
@click.version_option(package_name="roster")
def main() -> None:
    """A directory of users as a service."""


main.add_command(db)
main.add_command(serve)
