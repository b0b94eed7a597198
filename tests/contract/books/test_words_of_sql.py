"""Tables and columns whose names are words of SQL, on every database."""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from contract.books.conftest import SQL
from contract.books.plain import new_metadata
from sqlalchemy import Column, Engine, Integer, String, Table, insert, select, tuple_, update

from adapters.sql.engine import make_engine

pytestmark = pytest.mark.slow

WORDS: Final = (
    *("order", "class", "index", "from", "select", "key", "group", "end", "table", "returning"),
    *("nothing", "with", "collation", "concurrently", "lateral", "system_user", "tablesample"),
    *("delete_domain_id", "master_demote_to_slave", "portion", "value"),
)


@pytest.fixture(params=SQL)
def engine(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Engine]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/roster.db"
    else:
        url = request.getfixturevalue(request.param).new_database()
    engine = make_engine(url)
    yield engine
    engine.dispose()


def test_a_table_and_a_column_may_be_a_word_of_sql(engine: Engine) -> None:
    metadata = new_metadata()
    for word in WORDS:
        columns = Column("id", Integer, primary_key=True), Column(word, String(20))
        Table(word, metadata, *columns)
    metadata.create_all(engine)
    with engine.connect() as connection:
        for word, table in metadata.tables.items():
            column = table.c[word]
            connection.execute(insert(table), [{"id": n, word: str(n)} for n in (1, 2, 3)])
            connection.execute(update(table).where(column == "1").values({word: "4"}))
            ordered = select(column).where(tuple_(column, table.c.id) > ("2", 2))
            rows = connection.execute(ordered.order_by(column.desc()))
            assert [row[0] for row in rows] == ["4", "3"], word
