"""Compound documents: the identifiers and the resources that `include` selects
(jsonapi.org/format/1.1/#document-compound-documents)."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

import orjson

from adapters.jsonapi.catalog import Catalog
from adapters.jsonapi.cursors import Cursors
from adapters.jsonapi.documents import (
    DocumentWriter,
    RelatedData,
    identifier_texts,
    relationship_object,
)
from adapters.jsonapi.parameters import FieldSelection
from application.entities import AnyType
from application.inclusion import Included
from application.ports import LinkedEntities
from application.relationship_queries import related_to
from application.relationships import ToMany
from application.search import Order

_BY_ID: Final = (Order("id"),)


@dataclass(frozen=True, slots=True)
class CompoundWriter:
    """Writes the parts of compound documents about resources of all types.

    `writers` are those of the types.
    """

    catalog: Catalog
    writers: Mapping[str, DocumentWriter]
    cursors: Cursors

    def related(self, included: Included, selection: FieldSelection) -> RelatedData:
        """Returns the data of related entities that one document shows."""
        return _Related(self, included, selection)

    def next_page(self, relationship: ToMany, source_id: int, linked: LinkedEntities) -> str | None:
        """Returns the URL of the identifiers after the first ones, or None after the last one."""
        if not linked.more:
            return None
        target = self.catalog.target(relationship)
        listed = self.cursors.of(target, (related_to(relationship, source_id),), _BY_ID)
        (cursor,) = listed.of(linked.entities[-1:])
        source = self.writers[relationship.source.name].url_of(source_id)
        url: str = relationship_object(source, relationship.name)["links"]["self"]
        return f"{url}?{urlencode({'page[after]': cursor})}"


class _Related(RelatedData):
    """The related entities that were loaded for one document."""

    def __init__(
        self, writer: CompoundWriter, included: Included, selection: FieldSelection
    ) -> None:
        self._writer = writer
        self._included = included
        self._selection = selection
        self._identifiers_by_type: dict[AnyType, Mapping[int, bytes]] = {}
        self._loaded: dict[str, list[tuple[str, set[int]]]] = {}
        for relationship, ids in included.loaded.items():
            of_type = self._loaded.setdefault(relationship.source.name, [])
            of_type.append((relationship.name, ids))

    def loaded(self, resource_type: str, entity_ids: Sequence[int]) -> Sequence[frozenset[str]]:
        of_type = self._loaded.get(resource_type, ())
        if all(ids.issuperset(entity_ids) for _, ids in of_type):  # so all are the same
            return [frozenset(name for name, _ in of_type)] * len(entity_ids)
        return [frozenset(name for name, ids in of_type if each in ids) for each in entity_ids]

    def linkages(
        self, resource_type: str, name: str, entity_ids: Sequence[int]
    ) -> tuple[list[bytes], list[bytes]]:
        catalog = self._writer.catalog
        relationship = catalog.relationships_of(catalog.resources[resource_type])[name]
        assert isinstance(relationship, ToMany)
        texts = self._identifiers(relationship.target)
        links, arrays = [], []
        for entity_id, linked in zip(
            entity_ids, self._included.linked(relationship, entity_ids), strict=True
        ):
            arrays.append(b"[" + b",".join([texts[each.id] for each in linked.entities]) + b"]")
            next_page = self._writer.next_page(relationship, entity_id, linked)
            links.append(b"null" if next_page is None else orjson.dumps(next_page))
        return links, arrays

    def _identifiers(self, entity_type: AnyType) -> Mapping[int, bytes]:
        """Returns the identifiers of the included entities of a type, which are written once."""
        if entity_type not in self._identifiers_by_type:
            ids = [*self._included.entities[entity_type]]
            texts = identifier_texts(entity_type.name, ids)
            self._identifiers_by_type[entity_type] = dict(zip(ids, texts, strict=True))
        return self._identifiers_by_type[entity_type]

    def included(self, primary: Container[tuple[str, int]]) -> list[bytes]:
        texts = []
        for entity_type, by_id in self._included.entities.items():
            name = entity_type.name
            # In a fixed order, so that the same content has the same ETag.
            entities = [by_id[key] for key in sorted(by_id) if (name, key) not in primary]
            if entities:
                fields = self._selection.fields(name)
                texts += self._writer.writers[name].resources(entities, fields, self)
        return texts
