"""Entities -> documents, as JSON text."""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson

from adapters.jsonapi.media import CURSOR_PROFILE, media_type
from adapters.jsonapi.pages import neighbours, page_meta
from adapters.jsonapi.parameters import Question, Shown
from adapters.jsonapi.resource import Kind, Resource, write_instant
from application.search import Page, tuple_getter

_WHOLE: Final = Shown()
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
        self._instants = tuple(each.name for each in shown if each.kind is Kind.INSTANT)

    def attributes(self, entity: Any) -> dict[str, Any]:
        """Them and their values."""
        written = dict(zip(self._names, self._values(entity), strict=True))
        for name in self._instants:
            written[name] = write_instant(written[name])
        return written


class Writer:
    """Writes the documents of one resource's entities.

    `base` is the URL of its collection, `described_by` that of the API's description.
    """

    def __init__(self, resource: Resource, base: str, *, described_by: str) -> None:
        self._type = resource.type
        self._base = base
        self._described_by = described_by
        self._layout = lru_cache(_LAYOUTS)(partial(_Layout, resource))

    def url(self, entity: Any) -> str:
        """The URL of the entity's resource."""
        return f"{self._base}/{entity.id}"

    def resource(self, entity: Any, fields: frozenset[str] | None = None) -> dict[str, Any]:
        """The resource object of an entity, with all of its attributes or only some."""
        return {
            "type": self._type,
            "id": str(entity.id),
            "attributes": self._layout(fields).attributes(entity),
            "links": {"self": f"{self._base}/{entity.id}"},
        }

    def _document(self, data: object, links: dict[str, Any], shown: Shown, **more: object) -> bytes:
        links["describedby"] = self._described_by
        if shown.included:
            more["included"] = []
        return orjson.dumps({"jsonapi": {"version": "1.1"}, "links": links, "data": data, **more})

    def single(self, entity: Any, *, query: str = "", shown: Shown = _WHOLE) -> bytes:
        """The document of one entity."""
        links = {"self": _with_query(self.url(entity), query)}
        return self._document(self.resource(entity, shown.fields), links, shown)

    def collection(
        self, page: Page[Any], question: Question, *, query: str = "", profile: bool = False
    ) -> bytes:
        """The document of a page, with its links and the cursor of each item."""
        here = _with_query(self._base, query)
        links: dict[str, Any] = {
            "self": {"href": here, "type": media_type([CURSOR_PROFILE])} if profile else here
        }
        for name, pairs in neighbours(page, question).items():
            kept = () if pairs is None else (*question.kept, *pairs)
            links[name] = None if pairs is None else _with_query(self._base, urlencode(kept))
        data = list(map(self._item(question), page.items))
        meta = page_meta(page, question)
        more = {"meta": {"page": meta}} if meta else {}
        return self._document(data, links, question.shown, **more)

    def everything(
        self, items: Iterable[Any], question: Question, *, query: str = ""
    ) -> Iterator[bytes]:
        """The document of all items, in parts: it need never be held whole."""
        links = {"self": _with_query(self._base, query), "describedby": self._described_by}
        yield b'{"jsonapi":{"version":"1.1"},"links":' + orjson.dumps(links) + b',"data":['
        written = self._item(question)
        for position, item in enumerate(items):
            yield (b"," if position else b"") + orjson.dumps(written(item))
        yield b"]}"

    def _item(self, question: Question) -> Callable[[Any], dict[str, Any]]:
        """Makes the resource object of an item of the list that was asked for."""
        kind, base = self._type, self._base
        attributes = self._layout(question.shown.fields).attributes
        cursor = question.cursors.of

        def written(item: Any) -> dict[str, Any]:
            key = str(item.id)
            return {
                "type": kind,
                "id": key,
                "attributes": attributes(item),
                "links": {"self": f"{base}/{key}"},
                "meta": {"page": {"cursor": cursor(item)}},
            }

        return written


def _with_query(url: str, query: str) -> str:
    """The URL with a query string as it was sent, but for bytes that no URL can hold."""
    return f"{url}?{quote(query.encode('latin-1'), safe=_KEPT)}" if query else url


_KEPT: Final = "%!$&'()*+,;=:@/?[]~"
