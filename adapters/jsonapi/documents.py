"""Writes entities as JSON:API documents."""

from collections.abc import Container, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import chain, repeat
from typing import Any, Final, Protocol
from urllib.parse import quote, urlencode

import orjson
from orjson import Fragment

from adapters.jsonapi.content_negotiation import CURSOR_PROFILE, media_type
from adapters.jsonapi.filters import Pairs
from adapters.jsonapi.kinds import Id, scalar_texts
from adapters.jsonapi.linkage import LINKAGE
from adapters.jsonapi.pagination import page_links, page_meta
from adapters.jsonapi.parameters import (
    URL_CHARACTERS,
    URL_SAFE,
    CollectionQuery,
    FieldSelection,
)
from adapters.jsonapi.resource import RelationshipField, Resource
from application.search import Page, tuple_getter

_ALL_FIELDS: Final = FieldSelection()
_MAX_LAYOUTS: Final = 256


class RelatedData(Protocol):
    """The related entities that were loaded for one document."""

    def loaded(self, resource_type: str, entity_ids: Sequence[int]) -> Sequence[frozenset[str]]:
        """Returns, for each entity, its to-many relationships whose identifiers are shown."""

    def linkages(
        self, resource_type: str, name: str, entity_ids: Sequence[int]
    ) -> tuple[list[bytes], list[bytes]]:
        """Returns two lists of JSON texts for a to-many relationship, with a text for each entity.

        The first list has the links to the next identifiers: a URL or null. The second list has the
        arrays of the first identifiers.
        """

    def included(self, primary: Container[tuple[str, int]]) -> list[bytes]:
        """Returns the JSON texts of the included resources, except those in the primary data."""


