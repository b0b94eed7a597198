"""The principal of a command."""

import os
import pwd
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from application.access import Principal

_ACTOR = "entrypoints.cli.actor"


def _remember(context: click.Context, _: click.Parameter, name: str | None) -> None:
    if name is not None:
        check_subject(name)
        context.meta[_ACTOR] = name


def check_subject(name: str, param_hint: str | None = None) -> None:
    """Raises click.BadParameter if the name cannot be the subject of a token.

    Outside of a callback, `param_hint` is the option.
    """
    from application.access import MAX_SUBJECT_LENGTH, is_subject

    if not is_subject(name):
        raise click.BadParameter(
            f"must be 1 to {MAX_SUBJECT_LENGTH} printable characters, one of them visible",
            param_hint=param_hint,
        )


def check_subjects(
    _: click.Context, __: click.Parameter, names: tuple[str, ...]
) -> tuple[str, ...]:
    """Checks the values of a repeated option. Raises click.BadParameter if one is invalid."""
    for name in names:
        check_subject(name)
    return names


def actor_option(command: Any) -> Any:
    """Adds the option --actor to a command that changes something."""
    return click.option(
        "--actor",
        metavar="NAME",
        expose_value=False,
        callback=_remember,
        help="Record the change under this name.  [default: the operating system's user]",
    )(command)


def operator() -> "Principal":
    """The principal of the command: --actor, or the operating system's user."""
    from application.access import COMMAND_LINE, Principal

    context = click.get_current_context(silent=True)
    name = context.meta.get(_ACTOR) if context else None
    return Principal(COMMAND_LINE, None, name or _user())


def _user() -> str:
    """The name of the effective user; in some containers it has only a number."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
