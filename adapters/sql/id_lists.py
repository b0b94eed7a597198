"""Lists of ids as one parameter of a statement, for any length."""

import json
from collections.abc import Collection, Iterable
from typing import Any, Final

from sqlalchemy import Boolean, Column, ColumnElement, Dialect, Text, TypeDecorator, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction

MAX_ID: Final = 2**63 - 1


def possible_ids(ids: Iterable[int]) -> list[int]:
    """Returns the ids that an entity can have, each once, in ascending order."""
    return sorted({each for each in ids if 0 < each <= MAX_ID})


class IdList(TypeDecorator[Collection[Any]]):
    """A parameter that is a list of ids, or of tuples of ids.

    The drivers of PostgreSQL and MariaDB write the list into the statement; an empty list is not
    allowed on MariaDB. SQLite gets it as JSON.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Collection[Any] | None, dialect: Dialect) -> Any:
        assert value is not None
        if dialect.name == "postgresql":
            return list(value)
        return tuple(value) if dialect.name == "mariadb" else json.dumps(list(value))


def is_among(column: Column[Any], name: str) -> ColumnElement[bool]:
    """Returns the test that the column has an id in the list of the parameter `name`."""
    return _IsAmong(column, bindparam(name, type_=IdList()))


class _IsAmong(GenericFunction[bool]):
    type = Boolean()
    inherit_cache = True

    def self_group(self, against: object = None) -> Any:  # noqa: ARG002 (it needs no brackets)
        """Not compared with 1, which SQLAlchemy adds for databases without booleans.

        No index would serve the comparison.
        """
        return self


@compiles(_IsAmong)
def _in_json(element: _IsAmong, compiler: SQLCompiler, **options: Any) -> str:
    column, ids = (compiler.process(each, **options) for each in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({ids}))"


@compiles(_IsAmong, "postgresql")
def _in_array(element: _IsAmong, compiler: SQLCompiler, **options: Any) -> str:
    column, ids = (compiler.process(each, **options) for each in element.clauses)
    return f"{column} = ANY({ids})"


@compiles(_IsAmong, "mariadb")
def _in_list(element: _IsAmong, compiler: SQLCompiler, **options: Any) -> str:
    column, ids = (compiler.process(each, **options) for each in element.clauses)
    return f"{column} IN {ids}"