class _Layout:
    """The layout of resource objects of one type, with all or some of their fields.

    A layout is prepared once. Its text between the values is common to all resource objects.
    `loaded` are the to-many relationships that are written with their identifiers. `below` is the
    path that follows the id in the URLs of the resources.
    """

    def __init__(
        self,
        resource: Resource,
        base: str,
        has_urls: bool,
        fields: frozenset[str] | None,
        loaded: frozenset[str] = frozenset(),
        in_page: bool = True,
        *,
        below: str = "",
    ) -> None:
        attributes = [
            attribute
            for name, attribute in resource.attributes.items()
            if fields is None or name in fields
        ]
        self._type = resource.type
        self._id = resource.id
        self._base = base
        self._has_urls = has_urls
        self._below = below
        self._loaded = loaded
        self._in_page = in_page
        self._relationships = [
            each
            for name, each in resource.relationships.items()
            if has_urls and (fields is None or name in fields)
        ]
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
        if self._relationships:
            template["relationships"] = {
                each.name: self._relationship_template(each) for each in self._relationships
            }
        if self._has_urls:
            template["links"] = {"self": self._url_template(self._below)}
        if self._in_page:
            template["meta"] = {"page": {"cursor": Fragment(_PLACEHOLDER)}}
        return orjson.dumps(template)

    def _url_template(self, path: str) -> Fragment:
        before = orjson.dumps(f"{self._base}/").removesuffix(b'"')
        # If the URL ends with the id, the text of the id includes the closing quotation mark.
        after = orjson.dumps(path).removeprefix(b'"') if path else b""
        return Fragment(before + _PLACEHOLDER + after)

    def _relationship_template(self, relationship: RelationshipField) -> dict[str, Any]:
        name = relationship.name
        links: dict[str, Any] = {
            "self": self._url_template(f"/{LINKAGE}/{name}"),
            "related": self._url_template(f"/{name}"),
        }
        if not relationship.is_many:
            return {"links": links, "data": Fragment(_PLACEHOLDER)}
        if name not in self._loaded:
            return {"links": links}
        return {
            "links": {**links, "prev": None, "next": Fragment(_PLACEHOLDER)},
            "data": Fragment(_PLACEHOLDER),
        }

    def single(self, entity: Any) -> dict[str, Any]:
        """Returns an entity's resource object, without identifiers of to-many relationships."""
        key = self._id.format(entity.id)
        url = f"{self._base}/{key}"
        attributes = dict(zip(self._names, self._values(entity), strict=True))
        for each in self._converted:
            if (value := attributes[each.name]) is not None:
                attributes[each.name] = each.field.to_json(value)
        resource_object: dict[str, Any] = {"type": self._type, "id": key, "attributes": attributes}
        if self._relationships:
            related = resource_object["relationships"] = {}
            for relationship in self._relationships:
                name = relationship.name
                linkage_object = related[name] = relationship_object(url, name)
                if not relationship.is_many:
                    linkage_object["data"] = identifier(relationship.type, getattr(entity, name))
        resource_object["links"] = {"self": f"{url}{self._below}"}
        return resource_object

    def listed(
        self,
        entities: Sequence[Any],
        cursors: Sequence[str] | None,
        related: RelatedData | None = None,
    ) -> list[bytes]:
        """Returns the JSON texts of the resource objects of a list, each with its cursor.

        Writes column by column, because dictionaries take about twice as long.
        """
        if not entities:
            return []
        if len(entities) == 1 and self._has_urls and not self._loaded:
            return [self._single_text(entities[0], cursors)]
        ids, *columns = zip(*map(self._id_and_values, entities), strict=True)
        id_texts = self._id.json_texts(ids)
        texts = [id_texts]
        texts += [
            field.json_texts(column) for field, column in zip(self._fields, columns, strict=True)
        ]
        if self._relationships:
            in_urls = [text[1:-1] for text in id_texts]
            for relationship in self._relationships:
                texts += [in_urls, in_urls]
                if not relationship.is_many:
                    texts.append(_references(relationship, entities))
                elif relationship.name in self._loaded and related:
                    texts += related.linkages(self._type, relationship.name, ids)
        if self._has_urls:
            closing = -1 if self._below else None
            texts.append([text[1:closing] for text in id_texts])
        if cursors is not None:
            texts.append(scalar_texts(cursors))
        parts = chain.from_iterable(zip(map(repeat, self._before_values), texts, strict=True))
        return list(map(b"".join, zip(*parts, repeat(self._end), strict=False)))

    def _single_text(self, entity: Any, cursors: Sequence[str] | None) -> bytes:
        """Returns the same text as `listed`. For a single entity, a dictionary is faster."""
        resource_object = self.single(entity)
        if cursors is not None:
            resource_object["meta"] = {"page": {"cursor": cursors[0]}}
        return orjson.dumps(resource_object)


def identifier(resource_type: str, entity_id: int | None) -> dict[str, str] | None:
    """Returns the resource identifier object of an entity, or None without an id."""
    return None if entity_id is None else {"type": resource_type, "id": _ID.format(entity_id)}


def identifier_texts(resource_type: str, ids: Sequence[int]) -> list[bytes]:
    """Returns the JSON texts of resource identifier objects."""
    before = orjson.dumps({"type": resource_type, "id": Fragment(_PLACEHOLDER)}).removesuffix(
        b"\0}"
    )
    return [before + text + b"}" for text in _ID.json_texts(ids)]


def _references(relationship: RelationshipField, entities: Sequence[Any]) -> list[bytes]:
    """Returns the JSON texts of the data of a to-one relationship."""
    ids = [getattr(entity, relationship.name) for entity in entities]
    existing = [each for each in ids if each is not None]
    texts = iter(identifier_texts(relationship.type, existing))
    return [b"null" if each is None else next(texts) for each in ids]


def relationship_object(url: str, name: str) -> dict[str, Any]:
    """Returns the relationship object of a resource at a URL, without data."""
    return {"links": {"self": f"{url}/{LINKAGE}/{name}", "related": f"{url}/{name}"}}


