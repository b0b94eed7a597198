"""Compares a text with a substring, in the way that each database supports."""

from typing import Any

from sqlalchemy import Integer, func
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction


class HasSubstring(GenericFunction[Any]):
    """True if a text contains a substring. The arguments are both, and a LIKE pattern for it."""

    # For Boolean, SQLAlchemy would append "= 1". MariaDB would then merge the conditions of two
    # words that are equal in the connection's collation, such as "a" and "ä".
    type = Integer()
    inherit_cache = True


@compiles(HasSubstring)
def _by_default(element: HasSubstring, compiler: SQLCompiler, **options: Any) -> str:
    """Compiles to `instr`, because LIKE ignores the case of ASCII letters on SQLite."""
    text, substring, _ = element.clauses
    return compiler.process(func.instr(text, substring) > 0, **options)


@compiles(HasSubstring, "postgresql")
def _for_postgresql(element: HasSubstring, compiler: SQLCompiler, **options: Any) -> str:
    """Compiles to LIKE, which can use a trigram index."""
    text, _, pattern = element.clauses
    return compiler.process(text.like(pattern), **options)
