"""A page of a list that is sorted by a nullable column reads about its own rows."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import Column, Engine, Identity, Index, Integer, MetaData, Table, insert

from adapters.sql.columns import BigIntId, NullsLowest, text
from adapters.sql.connection import RawConnection
from adapters.sql.engine import make_engine
from adapters.sql.search import SearchStatements
from adapters.sql.searchable import Searchable
from adapters.sql.transactions import read_connection
from application.search import Condition, Key, Op, Order, Page, Search, Slice, total_order

pytestmark = pytest.mark.slow

ROWS = 10_000
PAGE = 20
# A page reads at most PAGE + 1 rows of each of three ranges. MariaDB also counts rows that it
# reads again from temporary tables.
MAX_READ = 12 * PAGE
MAX_STEPS = 15_000
"""The steps of SQLite for some pages. It needs as many to read and sort 1000 rows."""

BOOKS = Table(
    "books",
    MetaData(),
    Column("id", BigIntId, Identity(always=False), primary_key=True),
    Column("shelf", Integer),
    Column("blurb", text(200), nullable=False),
    mariadb_engine="InnoDB",
)
Index("ix_books_shelf_id", NullsLowest(BOOKS.c.shelf), BOOKS.c.id)
Index("ix_books_shelf_desc_id", NullsLowest(BOOKS.c.shelf, descending=True), BOOKS.c.id)
SEARCHES = SearchStatements(Searchable(tuple(BOOKS.c), folded={}))
SHELVES = [None if number % 3 == 0 else number % 50 for number in range(ROWS)]


@pytest.fixture(scope="module", params=["sqlite", "postgresql_18", "postgresql_15", "mariadb"])
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('books')}/roster.db"
    else:
        url = request.getfixturevalue(request.param).new_database()
    engine = make_engine(url)
    BOOKS.create(engine)
    analyze = {"postgresql": "VACUUM ANALYZE books", "mariadb": "ANALYZE TABLE books"}
    with engine.connect() as connection:
        rows = [{"shelf": shelf, "blurb": "x" * 200} for shelf in SHELVES]
        connection.execute(insert(BOOKS), rows)
        connection.exec_driver_sql(analyze.get(engine.dialect.name, "ANALYZE"))
    yield engine
    engine.dispose()


def cost(connection: RawConnection, search_page: Callable[[], object], *, ties: int = 0) -> float:
    """The number of rows or steps of a search, as a share of the allowed maximum.

    MariaDB may also read the rows with the same value as the key in the nullable column: `ties`.
    It reads them even if the column is not nullable.
    """
    session: Any = connection.connection.dbapi_connection
    if connection.dialect.name == "sqlite":
        steps: list[None] = []
        session.set_progress_handler(lambda: steps.append(None), 1)
        try:
            search_page()
        finally:
            session.set_progress_handler(None, 0)
        return len(steps) / MAX_STEPS
    with closing(connection.connection.cursor()) as cursor:

        def rows_read() -> int:
            if connection.dialect.name == "mariadb":
                cursor.execute("SHOW SESSION STATUS LIKE 'Handler_read%'")
                return sum(int(value) for _, value in cursor.fetchall())
            cursor.execute(
                "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables"
                " WHERE relname = 'books'"
            )
            return int((cursor.fetchone() or (0,))[0])

        cursor.execute("BEGIN")
        before = rows_read()
        search_page()
        read = rows_read() - before
        cursor.execute("ROLLBACK")
    if connection.dialect.name == "mariadb":
        return read / (MAX_READ + ties)
    return read / MAX_READ


def key_at(*, null: bool) -> Key:
    """A key in the middle of the rows without a shelf, or of the rows with one."""
    ids = [number + 1 for number, shelf in enumerate(SHELVES) if shelf == (None if null else 25)]
    return (None if null else 25, ids[len(ids) // 2])


@pytest.mark.parametrize("conditions", [(), (Condition("id", Op.NE, (5,)),)], ids=["all", "filter"])
@pytest.mark.parametrize("descending", [False, True], ids=["up", "down"])
@pytest.mark.parametrize("end", ["start", "after", "before"])
@pytest.mark.parametrize("null", [False, True], ids=["value", "null"])
def test_a_page_by_a_nullable_column_reads_its_own_rows(
    engine: Engine, null: bool, end: str, descending: bool, conditions: tuple[Condition, ...]
) -> None:
    key = key_at(null=null)
    place = {
        "start": Slice(PAGE),
        "after": Slice(PAGE, after=key),
        "before": Slice(PAGE, before=key),
    }[end]
    search = Search(conditions, total_order((Order("shelf", descending),)), place)
    found: list[Page[Any]] = []
    with read_connection(engine) as connection:

        def search_page() -> None:
            found.append(SEARCHES.page(connection, search, tuple))

        search_page()  # the first time prepares the statement
        ties = sum(shelf == key[0] for shelf in SHELVES) if end == "before" else 0
        assert cost(connection, search_page, ties=ties) < 1
    assert len(found[1].items) == PAGE


def test_the_cost_of_reading_everything_is_noticed(engine: Engine) -> None:
    by_blurb = Search((), total_order((Order("blurb"),)), Slice(PAGE))
    with read_connection(engine) as connection:
        assert cost(connection, lambda: SEARCHES.page(connection, by_blurb, tuple)) > 1
