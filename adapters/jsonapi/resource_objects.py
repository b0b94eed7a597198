"""Parses JSON text into resource objects, and checks their structure, type and id.

The domain checks the values of the fields.
"""

import json
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any, Final

from adapters.jsonapi.catalog import EMPTY_CATALOG, Catalog
from adapters.jsonapi.errors import ErrorObject, RequestError
from adapters.jsonapi.linkage import (
    FindCreation,
    Linkage,
    LinkageParser,
    Linkages,
    no_creation,
    partial_errors,
    type_errors,
)
from adapters.jsonapi.resource import RelationshipField, Resource
from adapters.jsonapi.structure import StructureErrors
from adapters.strict_json import NotStrict, parse
from domain.errors import MAX_QUOTED_LENGTH

MAX_MEMBERS: Final = 25_000
"""The maximum number of members and elements of a document with one resource.

The number suffices for two lists of related resources, and for the included resources that clients
send back.
"""
MAX_ESCAPES: Final = 20_000
"""The maximum number of backslashes in the strings of such a document."""
MAX_LID_LENGTH: Final = 250
"""The maximum length of a local id, which takes memory until the request is complete."""


@dataclass(frozen=True, slots=True)
class ResourceObject:
    """A resource object that a client sent. Its structure is valid; its values are unchecked.

    Members whose names begin with @ are left out. `pointer` is the JSON Pointer of the object in
    its document. `linkages` are the data of its relationships; a relationship without data is left
    out. `unknown` are the relationships that its type does not have.
    """

    pointer: str
    type: str
    id: str | None
    lid: str | None
    attributes: dict[str, object]
    has_attributes: bool
    linkages: Linkages = field(default_factory=dict)
    unknown: dict[str, object] = field(default_factory=dict)

    @property
    def references(self) -> dict[str, int | None]:
        """The new values of to-one relationships, outside of operations."""
        return {name: each.id for name, each in self.linkages.items() if not each.field.is_many}

    @property
    def related(self) -> dict[str, list[int]]:
        """The complete new lists of to-many relationships, outside of operations."""
        return {name: each.ids for name, each in self.linkages.items() if each.field.is_many}

    def load(
        self, resource: Resource, *, partial: bool, only: Set[str] | None = None
    ) -> tuple[dict[str, Any], dict[str, object]]:
        """Returns the values of the attributes: see `Resource.load`."""
        return resource.load(self.attributes, partial=partial, only=only, unknown=self.unknown)

    def forget_values(self) -> None:
        """Replaces the values with None. Pointers need only the names."""
        for values in (self.attributes, self.unknown):
            for name in values:
                values[name] = None

    def pointer_to(self, field: str) -> str:
        """Returns the JSON Pointer of a field.

        If the field was not sent, or its name is too long to be quoted, the pointer is that of the
        innermost object around it.
        """
        if field in self.linkages:
            return self.linkages[field].pointer
        if field in self.unknown:
            return _pointer(f"{self.pointer}/relationships", field)
        owner = f"{self.pointer}/attributes" if self.has_attributes else self.pointer
        return _pointer(owner, field) if field in self.attributes else owner


def _pointer(owner: str, name: str) -> str:
    """Returns the JSON Pointer of a member, or of its owner if the name is too long to quote."""
    if len(name) > MAX_QUOTED_LENGTH:
        return owner
    return f"{owner}/{name.replace('~', '~0').replace('/', '~1')}"


def parse_body(text: bytes | bytearray, *, max_members: int, escapes: int | None = None) -> Any:
    """Returns the value of a request's body.

    Raises RequestError (400) if the body is not strict JSON, or if it has more than `max_members`
    members and elements in total.
    """
    try:
        return parse(text, max_members=max_members, escapes=escapes)
    except NotStrict as error:
        raise RequestError(ErrorObject(status=400, code=error.code, detail=error.detail)) from None


