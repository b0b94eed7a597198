"""A resource that Roster does not have: the format must know nothing of users."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from hypothesis import settings
from marshmallow import fields
from marshmallow_jsonapi import Schema

from adapters.jsonapi.cursors import Cursors
from adapters.jsonapi.resource import Resource, boolean, text, timestamp
from application.keys import Keys

# Machines are slow at times; that is no fault of the code.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


class BookSchema(Schema):
    class Meta:
        type_ = "books"

    id = fields.String(dump_only=True)
    title = text(required=True, folded=True)
    shelf = text()
    lent = boolean()
    bought = timestamp()


@dataclass(frozen=True)
class Book:
    id: int
    title: str
    shelf: str
    lent: bool
    bought: datetime


@pytest.fixture(scope="session")
def books() -> Resource:
    return Resource.of(BookSchema, personal=("title",))


@pytest.fixture(scope="session")
def book() -> type[Book]:
    return Book


@pytest.fixture(scope="session")
def cursors() -> Any:
    return Cursors(Keys(lambda: b"a secret"))