_ID: Final = Id()
_PLACEHOLDER: Final = b"\0"
"""Stands for a value. JSON escapes NUL, so that no other text contains it."""


class DocumentWriter:
    """Writes the documents of the entities of one resource type.

    `base` is the URL of the collection, and `described_by` that of the OpenAPI document. Without
    `has_urls`, the resources have no URLs of their own. `below` is the path that follows the id in
    their URLs.
    """

    def __init__(
        self,
        resource: Resource,
        base: str,
        *,
        described_by: str,
        has_urls: bool = True,
        below: str = "",
    ) -> None:
        self._type = resource.type
        self._id = resource.id
        self._base = base
        self._below = below
        self._described_by = described_by
        self._layout = lru_cache(_MAX_LAYOUTS)(
            partial(_Layout, resource, base, has_urls, below=below)
        )

    def url(self, entity: Any) -> str:
        """Returns the URL of the entity's resource."""
        return self.url_of(entity.id)

    def url_of(self, entity_id: int) -> str:
        """Returns the URL of the resource of the entity with the id."""
        return f"{self._base}/{self._id.format(entity_id)}{self._below}"

    def resource(self, entity: Any, fields: frozenset[str] | None = None) -> dict[str, Any]:
        """Returns the resource object of an entity, with all of its fields or only some."""
        return self._layout(fields).single(entity)

    def resources(
        self,
        entities: Sequence[Any],
        fields: frozenset[str] | None,
        related: RelatedData,
        cursors: Sequence[str] | None = None,
    ) -> list[bytes]:
        """Returns the JSON texts of resource objects, with their loaded identifiers."""
        in_page = cursors is not None
        loaded = related.loaded(self._type, [each.id for each in entities])
        if len(distinct := set(loaded)) == 1:
            layout = self._layout(fields, distinct.pop(), in_page)
            return layout.listed(entities, cursors, related)
        texts = []
        for position, (entity, loaded_lists) in enumerate(zip(entities, loaded, strict=True)):
            cursor = None if cursors is None else cursors[position : position + 1]
            texts += self._layout(fields, loaded_lists, in_page).listed([entity], cursor, related)
        return texts

    def _document(
        self,
        data: object,
        links: dict[str, Any],
        selection: FieldSelection,
        included: list[bytes] | None = None,
        **more: object,
    ) -> bytes:
        links["describedby"] = self._described_by
        if selection.is_compound:
            more["included"] = _array(included or [])
        return orjson.dumps({"jsonapi": {"version": "1.1"}, "links": links, "data": data, **more})

    def single(
        self,
        entity: Any | None,
        *,
        query: str = "",
        selection: FieldSelection = _ALL_FIELDS,
        related: RelatedData | None = None,
        url: str | None = None,
    ) -> bytes:
        """Returns the document of one entity or of null.

        `url` is that of the document, if it is not the URL of the entity's resource.
        """
        links = {"self": with_query(url or self.url(entity), query)}
        fields = selection.fields(self._type)
        data: object = None
        if entity is not None and related:
            (text,) = self.resources([entity], fields, related)
            data = Fragment(text)
        elif entity is not None:
            data = self.resource(entity, fields)
        included = None
        if related:
            included = related.included(frozenset({(self._type, entity.id)} if entity else ()))
        return self._document(data, links, selection, included)

    def reference(
        self,
        related_id: int | None,
        url: str,
        related_url: str,
        *,
        query: str = "",
        selection: FieldSelection = _ALL_FIELDS,
        related: RelatedData | None = None,
    ) -> bytes:
        """Returns the document of a to-one relationship to an entity of the type."""
        links = {"self": with_query(url, query), "related": related_url}
        included = related.included(frozenset()) if related else None
        return self._document(identifier(self._type, related_id), links, selection, included)

    def collection(
        self,
        page: Page[Any],
        collection_query: CollectionQuery,
        *,
        query: str = "",
        profile: bool = False,
        related: RelatedData | None = None,
        url: str | None = None,
    ) -> bytes:
        """Returns the document of a page, with its links and the cursor of each item.

        `url` is that of the list, if it is not the URL of the collection.
        """
        selection = collection_query.selection
        links = self._page_links(url or self._base, page, collection_query, query, profile)
        if related:
            cursors = collection_query.cursors.of(page.items)
            data = self.resources(page.items, selection.fields(self._type), related, cursors)
            included = related.included({(self._type, each.id) for each in page.items})
        else:
            data, included = self._list_texts(page.items, collection_query), None
        return self._document(
            _array(data), links, selection, included, **_meta(page, collection_query)
        )

    def identifiers(
        self,
        page: Page[Any],
        collection_query: CollectionQuery,
        url: str,
        related_url: str,
        *,
        query: str = "",
        profile: bool = False,
        related: RelatedData | None = None,
    ) -> bytes:
        """Returns the document of a page of a to-many relationship to entities of the type."""
        own, *others = self._page_links(url, page, collection_query, query, profile).items()
        links = dict([own, ("related", related_url), *others])
        ids = [each.id for each in page.items]
        data = identifier_texts(self._type, ids)
        cursors = scalar_texts(collection_query.cursors.of(page.items))
        texts = [
            text[:-1] + b',"meta":{"page":{"cursor":' + cursor + b"}}}"
            for text, cursor in zip(data, cursors, strict=True)
        ]
        included = related.included(frozenset()) if related else None
        return self._document(
            _array(texts),
            links,
            collection_query.selection,
            included,
            **_meta(page, collection_query),
        )

    def _page_links(
        self,
        url: str,
        page: Page[Any],
        collection_query: CollectionQuery,
        query: str,
        profile: bool,
    ) -> dict[str, Any]:
        here = with_query(url, query)
        links: dict[str, Any] = {
            "self": {"href": here, "type": media_type([CURSOR_PROFILE])} if profile else here
        }
        for name, pairs in page_links(page, collection_query).items():
            links[name] = None if pairs is None else _page_url(url, collection_query, pairs)
        return links

    def stream(
        self,
        items: Iterable[Any],
        collection_query: CollectionQuery,
        *,
        query: str = "",
        url: str | None = None,
    ) -> Iterator[bytes]:
        """Yields the document of all items in parts, so that it is never in memory as a whole.

        `url` is that of the list, if it is not the URL of the collection.
        """
        links = {"self": with_query(url or self._base, query), "describedby": self._described_by}
        yield b'{"jsonapi":{"version":"1.1"},"links":' + orjson.dumps(links) + b',"data":['
        for position, item in enumerate(items):
            (text,) = self._list_texts((item,), collection_query)
            yield (b"," if position else b"") + text
        yield b"]}"

    def _list_texts(self, items: Sequence[Any], collection_query: CollectionQuery) -> list[bytes]:
        """Returns the JSON texts of the resource objects of the items."""
        return self._layout(collection_query.selection.fields(self._type)).listed(
            items, collection_query.cursors.of(items)
        )


def _array(texts: Iterable[bytes]) -> Fragment:
    return Fragment(b"[" + b",".join(texts) + b"]")


def _meta(page: Page[Any], collection_query: CollectionQuery) -> dict[str, Any]:
    meta = page_meta(page, collection_query)
    return {"meta": {"page": meta}} if meta else {}


def _page_url(url: str, collection_query: CollectionQuery, pairs: Pairs) -> str:
    """Returns the URL of another page of the list."""
    query = "&".join(filter(None, (collection_query.link_query, urlencode(pairs) if pairs else "")))
    return f"{url}?{query}" if query else url


def with_query(url: str, query: str) -> str:
    """Returns the URL with the query string of the request, and escapes invalid bytes."""
    if not URL_SAFE.fullmatch(query):
        query = quote(query.encode("latin-1"), safe=URL_CHARACTERS)
    return f"{url}?{query}" if query else url
