"""Resources of the tests that are as unusual as resources may be.

Sources have attributes with names that the generic code also uses. Their unique attribute is not
text, and the word for one of them has a space. Notes have no attribute that lists can be sorted by
or that is unique.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple
from uuid import UUID

from contract.books.domain import BOOK_TYPE
from contract.books.plain import link_table
from contract.books.table import METADATA
from marshmallow_jsonapi import Schema
from marshmallow_jsonapi.fields import Relationship
from sqlalchemy import Column, ForeignKey, Identity, Integer, Table, UniqueConstraint

from adapters.jsonapi.kinds import Choice, Id, MultilineText, Text, Timestamp, Uuid
from adapters.jsonapi.resource import Resource
from adapters.sql.columns import BigIntId, text
from adapters.sql.columns import Timestamp as TimestampColumn
from adapters.sql.columns import Uuid as UuidColumn
from adapters.sql.repository import Derived, EntityTable
from adapters.sql.searchable import Searchable
from application.entities import EntityType, UniqueKey
from application.relationships import Association, ToOne
from domain import text as rules
from domain.attributes import (
    AttributeRules,
    EntityChanges,
    EntityNotFound,
    KeyTaken,
    NewEntity,
    Rule,
    Versioned,
    reference,
)
from domain.text import fold
from entrypoints.resources import RegisteredResource

TEXTS: Final = ("expected", "entity_id", "entities", "total")
MEDIA: Final = ("news site", "e-book", "a|b.c")
_TIME: Final = ["2026-11-22T09:30:00.123Z"]


def _any(_: object) -> None:
    """Accepts every value of the kind."""


SOURCE_RULES: Final[Mapping[str, Rule]] = {
    "isbn": _any,
    "medium": _any,
    **dict.fromkeys(TEXTS, partial(rules.single_line, max_length=50)),
}
SOURCE_ATTRIBUTES: Final = AttributeRules(
    SOURCE_RULES, required=("isbn",), nullable=frozenset(TEXTS)
)
NOTE_ATTRIBUTES: Final = AttributeRules(
    {
        "body": partial(rules.multiple_lines, max_length=100),
        "about": reference,
        "book": reference,
        "source": reference,
    },
    required=("body",),
    nullable=frozenset({"about", "book", "source"}),
    references=frozenset({"about", "book", "source"}),
)


class SourceNotFound(EntityNotFound):
    """No source has that id."""

    code = "source_not_found"
    noun = "news source"
    meaning = "There is no such source."


class SourceIsbnTaken(KeyTaken):
    """Another source has the number. Books have the same code."""

    code = "isbn_taken"
    noun = "news source"
    attribute = "isbn"
    meaning = "Another source has this number."


class NoteNotFound(EntityNotFound):
    """No note has that id."""

    code = "note_not_found"
    noun = "note"
    meaning = "There is no such note."


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSource(NewEntity):
    """The attributes of a source to be created."""

    RULES = SOURCE_ATTRIBUTES

    isbn: UUID
    medium: str = "e-book"
    expected: str | None = None
    entity_id: str | None = None
    entities: str | None = None
    total: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNote(NewEntity):
    """The attributes of a note to be created."""

    RULES = NOTE_ATTRIBUTES

    body: str
    about: int | None = None
    book: int | None = None
    source: int | None = None


class SourceChanges(EntityChanges):
    """New values of some attributes of a source."""

    __slots__ = ()
    RULES = SOURCE_ATTRIBUTES


class NoteChanges(EntityChanges):
    """New values of some attributes of a note."""

    __slots__ = ()
    RULES = NOTE_ATTRIBUTES


class _SourceFields(NamedTuple):
    id: int
    isbn: UUID
    medium: str
    expected: str | None
    entity_id: str | None
    entities: str | None
    total: str | None
    creation_time: datetime
    update_time: datetime
    version: int


class _NoteFields(NamedTuple):
    id: int
    body: str
    about: int | None
    book: int | None
    source: int | None
    creation_time: datetime
    update_time: datetime
    version: int


class Source(Versioned, _SourceFields):
    """A source that exists."""

    __slots__ = ()


class Note(Versioned, _NoteFields):
    """A note that exists."""

    __slots__ = ()


SOURCE_TYPE: Final = EntityType(
    name="sources",
    new=NewSource,
    changes=SourceChanges,
    entity=Source,
    not_found=SourceNotFound,
    unique=(UniqueKey("isbn", SourceIsbnTaken, is_text=False),),
)
NOTE_TYPE: Final = EntityType(
    name="notes", new=NewNote, changes=NoteChanges, entity=Note, not_found=NoteNotFound
)
NOTE_REFERENCES: Final = (
    ToOne("about", NOTE_TYPE, NOTE_TYPE),
    ToOne("book", NOTE_TYPE, BOOK_TYPE),
    ToOne("source", NOTE_TYPE, SOURCE_TYPE),
)
CITATIONS: Final = Association("citations", "citation", NOTE_TYPE, "sources", SOURCE_TYPE, "notes")
REPLIES: Final = Association("replies", "reply", NOTE_TYPE, "answers", NOTE_TYPE, "questions")


class SourceSchema(Schema):
    """The attributes of a source."""

    class Meta:
        type_ = "sources"

    id = Id()
    isbn = Uuid(required=True, examples=["123e4567-e89b-12d3-a456-426614174000"])
    medium = Choice(values=MEDIA, default="e-book", examples=["e-book"])
    expected = Text(allow_none=True, text_search=False, examples=["A text."])
    entity_id = Text(allow_none=True, text_search=False, examples=["A text."])
    entities = Text(allow_none=True, text_search=False, examples=["A text."])
    total = Text(allow_none=True, text_search=False, examples=["A text."])
    creation_time = Timestamp(dump_only=True, examples=_TIME)
    update_time = Timestamp(dump_only=True, examples=_TIME)
    notes = Relationship(many=True, type_="notes")


class NoteSchema(Schema):
    """The attributes of a note."""

    class Meta:
        type_ = "notes"

    id = Id()
    body = MultilineText(required=True, searched=True, examples=["See also."])
    creation_time = Timestamp(dump_only=True, filterable=False, examples=_TIME)
    update_time = Timestamp(dump_only=True, filterable=False, examples=_TIME)
    about = Relationship(type_="notes")
    book = Relationship(type_="books")
    source = Relationship(type_="sources")
    sources = Relationship(many=True, type_="sources")
    answers = Relationship(many=True, type_="notes")
    questions = Relationship(many=True, type_="notes")


_OPTIONS: Final[Mapping[str, Any]] = {
    "mariadb_engine": "InnoDB",
    "mariadb_default_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_nopad_bin",
}


def _own_columns(*columns: Column[Any]) -> list[Column[Any]]:
    """The columns of a table of entities, with the columns that each has."""
    return [
        Column("id", BigIntId, Identity(always=False), primary_key=True),
        *columns,
        Column("creation_time", TimestampColumn, nullable=False),
        Column("update_time", TimestampColumn, nullable=False),
        Column("version", Integer, nullable=False),
    ]


SOURCES: Final = Table(
    "sources",
    METADATA,
    *_own_columns(
        Column("isbn", UuidColumn, nullable=False),
        Column("medium", text(20), nullable=False),
        *(Column(name, text(50)) for name in TEXTS),
    ),
    UniqueConstraint("isbn"),
    sqlite_autoincrement=True,
    **_OPTIONS,
)
NOTES: Final = Table(
    "notes",
    METADATA,
    *_own_columns(
        Column("body", text(), nullable=False),
        Column("body_key", text(), nullable=False),
        Column("about", BigIntId, ForeignKey("notes.id")),
        Column("book", BigIntId, ForeignKey("books.id")),
        Column("source", BigIntId, ForeignKey("sources.id")),
    ),
    sqlite_autoincrement=True,
    **_OPTIONS,
)


SOURCES_TABLE: Final = EntityTable(
    SOURCE_TYPE,
    SOURCES,
    Searchable(
        columns=[SOURCES.c[name] for name in Source._fields],
        folded={},
        unique=(SOURCES.c.id, SOURCES.c.isbn),
    ),
    unique={"isbn": SOURCES.c.isbn},
)
NOTES_TABLE: Final = EntityTable(
    NOTE_TYPE,
    NOTES,
    Searchable(
        columns=[NOTES.c[name] for name in Note._fields],
        folded={"body": NOTES.c.body_key},
        unique=(NOTES.c.id,),
    ),
    derived={"body_key": Derived("body", fold)},
)
SOURCE_RESOURCES: Final = (
    RegisteredResource(SOURCE_TYPE, Resource.of(SourceSchema, SOURCE_ATTRIBUTES), SOURCES_TABLE),
    RegisteredResource(
        NOTE_TYPE,
        Resource.of(NoteSchema, NOTE_ATTRIBUTES),
        NOTES_TABLE,
        links=(link_table(CITATIONS, METADATA), link_table(REPLIES, METADATA)),
        references=NOTE_REFERENCES,
    ),
)
