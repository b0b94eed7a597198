"""The command `roster`: its subcommands and its error messages."""

import errno
import traceback
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from adapters.jsonapi.errors import RequestError
from application.ports import Unavailable
from domain.errors import Invalid, RosterError
from entrypoints.cli import environment
from entrypoints.cli.accounts import accounts
from entrypoints.cli.db import db
from entrypoints.cli.demo import demo
from entrypoints.cli.events import events
from entrypoints.cli.help import help_command, version
from entrypoints.cli.keys import keys
from entrypoints.cli.openapi import openapi
from entrypoints.cli.option_names import command_name
from entrypoints.cli.output import printable
from entrypoints.cli.serve import serve
from entrypoints.cli.settings import BadSettings, settings
from entrypoints.cli.token import token
from entrypoints.settings import BadSetting
from roster_command import import_problem

if TYPE_CHECKING:
    from application.relationships import Association
    from entrypoints.resources import RegisteredResource


class CommandFailed(click.ClickException):
    """The command is valid, but failed."""

    exit_code = 1


class InvalidUsage(click.ClickException):
    """A setting or an argument is invalid."""

    exit_code = 2


class Roster(click.Group):
    """Reports each error in one line on standard error.

    An unexpected error is also reported in one line, unless --traceback is given.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        names = [
            *(command_name(each.type.name) for each in _resources()),
            *(command_name(each.name) for each in _associations()),
        ]
        return sorted([*super().list_commands(ctx), *names])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Returns the command. A resource's commands are imported only here: that takes long."""
        if command := super().get_command(ctx, cmd_name):
            return command
        for each in _resources():
            if command_name(each.type.name) == cmd_name:
                from entrypoints.cli.collection import collection

                return collection(each)
        for association in _associations():
            if command_name(association.name) == cmd_name:
                from entrypoints.cli.associations import association_commands

                return association_commands(association)
        return None

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        """Parses the command line. --help and --version print here, before `invoke`."""
        try:
            return super().make_context(*arguments, **options)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise
            raise CommandFailed(_system_error(error)) from error

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except BadSetting as error:
            raise InvalidUsage(_lines([str(error)])) from error
        except BadSettings as error:
            raise InvalidUsage(_lines(error.args)) from error
        except RequestError as error:
            raise InvalidUsage(_lines(f"{e.code}: {e.detail}" for e in error.errors)) from error
        except Invalid as error:
            from entrypoints.cli.remedies import with_remedies

            raise CommandFailed(_lines(map(with_remedies, error.violations))) from error
        except Unavailable as error:
            raise CommandFailed(_lines([f"{error.code}: {error.explanation}"])) from error
        except RosterError as error:
            raise CommandFailed(_lines([f"{error.code}: {error.detail}"])) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader closed the pipe: click ends quietly
                raise
            raise CommandFailed(_system_error(error)) from error
        except Exception as error:  # a fault of Roster
            if ctx.params["traceback"]:
                raise
            raise CommandFailed(import_problem(error) or _bug_report(error)) from error


def _resources() -> "Sequence[RegisteredResource]":
    from entrypoints.resources import RESOURCES

    return RESOURCES


def _associations() -> "Iterator[Association]":
    return (link.association for each in _resources() for link in each.links)


def _lines(messages: Iterable[str]) -> str:
    """Joins the messages, and escapes control characters: they may quote stored or typed values.

    click writes "Error: " before the first message. This writes it before the others.
    """
    return "\nError: ".join(map(printable, messages))


def _system_error(error: OSError) -> str:
    """The message for an error of the operating system, with the names of the files."""
    files = ", ".join(str(each) for each in (error.filename, error.filename2) if each is not None)
    problem = error.strerror or type(error).__name__
    return f"system_error: {problem}: {files}" if files else f"system_error: {problem}"


def _bug_report(error: Exception) -> str:
    """The message for an unexpected error: its type and place. Its own text may contain values."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(last.filename).name}:{last.lineno}"
    return (
        f"internal_error: {_name(error)} at {place}. This is a bug in Roster. "
        "To see its traceback, run the command again as roster --traceback COMMAND."
    )


def _name(error: Exception) -> str:
    """The type of the error, or the message of a database failure, which contains no values."""
    from adapters.sql.failures import UnknownFailure

    if isinstance(error, UnknownFailure):
        return f"the database rejected a statement ({' '.join(str(error).split())})"
    return type(error).__name__


@click.group(cls=Roster, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="roster-directory")
@click.option(
    "--env-file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="Read settings from FILE. The environment takes precedence.  [default: .env, if it "
    "exists]",
)
@click.option("--traceback", is_flag=True, help="Show the traceback of an unexpected error.")
@click.pass_context
def main(context: click.Context, env_file: str | None, traceback: bool) -> None:  # noqa: ARG001
    """Manage a directory of users, and serve it."""
    environment.load(context, env_file)


for command in (
    accounts,
    events,
    db,
    serve,
    settings,
    token,
    keys,
    openapi,
    demo,
    help_command,
    version,
):
    main.add_command(command)
