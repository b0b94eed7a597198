"""Writes entities as JSON:API documents."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import chain, repeat
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson
from orjson import Fragment

from adapters.jsonapi.content_negotiation import CURSOR_PROFILE, media_type
from adapters.jsonapi.filters import Pairs
from adapters.jsonapi.kinds import scalar_texts
from adapters.jsonapi.pagination import page_links, page_meta
from adapters.jsonapi.parameters import (
    URL_CHARACTERS,
    URL_SAFE,
    CollectionQuery,
    FieldSelection,
)
from adapters.jsonapi.resource import Resource
from application.search import Page, tuple_getter

_ALL_FIELDS: Final = FieldSelection()
_MAX_LAYOUTS: Final = 256


class _Layout:
    """A prepared template of the resource objects of one type with the same attributes.

    `fields` are the names of the attributes; None for all. Only the values differ between the
    resource objects, so the text between the values is written once.
    """

    def __init__(
        self, resource: Resource, base: str, addressed: bool, fields: frozenset[str] | None
    ) -> None:
        attributes = [
            attribute
            for name, attribute in resource.attributes.items()
            if fields is None or name in fields
        ]
        self._type = resource.type
        self._id = resource.id
        self._base = base
        self._addressed = addressed
        self._names = tuple(attribute.name for attribute in attributes)
        self._values = tuple_getter(self._names)
        self._id_and_values = tuple_getter(("id", *self._names))
        self._fields = [attribute.field for attribute in attributes]
        self._converted = [each for each in attributes if not each.field.json_is_value]
        *self._before_values, self._end = self._template().split(_PLACEHOLDER)

    def _template(self) -> bytes:
        """Returns the text of a resource object in a list, with a _PLACEHOLDER for each value."""
        template: dict[str, Any] = {
            "type": self._type,
            "id": Fragment(_PLACEHOLDER),
            "attributes": dict.fromkeys(self._names, Fragment(_PLACEHOLDER)),
        }
        if self._addressed:
            url = orjson.dumps(f"{self._base}/")
            template["links"] = {"self": Fragment(url.removesuffix(b'"') + _PLACEHOLDER)}
        template["meta"] = {"page": {"cursor": Fragment(_PLACEHOLDER)}}
        return orjson.dumps(template)

    def single(self, entity: Any) -> dict[str, Any]:
        """Returns the resource object of an entity."""
        key = self._id.format(entity.id)
        attributes = dict(zip(self._names, self._values(entity), strict=True))
        for each in self._converted:
            if (value := attributes[each.name]) is not None:
                attributes[each.name] = each.field.to_json(value)
        return {
            "type": self._type,
            "id": key,
            "attributes": attributes,
            "links": {"self": f"{self._base}/{key}"},
        }

    def listed(self, entities: Sequence[Any], cursors: Sequence[str]) -> list[bytes]:
        """Returns the JSON texts of the resource objects of a list, each with its cursor.

        Writes column by column, because dictionaries take about twice as long.
        """
        if not entities:
            return []
        ids, *columns = zip(*map(self._id_and_values, entities), strict=True)
        id_texts = self._id.json_texts(ids)
        texts = [id_texts]
        texts += [
            field.json_texts(column) for field, column in zip(self._fields, columns, strict=True)
        ]
        if self._addressed:
            texts.append([text.removeprefix(b'"') for text in id_texts])
        texts.append(scalar_texts(cursors))
        parts = chain.from_iterable(zip(map(repeat, self._before_values), texts, strict=True))
        return list(map(b"".join, zip(*parts, repeat(self._end), strict=False)))


_PLACEHOLDER: Final = b"\0"
"""A placeholder for a value. JSON escapes NUL, so no value contains it."""


class DocumentWriter:
    """Writes the documents of the entities of one resource type.

    `base` is the URL of the collection, and `described_by` that of the OpenAPI document. Without
    `addressed`, the resources have no URLs of their own.
    """

    def __init__(
        self, resource: Resource, base: str, *, described_by: str, addressed: bool = True
    ) -> None:
        self._type = resource.type
        self._id = resource.id
        self._base = base
        self._described_by = described_by
        self._layout = lru_cache(_MAX_LAYOUTS)(partial(_Layout, resource, base, addressed))

    def url(self, entity: Any) -> str:
        """Returns the URL of the entity's resource."""
        return f"{self._base}/{self._id.format(entity.id)}"

    def resource(self, entity: Any, fields: frozenset[str] | None = None) -> dict[str, Any]:
        """Returns the resource object of an entity with these attributes; None for all."""
        return self._layout(fields).single(entity)

    def _document(
        self, data: object, links: dict[str, Any], shown: FieldSelection, **members: object
    ) -> bytes:
        links["describedby"] = self._described_by
        if shown.is_compound:
            members["included"] = []
        return orjson.dumps(
            {"jsonapi": {"version": "1.1"}, "links": links, "data": data, **members}
        )

    def single(self, entity: Any, *, query: str = "", shown: FieldSelection = _ALL_FIELDS) -> bytes:
        """Returns the document of one entity. `query` is the query string of the request."""
        links = {"self": _with_query(self.url(entity), query)}
        return self._document(self.resource(entity, shown.fields(self._type)), links, shown)

    def collection(
        self,
        page: Page[Any],
        collection_query: CollectionQuery,
        *,
        query: str = "",
        profile: bool = False,
    ) -> bytes:
        """Returns the document of a page, with its links and the cursor of each item.

        `query` is the query string of the request. `profile`: the client requested the cursor
        pagination profile.
        """
        self_url = _with_query(self._base, query)
        links: dict[str, Any] = {
            "self": {"href": self_url, "type": media_type([CURSOR_PROFILE])}
            if profile
            else self_url
        }
        for name, parameters in page_links(page, collection_query).items():
            links[name] = (
                None if parameters is None else self._page_url(collection_query, parameters)
            )
        data = Fragment(b"[" + b",".join(self._list_texts(page.items, collection_query)) + b"]")
        meta = page_meta(page, collection_query)
        members = {"meta": {"page": meta}} if meta else {}
        return self._document(data, links, collection_query.shown, **members)

    def _page_url(self, collection_query: CollectionQuery, parameters: Pairs) -> str:
        """Returns the URL of another page of the list."""
        page = urlencode(parameters) if parameters else ""
        query = "&".join(filter(None, (collection_query.link_query, page)))
        return f"{self._base}?{query}" if query else self._base

    def stream(
        self, items: Iterable[Any], collection_query: CollectionQuery, *, query: str = ""
    ) -> Iterator[bytes]:
        """Yields the document of all items in parts, so that it never is in memory as a whole."""
        links = {"self": _with_query(self._base, query), "describedby": self._described_by}
        yield b'{"jsonapi":{"version":"1.1"},"links":' + orjson.dumps(links) + b',"data":['
        for position, item in enumerate(items):
            (text,) = self._list_texts((item,), collection_query)
            yield (b"," if position else b"") + text
        yield b"]}"

    def _list_texts(self, items: Sequence[Any], collection_query: CollectionQuery) -> list[bytes]:
        """Returns the JSON texts of the resource objects of the items."""
        return self._layout(collection_query.shown.fields(self._type)).listed(
            items, collection_query.cursors.of(items)
        )


def _with_query(url: str, query: str) -> str:
    """Returns the URL with the query string as sent, with characters escaped that URLs forbid."""
    if not URL_SAFE.fullmatch(query):
        query = quote(query.encode("latin-1"), safe=URL_CHARACTERS)
    return f"{url}?{query}" if query else url
