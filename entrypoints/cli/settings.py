"""roster settings."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

import click

from entrypoints.cli import output
from entrypoints.cli.environment import source_of
from entrypoints.cli.lists import as_document
from entrypoints.settings import BadSetting, Settings, read_setting, shown, trimmed

INVALID = "(invalid)"
NONE = "(none)"


class BadSettings(Exception):
    """Settings with which the service does not start. Its arguments are the problems."""


@click.command()
@as_document
def settings(as_json: bool) -> None:
    """Print every setting, its value, and where the value comes from.

    Secrets are hidden. The exit status is 2 if a setting is invalid.

    \b
    roster settings
    roster --env-file production.env settings --json
    """
    problems: list[str] = []
    found = list(_settings(os.environ, problems))
    if as_json:
        output.meta({"settings": found})
    else:
        from entrypoints.cli import tables

        rows = [(each["name"], _cell(each), each["source"]) for each in found]
        tables.show_texts(("setting", "value", "source"), rows)
    if not problems:  # each is valid by itself
        Settings.of(os.environ)
    else:
        raise BadSettings(*problems)


def _settings(environment: Mapping[str, str], problems: list[str]) -> Iterator[dict[str, Any]]:
    """The settings in their order; what is wrong with them is added to the problems."""
    for each in fields(Settings):
        name = each.metadata["name"]
        text = environment.get(name, each.metadata["default"])
        found: dict[str, Any] = {"name": name, "value": None, "source": source_of(name)}
        try:
            read_setting(each.metadata, environment)
        except BadSetting as error:
            problems.append(str(error))
            found["problem"] = error.problem
        else:
            if text:
                found["value"] = shown(each.metadata, trimmed(text))
        yield found


def _cell(found: Mapping[str, Any]) -> str:
    if "problem" in found:
        return INVALID
    return NONE if found["value"] is None else str(found["value"])