def read_resource(
    text: bytes | bytearray,
    resource: Resource,
    catalog: Catalog = EMPTY_CATALOG,
    *,
    resource_id: str | None = None,
) -> ResourceObject:
    """Returns the resource object of a document. `resource_id` is the id that it must have.

    Raises RequestError (400) with every error of its structure.
    """
    id_required = resource_id is not None
    structure = StructureValidator(lambda: example_document(resource, resource_id), catalog)
    document = structure.data_document(text)
    data = structure.member(document, "", "data", dict, required=True)
    if data is None:
        structure.raise_errors()
    resource_object = structure.resource(
        data, "/data", resource.relationships, id_required=id_required
    )
    structure.raise_errors()
    return resource_object


def read_linkage(
    text: bytes | bytearray, relationship: RelationshipField, catalog: Catalog
) -> Linkage:
    """Returns the linkage of a document that is sent to a relationship URL.

    Raises RequestError (400) with every error of its structure.
    """
    structure = StructureValidator(lambda: example_linkage(relationship), catalog)
    document = structure.data_document(text)
    if not structure.has_member(document, "", "data"):
        structure.raise_errors()
    linkage = structure.linkages.parse(document, "", relationship)
    structure.raise_errors()
    assert linkage is not None
    return linkage


def example_linkage(relationship: RelationshipField) -> str:
    """Returns a short document that changes a relationship."""
    one = {"type": relationship.type, "id": "1"}
    return json.dumps({"data": [one] if relationship.is_many else one})


def example_document(resource: Resource, resource_id: str | None = None) -> str:
    """Returns a short document that creates a resource, or changes the one with the id."""
    examples = {
        name: each.field.metadata["examples"][0]
        for name, each in resource.settable.items()
        if each.field.metadata.get("examples")
    }
    required = {name: examples[name] for name in examples if resource.settable[name].required}
    first = dict([*examples.items()][:1])
    data: dict[str, object] = {"type": resource.type}
    if resource_id is not None:
        data["id"] = resource_id
    data["attributes"] = (required if resource_id is None else {}) or first
    return json.dumps({"data": data}, ensure_ascii=False)


class StructureValidator(StructureErrors):
    """Checks the structure of a document, and collects its errors."""

    def __init__(
        self,
        example: Callable[[], str],
        catalog: Catalog,
        created: FindCreation = no_creation,
    ) -> None:
        super().__init__(example)
        self.linkages = LinkageParser(self, catalog, created)

    def local_id(self, owner: dict[str, Any], at: str) -> str | None:
        """Returns the member `lid` of an object. Adds an error if it is invalid or too long."""
        lid: str | None = self.member(owner, at, "lid", str)
        if lid is None or len(lid) <= MAX_LID_LENGTH:
            return lid
        self.add_error(f"{at}/lid", f"lid must have at most {MAX_LID_LENGTH} characters.")
        return None

    def document(self, value: Any) -> dict[str, Any]:
        """Returns the members of a document. Checks those that every document may have.

        Raises RequestError if the value is not an object.
        """
        if not self.is_object(value, "", "The document"):
            self.raise_errors()
        for name in ("jsonapi", "links", "meta"):
            self.member(value, "", name, dict)
        return dict(value)

    def data_document(self, text: bytes | bytearray) -> dict[str, Any]:
        """Returns the members of a document with primary data. Raises the errors of `document`."""
        document = self.document(parse_body(text, max_members=MAX_MEMBERS, escapes=MAX_ESCAPES))
        if "errors" in document:
            self.add_error("/errors", "A document with data must not have errors.")
        self.member(document, "", "included", list)
        return document

    def resource(
        self,
        data: dict[str, Any],
        at: str,
        known: Mapping[str, RelationshipField],
        *,
        id_required: bool,
    ) -> ResourceObject:
        """Returns the valid parts of the resource object. `known` are the type's relationships."""
        resource_type = self.member(data, at, "type", str, required=True)
        # "id": null is what many clients send for a resource that has none yet.
        has_no_id = not id_required and data.get("id") is None
        attributes = _without_at_members(self.member(data, at, "attributes", dict))
        attributes = {
            name: value
            for name, value in attributes.items()
            if not (name in known and _has_links_only(value))
        }
        relationships = _without_at_members(self.member(data, at, "relationships", dict))
        for name in ("links", "meta"):
            self.member(data, at, name, dict)
        linkages = {}
        for name, value in relationships.items():
            pointer = _pointer(f"{at}/relationships", name)
            if self._relationship(pointer, value) and name in known and "data" in value:
                linkages[name] = self.linkages.parse(value, pointer, known[name])
            if name in attributes:
                detail = "An attribute and a relationship must not have the same name."
                self.add_error(pointer, detail)
        return ResourceObject(
            pointer=at,
            type=resource_type or "",
            id=None if has_no_id else self.member(data, at, "id", str, required=id_required),
            lid=self.local_id(data, at),
            attributes=attributes,
            has_attributes="attributes" in data,
            linkages={name: each for name, each in linkages.items() if each},
            unknown={name: each for name, each in relationships.items() if name not in known},
        )

    def _relationship(self, at: str, value: Any) -> bool:
        """Returns True if the value is an object."""
        is_object = self.is_object(value, at, "A relationship")
        if is_object and not value.keys() & _RELATIONSHIP_MEMBERS:
            self.add_error(
                at, "A relationship must have links, data or meta.", code="missing_member"
            )
        if is_object:
            for name in ("links", "meta"):
                self.member(value, at, name, dict)
        return is_object


