"""All ways to write a document produce the same bytes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal as Number
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.jsonapi import kinds
from adapters.jsonapi.catalog import Catalog
from adapters.jsonapi.cursors import Cursors
from adapters.jsonapi.documents import DocumentWriter
from adapters.jsonapi.parameters import CollectionQuery, collection
from adapters.jsonapi.resource import Resource
from adapters.resources.events import EVENTS
from adapters.resources.groups import GROUPS
from adapters.resources.urls import Urls
from adapters.resources.users import USERS
from application.groups import GROUP_TYPE, MEMBERSHIPS, OWNER
from application.relationships import Relationships
from application.search import Page
from application.users import USER_TYPE
from domain.groups import Group

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(-1e9, 1e9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
VALUES: dict[type[kinds.Kind], st.SearchStrategy[Any]] = {
    kinds.Text: TEXTS,
    kinds.MultilineText: TEXTS,
    kinds.Email: TEXTS,
    kinds.Url: TEXTS,
    kinds.Choice: st.sampled_from(("new", "used")),
    kinds.Boolean: st.booleans(),
    kinds.Integer: st.integers(-(2**31), 2**31 - 1),
    kinds.BigInteger: st.integers(-(2**63), 2**63 - 1),
    kinds.Decimal: st.integers(-(10**8), 10**8).map(lambda cents: Number(cents).scaleb(-2)),
    kinds.Date: st.dates(),
    kinds.Timestamp: st.datetimes(timezones=st.just(UTC)),
    kinds.Uuid: st.uuids(),
    kinds.Json: JSON,
}
"""Values of each kind. `books` has an attribute of each."""
BASE = 'https://example.org/a"b/é'


def plain_object(resource: Resource, entity: Any, base: str | None, shown: Any) -> dict[str, Any]:
    """The resource object of an entity, one value at a time."""
    attributes = {
        name: None if (value := getattr(entity, name)) is None else each.field.to_json(value)
        for name, each in resource.attributes.items()
        if shown is None or name in shown
    }
    key = resource.id.format(entity.id)
    links = {} if base is None else {"links": {"self": f"{base}/{key}"}}
    return {"type": resource.type, "id": key, "attributes": attributes, **links}


def plain_list(
    resource: Resource, entities: list[Any], base: str | None, parsed: CollectionQuery
) -> list[dict[str, Any]]:
    cursors = parsed.cursors.of(entities)
    return [
        {
            **plain_object(resource, entity, base, parsed.selection.fields(resource.type)),
            "meta": {"page": {"cursor": cursor}},
        }
        for entity, cursor in zip(entities, cursors, strict=True)
    ]


def data_of(document: bytes, data: object) -> bytes:
    """The document with other data, as orjson writes it."""
    return orjson.dumps({**orjson.loads(document), "data": data})


@given(data=st.data())
def test_writes_documents_with_values_of_every_kind_and_null(
    data: st.DataObject, books: Resource, full_book: Any, cursors: Cursors
) -> None:
    drawn = {
        name: VALUES[type(each.field)] | (st.none() if each.field.allow_none else st.nothing())
        for name, each in books.attributes.items()
    }
    values = st.fixed_dictionaries({"id": st.integers(1, 2**63 - 1), **drawn})
    entities = [replace(full_book, **each) for each in data.draw(st.lists(values, max_size=3))]
    shown = data.draw(st.none() | st.sets(st.sampled_from(sorted(books.attributes))))
    query = "" if shown is None else f"fields[books]={','.join(shown)}"
    parsed = collection(query, books, cursors)
    for has_urls, base in ((True, BASE), (False, None)):
        writer = DocumentWriter(books, BASE, described_by="/openapi.json", has_urls=has_urls)
        expected = plain_list(books, entities, base, parsed)
        written = writer.collection(Page(tuple(entities), more=False), parsed)
        assert written == data_of(written, expected)
        streamed = b"".join(writer.stream(entities, parsed))
        assert streamed == data_of(streamed, expected)
    for entity in entities:
        resource = plain_object(books, entity, BASE, shown)
        written = writer.single(entity, selection=parsed.selection)
        assert written == data_of(written, resource)
        assert writer.resource(entity, parsed.selection.fields(books.type)) == resource


@pytest.mark.parametrize("resource", [USERS, EVENTS])
def test_writes_the_document_of_an_empty_list(resource: Resource, cursors: Cursors) -> None:
    parsed = collection("", resource, cursors)
    written = Urls("").writer(resource).collection(Page((), more=False), parsed)
    assert orjson.loads(written)["data"] == []
    assert b'"data":[]' in written


SECOND = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
OWNED = Group(7, "É\n\u2028", None, 3, SECOND, SECOND + timedelta(milliseconds=120), 1)
GROUPS_WITHOUT_AND_WITH_OWNER = (
    OWNED,
    OWNED._replace(id=2**63 - 1, owner=None, description='"\\', creation_time=OWNED.update_time),
)


@pytest.mark.parametrize("below", ["", "/part"])
@pytest.mark.parametrize("query", ["", "fields[groups]=", "fields[groups]=owner,update_time"])
def test_a_list_of_one_is_written_as_a_part_of_a_longer_list(
    cursors: Cursors, query: str, below: str
) -> None:
    catalog = Catalog.of(
        [(USER_TYPE, USERS), (GROUP_TYPE, GROUPS)], Relationships(MEMBERSHIPS, OWNER)
    )
    parsed = collection(query, GROUPS, cursors, catalog)
    writer = DocumentWriter(GROUPS, BASE, described_by="/openapi.json", below=below)
    both = writer.collection(Page(GROUPS_WITHOUT_AND_WITH_OWNER, more=False), parsed)
    for position, group in enumerate(GROUPS_WITHOUT_AND_WITH_OWNER):
        written = writer.collection(Page((group,), more=False), parsed)
        assert written == data_of(written, orjson.loads(both)["data"][position : position + 1])
