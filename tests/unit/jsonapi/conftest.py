"""A resource that Roster does not have, so that the format does not depend on users."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal as Number
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from marshmallow_jsonapi import Schema

from adapters.jsonapi.cursors import Cursors
from adapters.jsonapi.kinds import (
    BigInteger,
    Boolean,
    Choice,
    Date,
    Decimal,
    Email,
    Id,
    Integer,
    Json,
    Key,
    MultilineText,
    Text,
    Timestamp,
    Url,
    Uuid,
)
from adapters.jsonapi.resource import Resource
from application.keys import Keys
from domain import text
from domain.attributes import AttributeRules
from domain.errors import Problem


def _any(_: object) -> None:
    """Accepts every value of the kind."""


def _positive(value: object) -> Problem | None:
    if isinstance(value, (int, Number)) and value > 0:
        return None
    return Problem("out_of_range", "must be positive")


RULES = AttributeRules(
    {
        "title": partial(text.single_line, max_length=1000),
        "isbn": partial(text.slug, max_length=20),
        "shelf": partial(text.single_line, max_length=50),
        "subtitle": partial(text.single_line, max_length=250),
        "summary": _any,
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
    },
    required=("title",),
    nullable=frozenset(
        ("subtitle", "summary", "pages", "price", "published", "due", "contact", "edition", "extra")
    ),
    personal=frozenset(("title", "contact")),
    secret=frozenset(("pin",)),
)


class BookSchema(Schema):
    """Has attributes of every kind."""

    class Meta:
        type_ = "books"

    id = Id()
    title = Text(required=True, folded=True)
    isbn = Text(folded=True)  # unique
    shelf = Text()
    subtitle = Text(allow_none=True, folded=True)
    summary = MultilineText(allow_none=True)
    lent = Boolean()
    pages = Integer(allow_none=True)
    sold = BigInteger()
    price = Decimal(digits=8, scale=2, allow_none=True)
    published = Date(allow_none=True)
    due = Timestamp(allow_none=True)
    contact = Email(allow_none=True, key=Key("contact_key", text.email_key))
    website = Url()
    edition = Uuid(allow_none=True)
    state = Choice(values=("new", "used"))
    extra = Json(allow_none=True)
    pin = Text(load_only=True)
    bought = Timestamp(dump_only=True)


@dataclass(frozen=True)
class Book:
    id: int
    title: str
    shelf: str
    lent: bool
    bought: datetime
    isbn: str = "a-1"
    subtitle: str | None = None
    summary: str | None = None
    pages: int | None = None
    sold: int = 0
    price: Number | None = None
    published: date | None = None
    due: datetime | None = None
    contact: str | None = None
    website: str = "https://example.org/"
    edition: UUID | None = None
    state: str = "new"
    extra: Any = None
    pin: str = "the-secret-pin"


FULL: dict[str, Any] = {
    "subtitle": "A novel",
    "summary": "A tale\nof Highbury.",
    "pages": 474,
    "sold": 2**53 + 1,
    "price": Number("12.5"),
    "published": date(1815, 12, 23),
    "due": datetime(2026, 2, 1, 9, 30, 0, 120000, tzinfo=UTC),
    "contact": "jane@example.org",
    "edition": UUID("123e4567-e89b-12d3-a456-426614174000"),
    "state": "used",
    "extra": {"binding": ["cloth", 1]},
}


@pytest.fixture(scope="session")
def books() -> Resource:
    return Resource.of(BookSchema, RULES)


@pytest.fixture(scope="session")
def book() -> type[Book]:
    return Book


@pytest.fixture(scope="session")
def full_book() -> Book:
    """A book without nulls."""
    bought = datetime(2026, 1, 1, tzinfo=UTC)
    return Book(id=7, title="Emma", shelf="é", lent=True, bought=bought, **FULL)


@pytest.fixture(scope="session")
def cursors() -> Any:
    return Cursors(Keys(lambda: b"a secret"))
