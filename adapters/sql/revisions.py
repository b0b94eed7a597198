"""The tables and columns that each revision creates, read from its script.

This module imports Alembic, which takes half a second.
"""

import ast
from collections.abc import Iterator, Sequence
from functools import cache
from inspect import getsource
from typing import NamedTuple

from alembic.config import Config
from alembic.script import Script, ScriptDirectory


class Revision(NamedTuple):
    """A revision, with the tables and columns that it creates."""

    number: str
    tables: Sequence[str]
    columns: Sequence[tuple[str, str]]
    """(table, column) for each column that is added to a table of an earlier revision."""


def configuration() -> Config:
    """Alembic's configuration for the revisions of this release."""
    config = Config()
    config.set_main_option("script_location", "migrations:")
    return config


@cache
def revisions() -> Sequence[Revision]:
    """All revisions of this release, the oldest first."""
    scripts = ScriptDirectory.from_config(configuration()).walk_revisions()
    return [_revision(script.revision, getsource(script.module)) for script in scripts][::-1]


def number_of(name: str) -> str | None:
    """The number of the revision with this name in Alembic, such as "head". None for "base".

    Raises alembic.util.CommandError if there is no such revision.
    """
    directory = ScriptDirectory.from_config(configuration())
    script: Script | None = directory.get_revision(name)
    return script.revision if script else None


def _revision(number: str, source: str) -> Revision:
    calls = list(_calls(source))
    tables = [names[0] for function, names in calls if function == "create_table"]
    columns = [(names[0], names[1]) for function, names in calls if function == "add_column"]
    return Revision(number, tables, [column for column in columns if column[0] not in tables])


def _calls(source: str) -> Iterator[tuple[str, Sequence[str]]]:
    """Method calls outside `downgrade`, with the names in their first two arguments."""
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.FunctionDef) and statement.name != "downgrade":
            for call in ast.walk(statement):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                    yield call.func.attr, [_name(argument) for argument in call.args[:2]]


def _name(argument: ast.expr) -> str:
    """The string in an argument, or the name in an argument such as `sa.Column("name", …)`."""
    if isinstance(argument, ast.Call) and argument.args:
        return _name(argument.args[0])
    is_text = isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    return argument.value if is_text else ""  # type: ignore[attr-defined]
