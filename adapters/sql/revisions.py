"""What the revisions create, as their scripts say: tables, and columns of tables that exist.

Imports Alembic, which takes half a second.
"""

import ast
from collections.abc import Iterator, Sequence
from inspect import getsource
from typing import NamedTuple

from alembic.config import Config
from alembic.script import ScriptDirectory


class Revision(NamedTuple):
    """A revision, and what it creates."""

    number: str
    tables: Sequence[str]
    columns: Sequence[tuple[str, str]]
    """Each with its table, if that is of an earlier revision."""


def configuration() -> Config:
    """Alembic's, for the revisions of this release."""
    config = Config()
    config.set_main_option("script_location", "migrations:")
    return config


def revisions() -> Sequence[Revision]:
    """All of this release, the oldest first."""
    scripts = ScriptDirectory.from_config(configuration()).walk_revisions()
    return [_revision(each.revision, getsource(each.module)) for each in scripts][::-1]


def number_of(name: str) -> str | None:
    """The number of the revision that Alembic knows by this name; None for "base".

    Raises alembic.util.CommandError if there is none.
    """
    found = ScriptDirectory.from_config(configuration()).get_revision(name)
    return found.revision if found else None


def _revision(number: str, source: str) -> Revision:
    calls = list(_calls(source))
    tables = [names[0] for function, names in calls if function == "create_table"]
    columns = [(names[0], names[1]) for function, names in calls if function == "add_column"]
    return Revision(number, tables, [each for each in columns if each[0] not in tables])


def _calls(source: str) -> Iterator[tuple[str, Sequence[str]]]:
    """The calls of Alembic's operations outside of `downgrade`, with their first two names."""
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.FunctionDef) and statement.name != "downgrade":
            for call in ast.walk(statement):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                    yield call.func.attr, [_name(each) for each in call.args[:2]]


def _name(argument: ast.expr) -> str:
    """The text of an argument; of a column its name."""
    if isinstance(argument, ast.Call) and argument.args:
        return _name(argument.args[0])
    is_text = isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    return argument.value if is_text else ""  # type: ignore[attr-defined]
