"""Imports of a type with two unique keys on every store, and of one without a key."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from contract.books.conftest import SQL
from contract.books.domain import BOOK_TYPE, Book, NewBook
from contract.books.table import BOOKS_TABLE, TABLE
from sqlalchemy import MetaData, UniqueConstraint

from adapters.memory.store import MemoryStore
from adapters.sql import schema
from adapters.sql.engine import make_engine
from adapters.sql.repository import EntityTable
from adapters.sql.searchable import Searchable
from adapters.sql.store import SqlStore
from application.entities import UniqueKey
from application.imports import ImportOptions, ImportSummary, Record, RejectedRecord
from application.ports import Context
from application.record_import import Import, NoUniqueKey
from domain.attributes import KeyTaken

ANONYMOUS: Final = Context()


class WebsiteTaken(KeyTaken):
    """Another book has the website."""

    code = "website_taken"
    noun = "book"
    attribute = "website"
    meaning = "Another book has this website."


TWO_KEYS: Final = replace(BOOK_TYPE, unique=(*BOOK_TYPE.unique, UniqueKey("website", WebsiteTaken)))

Store = MemoryStore | SqlStore


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def two_keys_table() -> EntityTable[NewBook, Book]:
    """The table of books, with another unique constraint."""
    table = TABLE.to_metadata(MetaData(naming_convention=TABLE.metadata.naming_convention))
    table.append_constraint(UniqueConstraint("website"))
    searchable = Searchable(
        columns=[table.c[name] for name in Book._fields],
        folded={"title": table.c.title_key, "summary": table.c.summary_key},
        unique=(table.c.id, table.c.isbn, table.c.website),
    )
    unique = {"isbn": table.c.isbn, "website": table.c.website}
    return EntityTable(TWO_KEYS, table, searchable, derived=BOOKS_TABLE.derived, unique=unique)


@pytest.fixture(params=["memory", *SQL])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore(now)
        return
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/roster.db"
    else:
        url = request.getfixturevalue(request.param).new_database()
    engine = make_engine(url)
    schema.upgrade(engine)
    mapping = two_keys_table()
    mapping.table.create(engine)
    yield SqlStore(engine, now, [mapping])
    engine.dispose()


def imported(
    store: Store, rows: list[tuple[str | None, str | None]], *, update: bool
) -> tuple[ImportSummary, list[tuple[int, list[str]]]]:
    """Imports books with these ISBNs and websites. Also returns the lines and codes of errors."""
    reports: list[tuple[int, list[str]]] = []

    def report(rejected: RejectedRecord) -> None:
        reports.append((rejected.record.line, [error.code for error in rejected.errors]))

    records = [
        Record(line, {"title": "Emma", "isbn": isbn, "website": website})
        for line, (isbn, website) in enumerate(rows, start=1)
    ]
    options = ImportOptions(update=update, skip_errors=True)
    return Import(TWO_KEYS, store.begin)(records, ANONYMOUS, options, report), reports


def test_an_import_reports_which_key_is_taken(store: Store) -> None:
    rows = [("a", "one"), ("b", "one"), ("a", "two"), (None, "one"), (None, None), ("c", "two")]
    summary, reports = imported(store, [*rows], update=False)
    assert summary == ImportSummary(created=3, bad=3)
    assert reports == [(2, ["website_taken"]), (3, ["isbn_taken"]), (4, ["website_taken"])]


def test_an_update_rejects_a_record_whose_second_key_is_taken(store: Store) -> None:
    rows = [
        *(("a", "one"), ("b", None), ("c", "one"), ("b", "two"), ("d", "two"), ("b", "one")),
        *(("a", "three"), ("b", "one"), ("b", "ONE"), ("a", None), ("c", "three")),
        *((None, "three"), (None, "four")),
    ]
    summary, reports = imported(store, [*rows], update=True)
    assert summary == ImportSummary(created=4, changed=5, bad=4)
    assert reports == [(each, ["website_taken"]) for each in (3, 5, 6, 12)]
    with store.begin(ANONYMOUS) as work:
        books = work.repository(TWO_KEYS).find_by_keys(TWO_KEYS.unique[0], ["a", "b", "c"])
    assert {isbn: each.website for isbn, each in books.items()} == {
        "a": None,
        "b": "ONE",
        "c": "three",
    }


@pytest.mark.parametrize("options", [ImportOptions(update=True), ImportOptions(update_only=True)])
def test_an_update_requires_a_unique_key(options: ImportOptions) -> None:
    no_key = replace(BOOK_TYPE, unique=())
    records = [Record(1, {"title": "Emma"})]
    with pytest.raises(NoUniqueKey) as error:
        Import(no_key, MemoryStore(now).begin)(records, ANONYMOUS, options, lambda _: None)
    assert error.value.detail == (
        "An import cannot change books, because they have no unique attribute."
    )
