"""JSON text -> resource objects of sound structure, of the type and id that are expected.

What their fields say is left for the domain to judge.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from adapters.jsonapi.errors import MAX_ERRORS, ErrorObject, RequestError
from adapters.jsonapi.resource import Resource
from adapters.strict_json import NotStrict, parse
from domain.errors import LONGEST_QUOTED

MAX_MEMBERS: Final = 5000
"""How many members and elements a document with one resource has at most."""


@dataclass(frozen=True, slots=True)
class ResourceObject:
    """A resource object as it was sent, of sound structure; what it says is not judged yet.

    `fields` are its attributes and relationships, which share one namespace
    (#document-resource-object-fields). Members whose names begin with @ are left out.
    `at` is the JSON Pointer of the object in its document.
    """

    at: str
    type: str
    id: str | None
    lid: str | None
    fields: Mapping[str, object]
    relationships: frozenset[str]
    has_attributes: bool

    def pointer_to(self, field: str) -> str:
        """The JSON Pointer of a field, or of the innermost object around it if it was not sent or
        its name is too long to be quoted.
        """
        if field not in self.fields:
            return f"{self.at}/attributes" if self.has_attributes else self.at
        within = "relationships" if field in self.relationships else "attributes"
        return _pointer(f"{self.at}/{within}", field)


def _pointer(owner: str, name: str) -> str:
    """The JSON Pointer of a member, or of its owner if the name is too long to be quoted."""
    if len(name) > LONGEST_QUOTED:
        return owner
    return f"{owner}/{name.replace('~', '~0').replace('/', '~1')}"


def parsed(text: bytes | bytearray, *, most: int) -> Any:
    """The value of a request's body, which has at most `most` members and elements in all.

    RequestError (400) where it is no strict JSON.
    """
    try:
        return parse(text, most=most)
    except NotStrict as error:
        raise RequestError(ErrorObject(status=400, code=error.code, detail=error.detail)) from None


def read_resource(
    text: bytes | bytearray, resource: Resource, *, resource_id: str | None = None
) -> ResourceObject:
    """The resource object of a document; `resource_id` is the id that it must have.

    Raises RequestError (400) with every error of its structure.
    """
    id_required = resource_id is not None
    structure = StructureValidator(lambda: example_document(resource, resource_id))
    document = structure.document(parsed(text, most=MAX_MEMBERS))
    if "errors" in document:
        structure.add_error("/errors", "A document with data must not have errors.")
    structure.member(document, "", "included", list)
    data = structure.member(document, "", "data", dict, required=True)
    if data is None:
        structure.raise_errors()
    found = structure.resource(data, "/data", id_required=id_required)
    structure.raise_errors()
    return found


_TYPE_NAMES: Final[Mapping[Any, str]] = {dict: "an object", list: "an array", str: "a string"}


_ENVELOPE: Final = frozenset(("", "/data"))
"""The pointers of the errors that an example of the whole document explains."""


def example_document(resource: Resource, resource_id: str | None = None) -> str:
    """A short document that creates a resource, or changes the one with the id."""
    examples = {
        name: each.field.metadata["examples"][0]
        for name, each in resource.settable.items()
        if each.field.metadata.get("examples")
    }
    required = {name: examples[name] for name in examples if resource.settable[name].required}
    one = dict([*examples.items()][:1])
    data: dict[str, object] = {"type": resource.type}
    if resource_id is not None:
        data["id"] = resource_id
    data["attributes"] = (required if resource_id is None else {}) or one
    return json.dumps({"data": data}, ensure_ascii=False)


class StructureValidator:
    """The errors of one document's structure, as they are found: the first MAX_ERRORS of them, and
    the number of the others.

    `example` returns a valid document, which is shown if the document lacks the envelope.
    """

    def __init__(self, example: Callable[[], str]) -> None:
        self._example = example
        self._errors: list[ErrorObject] = []
        self._omitted = 0

    def add_error(self, pointer: str, detail: str, *, code: str = "invalid_document") -> None:
        """Keep a fault."""
        if len(self._errors) == MAX_ERRORS:
            self._omitted += 1
            return
        self._errors.append(ErrorObject(status=400, code=code, detail=detail, pointer=pointer))

    def raise_errors(self) -> None:
        """Raises RequestError (400) with all errors, if there are any."""
        if not self._errors:
            return
        for position, error in enumerate(self._errors):
            if error.pointer in _ENVELOPE:
                detail = f"{error.detail} Send a document such as {self._example()}."
                self._errors[position] = replace(error, detail=detail)
                break
        raise RequestError(*self._errors, omitted=self._omitted)

    def is_object(self, value: Any, at: str, named: str) -> bool:
        """Whether it is an object; a fault if not."""
        if not isinstance(value, dict):
            self.add_error(at, f"{named} must be an object.", code="wrong_json_type")
        return isinstance(value, dict)

    def member(
        self, owner: dict[str, Any], at: str, name: str, kind: type, *, required: bool = False
    ) -> Any:
        """The member; None where it is lacking or of another JSON type."""
        if name not in owner:
            if required:
                self.add_error(at, f"The member {name} is missing.", code="missing_member")
            return None
        if isinstance(value := owner[name], kind):
            return value
        self.add_error(
            f"{at}/{name}", f"{name} must be {_TYPE_NAMES[kind]}.", code="wrong_json_type"
        )
        return None

    def document(self, value: Any) -> dict[str, Any]:
        """The members of a document; those of every document are checked.

        Raises RequestError if the value is not an object.
        """
        if not self.is_object(value, "", "The document"):
            self.raise_errors()
        for name in ("jsonapi", "links", "meta"):
            self.member(value, "", name, dict)
        return dict(value)

    def resource(self, data: dict[str, Any], at: str, *, id_required: bool) -> ResourceObject:
        """The resource object, as far as it is sound."""
        named = self.member(data, at, "type", str, required=True)
        # "id": null is what many clients send for a resource that has none yet.
        unnamed = not id_required and data.get("id") is None
        attributes = _plain(self.member(data, at, "attributes", dict))
        relationships = _plain(self.member(data, at, "relationships", dict))
        for name in ("links", "meta"):
            self.member(data, at, name, dict)
        for name, value in relationships.items():
            pointer = _pointer(f"{at}/relationships", name)
            self._relationship(pointer, value)
            if name in attributes:
                detail = "An attribute and a relationship must not have the same name."
                self.add_error(pointer, detail)
        return ResourceObject(
            at=at,
            type=named or "",
            id=None if unnamed else self.member(data, at, "id", str, required=id_required),
            lid=self.member(data, at, "lid", str),
            fields={**attributes, **relationships},
            relationships=frozenset(relationships),
            has_attributes="attributes" in data,
        )

    def _relationship(self, at: str, value: Any) -> None:
        if self.is_object(value, at, "A relationship") and not value.keys() & _OF_RELATIONSHIPS:
            self.add_error(
                at, "A relationship must have links, data or meta.", code="missing_member"
            )


_OF_RELATIONSHIPS: Final = {"links", "data", "meta"}


def _plain(members: dict[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (members or {}).items() if not name.startswith("@")}


def expect_new(sent: ResourceObject, resource: Resource) -> None:
    """Raises RequestError for a client-generated id (403) or another type (409).

    See #crud-creating-client-ids.
    """
    if made := client_generated_id_error(sent):
        raise RequestError(made)
    _expect(sent, resource, None)


def expect_existing(sent: ResourceObject, resource: Resource, resource_id: str) -> None:
    """Raises RequestError (409) if the object has another type or id.

    See #crud-updating-responses-409.
    """
    _expect(sent, resource, resource_id)


def _expect(sent: ResourceObject, resource: Resource, resource_id: str | None) -> None:
    errors = []
    if sent.type != resource.type:
        errors.append(other_type(sent, f"The type must be {resource.type}, as in the URL."))
    if sent.id != resource_id:
        errors.append(other_id(sent, f"The id must be {resource_id}, as in the URL."))
    if errors:
        raise RequestError(*errors)


def client_generated_id_error(sent: ResourceObject) -> ErrorObject | None:
    """The problem of an id that the client made, if it did."""
    if sent.id is None:
        return None
    detail = "The server assigns the id. Omit it."
    code = "client_generated_id"
    return ErrorObject(status=403, code=code, detail=detail, pointer=f"{sent.at}/id")


def other_type(sent: ResourceObject, detail: str) -> ErrorObject:
    """The problem of a type that is not the one meant."""
    pointer = f"{sent.at}/type"
    return ErrorObject(status=409, code="type_mismatch", detail=detail, pointer=pointer)


def other_id(sent: ResourceObject, detail: str) -> ErrorObject:
    """The problem of an id, or a local one, that is not the one meant."""
    pointer = f"{sent.at}/{'lid' if sent.id is None else 'id'}"
    return ErrorObject(status=409, code="id_mismatch", detail=detail, pointer=pointer)
