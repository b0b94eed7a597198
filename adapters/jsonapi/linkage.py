"""Resource linkage in request bodies: JSON -> the identifiers of related resources
(jsonapi.org/format/1.1/#document-resource-object-linkage)."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from adapters.jsonapi.catalog import Catalog
from adapters.jsonapi.errors import ErrorObject
from adapters.jsonapi.kinds import Id
from adapters.jsonapi.resource import RelationshipField
from adapters.jsonapi.structure import StructureErrors
from application.operations import CreatedBy, Results
from application.relationships import RelatedNotFound

LINKAGE: Final = "relationships"
"""The part of a URL before the name of a relationship."""
MAX_IDENTIFIERS: Final = 1000
"""The number of different identifiers in a list."""

FindCreation = Callable[[str, str], int | None]
"""Returns the position of the earlier operation that creates the resource of a type and a lid."""


def no_creation(_: str, __: str) -> None:
    """Returns None: outside of operations, no request creates a resource with a lid."""


@dataclass(frozen=True, slots=True)
class Identifier:
    """A resource identifier object. `pointer` is its JSON Pointer.

    `key` is the id, or the operation that creates the resource. An id that no resource can have is
    replaced by a number below zero, so that the resource does not exist.
    """

    pointer: str
    type: str
    key: int | CreatedBy


@dataclass(frozen=True, slots=True)
class Linkage:
    """The data of a relationship. Its structure is valid. `pointer` is its JSON Pointer.

    Each identifier occurs once. If `is_partial` is true, a page link next to the data is not null,
    so the data is only a part of the list.
    """

    pointer: str
    field: RelationshipField
    identifiers: tuple[Identifier, ...]
    is_partial: bool = False

    @property
    def keys(self) -> list[int | CreatedBy]:
        """The related resources: their ids, or the operations that create them."""
        return [each.key for each in self.identifiers]

    @property
    def ids(self) -> list[int]:
        """The ids of the related resources, none of which an operation creates."""
        return [each for each in self.keys if isinstance(each, int)]

    @property
    def key(self) -> int | CreatedBy | None:
        """The resource of a to-one relationship, or None."""
        return self.identifiers[0].key if self.identifiers else None

    @property
    def id(self) -> int | None:
        """The id of the resource of a to-one relationship, or None."""
        return self.ids[0] if self.identifiers else None


Linkages = Mapping[str, Linkage]
"""The linkages of a document by the names of their relationships."""


@dataclass(frozen=True, slots=True)
class LinkageParser:
    """Parses the linkage of one document. `created` finds what a lid refers to."""

    structure: StructureErrors
    catalog: Catalog
    created: FindCreation = no_creation

    def parse(self, owner: dict[str, Any], at: str, field: RelationshipField) -> Linkage | None:
        """Returns the linkage in `data` of its owner, or None after an error of its structure.

        The owner is a relationship object, a document or an operation; `at` is its pointer.
        """
        place = f"{at}/data"
        if not field.is_many:
            if owner["data"] is None:
                return Linkage(place, field, ())
            identifier = self._identifier(owner["data"], place, 0)
            return Linkage(place, field, (identifier,)) if identifier else None
        data = self.structure.member(owner, at, "data", list)
        if data is None:
            return None
        identifiers: dict[tuple[str, object], Identifier] = {}
        invalid = 0
        for position, value in enumerate(data):
            if identifier := self._identifier(value, f"{place}/{position}", position):
                identifiers.setdefault((identifier.type, _identity(identifier, value)), identifier)
            else:
                invalid += 1
        if len(identifiers) + invalid > MAX_IDENTIFIERS:
            detail = f"data has more than {MAX_IDENTIFIERS} identifiers. Send several requests."
            self.structure.add_error(place, detail, code="too_many_identifiers")
            return None
        if invalid:
            return None
        is_partial = _is_partial(owner.get("links"))
        return Linkage(place, field, (*identifiers.values(),), is_partial)

    def _identifier(self, value: Any, at: str, position: int) -> Identifier | None:
        if not self.structure.is_object(value, at, "A resource identifier"):
            return None
        kind = self.structure.member(value, at, "type", str, required=True)
        if "id" in value or "lid" not in value:
            text = self.structure.member(value, at, "id", str, required=True)
            if kind is None or text is None:
                return None
            resource = self.catalog.resources.get(kind)
            parsed = (resource.id if resource else _ANY_ID).parse(text)
            return Identifier(at, kind, -1 - position if parsed is None else parsed)
        lid = self.structure.member(value, at, "lid", str, required=True)
        if kind is None or lid is None:
            return None
        if (creation := self.created(kind, lid)) is not None:
            return Identifier(at, kind, CreatedBy(creation))
        detail = "No earlier operation creates a resource with this lid."
        self.structure.add_error(f"{at}/lid", detail, code="unknown_lid")
        return None


_ANY_ID: Final = Id()


def _identity(identifier: Identifier, value: dict[str, Any]) -> object:
    """Returns the identity within one type. Different impossible ids stay different."""
    if isinstance(identifier.key, int) and identifier.key < 0:
        return value["id"]
    return identifier.key


def _is_partial(links: object) -> bool:
    return isinstance(links, dict) and any(links.get(name) is not None for name in ("prev", "next"))


def type_errors(linkages: Iterable[Linkage]) -> Iterator[ErrorObject]:
    """Yields an error (409) for each identifier whose type the relationship does not accept."""
    for linkage in linkages:
        for each in linkage.identifiers:
            if each.type != linkage.field.type:
                detail = f"{linkage.field.name} relates to {linkage.field.type} only."
                yield ErrorObject(
                    status=409, code="type_mismatch", detail=detail, pointer=f"{each.pointer}/type"
                )


def partial_errors(linkages: Iterable[Linkage]) -> Iterator[ErrorObject]:
    """Yields an error (403) for each linkage that is only a part of its list."""
    for linkage in linkages:
        if linkage.is_partial:
            detail = (
                "data is only a part of the list, because links.prev or links.next is not null. "
                "Send the whole list without these links, or omit data."
            )
            yield ErrorObject(
                status=403, code="partial_linkage", detail=detail, pointer=linkage.pointer
            )


def related_not_found(
    error: RelatedNotFound, linkages: Linkages, earlier: Results = ()
) -> list[ErrorObject]:
    """Returns an error (404) for each identifier of a resource that does not exist.

    `earlier` are the results of earlier operations, which contain what the identifiers with a lid
    refer to.
    """
    return [
        ErrorObject(
            status=404,
            code=error.code,
            detail=each.detail,
            pointer=pointer,
            meta={"attribute": each.attribute},
        )
        for each in (error, *error.others)
        for pointer in _pointers(each, linkages, earlier)
    ]


def _pointers(error: RelatedNotFound, linkages: Linkages, earlier: Results) -> list[str | None]:
    linkage = linkages.get(error.relationship.name)
    if linkage is None:
        return [None]
    found = [
        f"{each.pointer}/{name}"
        for each in linkage.identifiers
        for name, related_id in (_member_and_id(each, earlier),)
        if related_id in error.ids
    ]
    return [*found] or [linkage.pointer]


def _member_and_id(identifier: Identifier, earlier: Results) -> tuple[str, int | None]:
    """Returns the member that identifies a resource, and the id of the resource."""
    key = identifier.key
    if isinstance(key, int):
        return "id", key
    entity = earlier[key.operation] if key.operation < len(earlier) else None
    return "lid", entity.id if entity else None
