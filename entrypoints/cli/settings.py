"""roster settings."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

import click

from entrypoints.cli import output
from entrypoints.cli.environment import source_of
from entrypoints.cli.lists import as_document
from entrypoints.settings import BadSetting, Settings, read_setting, trimmed, without_secret

INVALID = "(invalid)"
NONE = "(none)"


class BadSettings(Exception):
    """Some settings are invalid. The arguments are the problems."""


@click.command()
@as_document
def settings(as_json: bool) -> None:
    """Print all settings with their values and sources.

    Secrets are hidden. The exit status is 2 if a setting is invalid.

    \b
    roster settings
    roster --env-file production.env settings --json
    """
    problems: list[str] = []
    listed = list(_settings(os.environ, problems))
    if as_json:
        output.meta({"settings": listed})
    else:
        from entrypoints.cli import tables

        rows = [(each["name"], _cell(each), each["source"]) for each in listed]
        tables.show_texts(("setting", "value", "source"), rows)
    if not problems:  # each setting is valid; check their combinations
        Settings.of(os.environ)
    else:
        raise BadSettings(*problems)


def _settings(environment: Mapping[str, str], problems: list[str]) -> Iterator[dict[str, Any]]:
    """Describes the settings in their order. Adds the errors to `problems`."""
    for each in fields(Settings):
        name = each.metadata["name"]
        text = environment.get(name, each.metadata["default"])
        described: dict[str, Any] = {"name": name, "value": None, "source": source_of(name)}
        try:
            read_setting(each.metadata, environment)
        except BadSetting as error:
            problems.append(str(error))
            described["problem"] = error.problem
        else:
            if text:
                described["value"] = without_secret(each.metadata, trimmed(text))
        yield described


def _cell(described: Mapping[str, Any]) -> str:
    if "problem" in described:
        return INVALID
    return NONE if described["value"] is None else str(described["value"])
