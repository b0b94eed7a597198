"""Books as a JSON:API resource."""

from typing import Final

from contract.books.domain import ATTRIBUTES
from marshmallow_jsonapi import Schema

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
    MultilineText,
    Text,
    Timestamp,
    Url,
    Uuid,
)
from adapters.jsonapi.resource import Resource

_TIME: Final = ["2026-11-22T09:30:00.123Z"]


class BookSchema(Schema):
    """The attributes of a book. The domain has the rules of their values."""

    class Meta:
        type_ = "books"

    id = Id()
    title = Text(required=True, folded=True, searched=True, examples=["Emma"])
    isbn = Text(allow_none=True, text_search=False, examples=["a-1"])
    summary = MultilineText(allow_none=True, searched=True, examples=["Of\nHighbury."])
    lent = Boolean(default=False, examples=[True])
    pages = Integer(allow_none=True, examples=[474])
    sold = BigInteger(default=0, examples=[2**53 + 1])
    price = Decimal(digits=8, scale=2, allow_none=True, examples=["12.50"])
    published = Date(allow_none=True, examples=["1815-12-23"])
    due = Timestamp(allow_none=True, examples=_TIME)
    contact = Email(allow_none=True, text_search=False, examples=["jane@example.org"])
    website = Url(allow_none=True, text_search=False, examples=["https://example.org/"])
    edition = Uuid(allow_none=True, examples=["123e4567-e89b-12d3-a456-426614174000"])
    state = Choice(values=("new", "used"), default="new", examples=["used"])
    extra = Json(allow_none=True, examples=[{"binding": ["cloth", 1]}])
    pin = Text(allow_none=True, load_only=True, examples=["p-1"])
    creation_time = Timestamp(dump_only=True, examples=_TIME)
    update_time = Timestamp(dump_only=True, examples=_TIME)


BOOKS: Final = Resource.of(BookSchema, ATTRIBUTES)
