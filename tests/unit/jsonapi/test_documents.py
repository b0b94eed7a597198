"""Documents are the same bytes, however they are written."""

from dataclasses import replace
from datetime import UTC
from decimal import Decimal as Number
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.jsonapi import kinds
from adapters.jsonapi.cursors import Cursors
from adapters.jsonapi.documents import DocumentWriter
from adapters.jsonapi.parameters import CollectionQuery, collection
from adapters.jsonapi.resource import Resource
from adapters.resources.addresses import Urls
from adapters.resources.events import EVENTS
from adapters.resources.users import USERS
from application.search import Page

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
"""By kind. `books` has an attribute of each."""
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
    resource: Resource, entities: list[Any], base: str | None, question: CollectionQuery
) -> list[dict[str, Any]]:
    cursors = question.cursors.of(entities)
    return [
        {
            **plain_object(resource, entity, base, question.shown.fields(resource.type)),
            "meta": {"page": {"cursor": cursor}},
        }
        for entity, cursor in zip(entities, cursors, strict=True)
    ]


def data_of(document: bytes, data: object) -> bytes:
    """The document with other data, as orjson writes all of it."""
    return orjson.dumps({**orjson.loads(document), "data": data})


@given(data=st.data())
def test_documents_of_entities_with_every_kind_and_null(
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
    question = collection(query, books, cursors)
    for addressed, base in ((True, BASE), (False, None)):
        writer = DocumentWriter(books, BASE, described_by="/openapi.json", addressed=addressed)
        expected = plain_list(books, entities, base, question)
        written = writer.collection(Page(tuple(entities), more=False), question)
        assert written == data_of(written, expected)
        streamed = b"".join(writer.stream(entities, question))
        assert streamed == data_of(streamed, expected)
    for entity in entities:
        resource = plain_object(books, entity, BASE, shown)
        written = writer.single(entity, shown=question.shown)
        assert written == data_of(written, resource)
        assert writer.resource(entity, question.shown.fields(books.type)) == resource


@pytest.mark.parametrize("resource", [USERS, EVENTS])
def test_the_document_of_an_empty_list(resource: Resource, cursors: Cursors) -> None:
    question = collection("", resource, cursors)
    written = Urls("").writer(resource).collection(Page((), more=False), question)
    assert orjson.loads(written)["data"] == []
    assert b'"data":[]' in written
