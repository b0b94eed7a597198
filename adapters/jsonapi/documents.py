"""Entities -> documents, as JSON text."""

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

_WHOLE: Final = FieldSelection()
_LAYOUTS: Final = 256


class _Layout:
    """How resource objects of one type are written, with all of their attributes or only some.

    It is prepared once. What two resource objects have in common is text between the places of
    their values.
    """

    def __init__(
        self, resource: Resource, base: str, addressed: bool, fields: frozenset[str] | None
    ) -> None:
        shown = [
            attribute
            for name, attribute in resource.attributes.items()
            if fields is None or name in fields
        ]
        self._type = resource.type
        self._id = resource.id
        self._base = base
        self._addressed = addressed
        self._names = tuple(attribute.name for attribute in shown)
        self._values = tuple_getter(self._names)
        self._id_and_values = tuple_getter(("id", *self._names))
        self._fields = [attribute.field for attribute in shown]
        self._converted = [each for each in shown if not each.field.json_is_value]
        *self._before_values, self._end = self._template().split(_PLACE)

    def _template(self) -> bytes:
        """The text of a resource object in a list, with _PLACE where it has a value."""
        written: dict[str, Any] = {
            "type": self._type,
            "id": Fragment(_PLACE),
            "attributes": dict.fromkeys(self._names, Fragment(_PLACE)),
        }
        if self._addressed:
            url = orjson.dumps(f"{self._base}/")
            written["links"] = {"self": Fragment(url.removesuffix(b'"') + _PLACE)}
        written["meta"] = {"page": {"cursor": Fragment(_PLACE)}}
        return orjson.dumps(written)

    def single(self, entity: Any) -> dict[str, Any]:
        """The resource object of an entity."""
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
        """The JSON texts of the resource objects of a list, each with its cursor.

        Column by column: to write dictionaries takes about twice as long.
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


_PLACE: Final = b"\0"
"""Stands for a value. JSON escapes NUL, so that no other text contains it."""


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
        self._base = base
        self._described_by = described_by
        self._layout = lru_cache(_LAYOUTS)(partial(_Layout, resource, base, addressed))

    def url(self, entity: Any) -> str:
        """The URL of the entity's resource."""
        return f"{self._base}/{self._id.format(entity.id)}"

    def resource(self, entity: Any, fields: frozenset[str] | None = None) -> dict[str, Any]:
        """The resource object of an entity, with all of its attributes or only some."""
        return self._layout(fields).single(entity)

    def _document(
        self, data: object, links: dict[str, Any], shown: FieldSelection, **more: object
    ) -> bytes:
        links["describedby"] = self._described_by
        if shown.is_compound:
            more["included"] = []
        return orjson.dumps({"jsonapi": {"version": "1.1"}, "links": links, "data": data, **more})

    def single(self, entity: Any, *, query: str = "", shown: FieldSelection = _WHOLE) -> bytes:
        """The document of one entity."""
        links = {"self": _with_query(self.url(entity), query)}
        return self._document(self.resource(entity, shown.fields(self._type)), links, shown)

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
        data = Fragment(b"[" + b",".join(self._listed(page.items, question)) + b"]")
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
            (written,) = self._listed((item,), question)
            yield (b"," if position else b"") + written
        yield b"]}"

    def _listed(self, items: Sequence[Any], question: CollectionQuery) -> list[bytes]:
        """The JSON texts of the resource objects of items of the list that was asked for."""
        return self._layout(question.shown.fields(self._type)).listed(
            items, question.cursors.of(items)
        )


def _with_query(url: str, query: str) -> str:
    """The URL with a query string as it was sent, but for bytes that no URL can hold."""
    if not URL_SAFE.fullmatch(query):
        query = quote(query.encode("latin-1"), safe=URL_CHARACTERS)
    return f"{url}?{query}" if query else url