def _has_links_only(value: object) -> bool:
    """Returns True for a relationship object without data, which Kitsu sends as an attribute."""
    return isinstance(value, dict) and bool(value) and value.keys() <= {"links", "meta"}


_RELATIONSHIP_MEMBERS: Final = {"links", "data", "meta"}


def _without_at_members(members: dict[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (members or {}).items() if not name.startswith("@")}


def expect_new(resource_object: ResourceObject, resource: Resource) -> None:
    """Raises RequestError for a client-generated id (403) or another type (409).

    See #crud-creating-client-ids.
    """
    if error := client_generated_id_error(resource_object):
        raise RequestError(error)
    _expect(resource_object, resource, None)


def expect_existing(resource_object: ResourceObject, resource: Resource, resource_id: str) -> None:
    """Raises RequestError for partial linkage (403), and for another type or id (409).

    See #crud-updating-responses-409.
    """
    if partial := [*partial_errors(resource_object.linkages.values())]:
        raise RequestError(*partial)
    _expect(resource_object, resource, resource_id)


def _expect(resource_object: ResourceObject, resource: Resource, resource_id: str | None) -> None:
    errors = []
    if resource_object.type != resource.type:
        errors.append(
            type_mismatch(resource_object, f"The type must be {resource.type}, as in the URL.")
        )
    if resource_object.id != resource_id:
        errors.append(id_mismatch(resource_object, f"The id must be {resource_id}, as in the URL."))
    errors += type_errors(resource_object.linkages.values())
    if errors:
        raise RequestError(*errors)


def client_generated_id_error(resource_object: ResourceObject) -> ErrorObject | None:
    """Returns an error if the resource object has an id; else None."""
    if resource_object.id is None:
        return None
    detail = "The server assigns the id. Omit it."
    code = "client_generated_id"
    pointer = f"{resource_object.pointer}/id"
    return ErrorObject(status=403, code=code, detail=detail, pointer=pointer)


def type_mismatch(resource_object: ResourceObject, detail: str) -> ErrorObject:
    """Returns the error for a type other than the expected one."""
    pointer = f"{resource_object.pointer}/type"
    return ErrorObject(status=409, code="type_mismatch", detail=detail, pointer=pointer)


def id_mismatch(resource_object: ResourceObject, detail: str) -> ErrorObject:
    """Returns the error for an id or a local id other than the expected one."""
    member = "lid" if resource_object.id is None else "id"
    pointer = f"{resource_object.pointer}/{member}"
    return ErrorObject(status=409, code="id_mismatch", detail=detail, pointer=pointer)
