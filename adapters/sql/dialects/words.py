"""Words that must be quoted when they are names, and that SQLAlchemy does not quote."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Engine, event

_WORDS: Final[Mapping[str, frozenset[str]]] = {
    "sqlite": frozenset({"nothing", "returning", "with"}),
    "postgresql": frozenset({"collation", "concurrently", "lateral", "system_user", "tablesample"}),
    "mariadb": frozenset(
        {"delete_domain_id", "master_demote_to_replica", "master_demote_to_slave"}
        | {"portion", "value"}
    ),
}


def quote_words(engine: Engine) -> None:
    """Makes the engine quote tables and columns whose name is a word of the database's SQL.

    The first connection to MariaDB replaces the words that SQLAlchemy knows.
    """
    dialect = engine.dialect
    words = _WORDS[dialect.name]

    def add_words(*_: object) -> None:
        preparer = dialect.identifier_preparer
        if not words <= preparer.reserved_words:
            preparer.reserved_words = preparer.reserved_words | words

    add_words()
    event.listen(engine, "connect", add_words)
