"""Books and their rules."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any, Final, NamedTuple
from uuid import UUID

from application.entities import EntityType, UniqueKey
from domain import text
from domain.attributes import (
    AttributeRules,
    EntityChanges,
    EntityNotFound,
    KeyTaken,
    NewEntity,
    Rule,
    Versioned,
)
from domain.errors import Problem


def _any(_: object) -> None:
    """Accepts every value of the kind."""


def _short(value: object) -> Problem | None:
    if isinstance(value, str) and len(value) <= 500:
        return None
    return Problem("too_long", "must have at most 500 characters")


def _positive(value: object) -> Problem | None:
    if isinstance(value, int | Decimal) and value > 0:
        return None
    return Problem("out_of_range", "must be positive")


RULES: Final[Mapping[str, Rule]] = {
    "title": partial(text.single_line, max_length=250),
    "isbn": partial(text.slug, max_length=20),
    "summary": _short,
    "lent": text.boolean,
    "pages": _positive,
    "sold": _any,
    "price": _positive,
    "published": _any,
    "due": _any,
    "contact": partial(text.email, max_length=250),
    "website": _any,
    "edition": _any,
    "state": _any,
    "extra": _any,
    "pin": partial(text.slug, max_length=20),
}
ATTRIBUTES: Final = AttributeRules(
    RULES,
    required=("title",),
    nullable=frozenset(
        {*("isbn", "summary", "pages", "price", "published", "due", "contact", "website")}
        | {"edition", "extra", "pin"}
    ),
    personal=frozenset({"contact"}),
    secret=frozenset({"pin"}),
)


class BookNotFound(EntityNotFound):
    """No book has that id or ISBN."""

    code = "book_not_found"
    noun = "book"
    meaning = "There is no such book."


class IsbnTaken(KeyTaken):
    """Another book has the ISBN."""

    code = "isbn_taken"
    noun = "book"
    attribute = "isbn"
    meaning = "Another book has this ISBN."


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBook(NewEntity):
    """The attributes of a book to be created. Raises Invalid with every violation."""

    RULES = ATTRIBUTES

    title: str
    isbn: str | None = None
    summary: str | None = None
    lent: bool = False
    pages: int | None = None
    sold: int = 0
    price: Decimal | None = None
    published: date | None = None
    due: datetime | None = None
    contact: str | None = None
    website: str | None = None
    edition: UUID | None = None
    state: str = "new"
    extra: Any = None
    pin: str | None = None


class BookChanges(EntityChanges):
    """New values of some attributes of a book. Raises Invalid with every violation."""

    __slots__ = ()
    RULES = ATTRIBUTES


class _BookFields(NamedTuple):
    id: int
    title: str
    isbn: str | None
    summary: str | None
    lent: bool
    pages: int | None
    sold: int
    price: Decimal | None
    published: date | None
    due: datetime | None
    contact: str | None
    website: str | None
    edition: UUID | None
    state: str
    extra: Any
    pin: str | None
    creation_time: datetime
    update_time: datetime
    version: int


class Book(Versioned, _BookFields):
    """A book that exists."""

    __slots__ = ()


BOOK_TYPE: Final = EntityType(
    name="books",
    new=NewBook,
    changes=BookChanges,
    entity=Book,
    not_found=BookNotFound,
    unique=(UniqueKey("isbn", IsbnTaken),),
)
