"""roster: its commands, and how they end."""

from collections.abc import Iterable
from typing import Any

import click

from adapters.jsonapi.problems import Refused
from domain.errors import Invalid, RosterError
from entrypoints.cli.db import db
from entrypoints.cli.demo import demo
from entrypoints.cli.events import events
from entrypoints.cli.openapi import openapi
from entrypoints.cli.output import printable
from entrypoints.cli.serve import serve
from entrypoints.cli.token import token
from entrypoints.cli.users import users
from entrypoints.cli.users_io import export_users, import_users
from entrypoints.settings import BadSetting


class Failed(click.ClickException):
    """The command was right and could not be done."""

    exit_code = 1


class WronglyUsed(click.ClickException):
    """The command can't begin with a setting or an argument like this."""

    exit_code = 2


class Roster(click.Group):
    """Says in one line on standard error why a command could not do its work."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BadSetting as error:
            raise WronglyUsed(str(error)) from error
        except Refused as error:
            raise WronglyUsed(_lines(f"{e.code}: {e.detail}" for e in error.errors)) from error
        except Invalid as error:
            raise Failed(_lines(map(str, error.violations))) from error
        except RosterError as error:
            raise Failed(_lines([f"{error.code}: {error.detail}"])) from error


def _lines(messages: Iterable[str]) -> str:
    """Messages may quote what somebody stored, or typed."""
    return "\n".join(map(printable, messages))


@click.group(cls=Roster)
@click.version_option(package_name="roster")
def main() -> None:
    """A directory of users as a service."""


for command in (import_users, export_users):
    users.add_command(command)
for command in (users, events, db, serve, token, openapi, demo):
    main.add_command(command)
