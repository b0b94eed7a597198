"""Adds the env file to the environment, and warns about unknown settings."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Final

import click

from entrypoints import env_file
from entrypoints.cli.output import printable
from entrypoints.settings import Settings, has_secret

_ENV_FILE: Final = "entrypoints.cli.environment"
_PREFIX: Final = "ROSTER_"
_LIKENESS: Final = 0.75
_WITHOUT_SETTINGS: Final = ("help", "version")
_CHECKING: Final = ("serve", "settings")
"""The commands that warn about every unknown setting, not only about probable misspellings."""


def load(context: click.Context, name: str | None) -> None:
    """Adds the variables of the env file to the environment while the context is open.

    A variable that is set in the environment is not changed. Raises BadSetting if the file is
    invalid, and OSError if it can't be read.
    """
    if context.invoked_subcommand in _WITHOUT_SETTINGS:
        return
    if file := _read(name):
        added = {k: value for k, value in file.values.items() if k not in os.environ}
        os.environ.update(added)
        context.call_on_close(lambda: [os.environ.pop(each, None) for each in added])
        context.meta[_ENV_FILE] = (file.name, frozenset(added))
        if file.readable_by_others and has_secret(file.values):
            _warn(
                f"other users of this machine can read {file.name}, which has secrets: "
                f"chmod 600 {file.name}"
            )
    for unknown, nearest in unknown_settings(os.environ):
        if nearest is not None:
            _warn(f"{unknown} is not a setting. Did you mean {nearest}?")
        elif context.invoked_subcommand in _CHECKING:
            _warn(f"{unknown} is not a setting. roster settings prints all of them.")


def source_of(name: str) -> str:
    """The source of a setting's value: "environment", the name of an env file, or "default"."""
    file, names = click.get_current_context().meta.get(_ENV_FILE, ("", frozenset()))
    if name in names:
        return str(file)
    return "environment" if name in os.environ else "default"


def unknown_settings(environment: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    """The variables that look like settings but are not, each with a similar setting, if any."""
    known = [each.metadata["name"] for each in fields(Settings)]
    for name in sorted(environment):
        if name.startswith(_PREFIX) and name not in known:
            from difflib import get_close_matches

            yield name, next(iter(get_close_matches(name, known, 1, _LIKENESS)), None)


def _read(name: str | None) -> env_file.EnvFile | None:
    if name is not None:
        return env_file.read(name)
    if not os.path.isfile(env_file.DEFAULT):  # noqa: PTH113 (never raises, as in `sudo -u` in /root)
        return None
    if env_file.is_foreign(env_file.DEFAULT):
        _warn(
            f"{env_file.DEFAULT} is ignored, because it belongs to another user. To read it, use "
            f"--env-file {env_file.DEFAULT}."
        )
        return None
    return env_file.read(env_file.DEFAULT)


def _warn(message: str) -> None:
    click.echo(f"Warning: {printable(message)}", err=True)
