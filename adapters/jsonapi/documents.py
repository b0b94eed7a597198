"""Entities -> documents, as JSON text."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson

from adapters.jsonapi.content_negotiation import CURSOR_PROFILE, media_type
from adapters.jsonapi.pagination import page_links, page_meta
from adapters.jsonapi.parameters import (
    URL_CHARACTERS,
    URL_SAFE,
    CollectionQuery,
    FieldSelection,
    Pairs,
)
from adapters.jsonapi.resource import Resource
from application.search import Page, tuple_getter

_WHOLE: Final = FieldSelection()
_LAYOUTS: Final = 256


class _Layout:
    """The attributes that are shown of an entity."""

    def __init__(self, resource: Resource, fields: frozenset[str] | None) -> None:
        shown = [
            attribute
            for name, attribute in resource.attributes.items()
            if fields is None or name in fields
        ]
        self._names = tuple(attribute.name for attribute in shown)
        self._values = tuple_getter(self._names)
        self._converted = [
            (position, attribute.field)
            for position, attribute in enumerate(shown)
            if not attribute.field.json_is_value
        ]

    def attributes(self, entities: Sequence[Any]) -> list[dict[str, Any]]:
        """Them and their values, of each of the entities."""
        if not (self._names and entities):
            return [{} for _ in entities]
        columns: list[Sequence[Any]] = list(zip(*map(self._values, entities), strict=True))
        for position, field in self._converted:
            columns[position] = field.serialize_column(columns[position])
        return [dict(zip(self._names, row, strict=True)) for row in zip(*columns, strict=True)]


class DocumentWriter:
    """Writes the documents of one resource's entities.

    `base` is the URL of its collection, `described_by` that of the API's description. Without
    `addressed` they have no URLs of their own.
    """

    def __init__(
        self, resource: Resource, base: str, *, described_by: str, addressed: bool = True
    ) -> None:
        self._type = resource.type
        self._id = resource.id
        self._addressed = addressed
        self._base = base
        self._described_by = described_by
        self._layout = lru_cache(_LAYOUTS)(partial(_Layout, resource))

    def url(self, entity: Any) -> str:
        """The URL of the entity's resource."""
        return f"{self._base}/{self._id.format(entity.id)}"

    def resource(self, entity: Any, fields: frozenset[str] | None = None) -> dict[str, Any]:
        """The resource object of an entity, with all of its attributes or only some."""
        key = self._id.format(entity.id)
        return {
            "type": self._type,
            "id": key,
            "attributes": self._layout(fields).attributes((entity,))[0],
            "links": {"self": f"{self._base}/{key}"},
        }

    def _document(
        self, data: object, links: dict[str, Any], shown: FieldSelection, **more: object
    ) -> bytes:
        links["describedby"] = self._described_by
        if shown.included:
            more["included"] = []
        return orjson.dumps({"jsonapi": {"version": "1.1"}, "links": links, "data": data, **more})

    def single(self, entity: Any, *, query: str = "", shown: FieldSelection = _WHOLE) -> bytes:
        """The document of one entity."""
        links = {"self": _with_query(self.url(entity), query)}
        return self._document(self.resource(entity, shown.fields), links, shown)

    def collection(
        self, page: Page[Any], question: CollectionQuery, *, query: str = "", profile: bool = False
    ) -> bytes:
        """The document of a page, with its links and the cursor of each item."""
        here = _with_query(self._base, query)
        links: dict[str, Any] = {
            "self": {"href": here, "type": media_type([CURSOR_PROFILE])} if profile else here
        }
        for name, pairs in page_links(page, question).items():
            links[name] = None if pairs is None else self._page_url(question, pairs)
        data = self._resource_objects(page.items, question)
        meta = page_meta(page, question)
        more = {"meta": {"page": meta}} if meta else {}
        return self._document(data, links, question.shown, **more)

    def _page_url(self, question: CollectionQuery, pairs: Pairs) -> str:
        """The URL of another page of the list."""
        query = "&".join(filter(None, (question.link_query, urlencode(pairs) if pairs else "")))
        return f"{self._base}?{query}" if query else self._base

    def stream(
        self, items: Iterable[Any], question: CollectionQuery, *, query: str = ""
    ) -> Iterator[bytes]:
        """The document of all items, in parts: it need never be held whole."""
        links = {"self": _with_query(self._base, query), "describedby": self._described_by}
        yield b'{"jsonapi":{"version":"1.1"},"links":' + orjson.dumps(links) + b',"data":['
        for position, item in enumerate(items):
            (written,) = self._resource_objects((item,), question)
            yield (b"," if position else b"") + orjson.dumps(written)
        yield b"]}"

    def _resource_objects(
        self, items: Sequence[Any], question: CollectionQuery
    ) -> list[dict[str, Any]]:
        """The resource objects of items of the list that was asked for."""
        kind, base, addressed = self._type, self._base, self._addressed
        attributes = self._layout(question.shown.fields).attributes(items)
        cursors = question.cursors.of(items)
        ids = self._id.serialize_column([item.id for item in items])
        return [
            {
                "type": kind,
                "id": key,
                "attributes": shown,
                **({"links": {"self": f"{base}/{key}"}} if addressed else {}),
                "meta": {"page": {"cursor": cursor}},
            }
            for key, shown, cursor in zip(ids, attributes, cursors, strict=True)
        ]


def _with_query(url: str, query: str) -> str:
    """The URL with a query string as it was sent, but for bytes that no URL can hold."""
    if not URL_SAFE.fullmatch(query):
        query = quote(query.encode("latin-1"), safe=URL_CHARACTERS)
    return f"{url}?{query}" if query else url
