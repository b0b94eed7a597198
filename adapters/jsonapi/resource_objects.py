"""JSON text -> resource objects of sound structure, of the type and id that are expected.

What their fields say is left for the domain to judge.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from adapters.jsonapi.problems import ErrorObject, Refused
from adapters.jsonapi.resource import Resource
from adapters.strict_json import NotStrict, parse


@dataclass(frozen=True, slots=True)
class ResourceObject:
    """A resource object as it was sent, of sound structure; what it says is not judged yet.

    `fields` are its attributes and relationships, which share one namespace
    (#document-resource-object-fields). Members whose names begin with @ are left out.
    """

    type: str
    id: str | None
    fields: Mapping[str, object]
    relationships: frozenset[str]
    has_attributes: bool

    def pointer_to(self, field: str) -> str:
        """The JSON Pointer of a field; of the innermost object around it if it wasn't sent."""
        if field not in self.fields:
            return "/data/attributes" if self.has_attributes else "/data"
        within = "relationships" if field in self.relationships else "attributes"
        return f"/data/{within}/{_escaped(field)}"


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def read_resource(text: bytes, *, id_required: bool) -> ResourceObject:
    """The resource object of a request's document. Refused (400) with every fault of structure."""
    try:
        document = parse(text)
    except NotStrict as error:
        raise Refused(ErrorObject(status=400, code=error.code, detail=error.detail)) from None
    return _Structure().resource(document, id_required=id_required)


_TYPE_NAMES: Final[Mapping[Any, str]] = {dict: "an object", list: "an array", str: "a string"}


class _Structure:
    """The faults of one document's structure, as they are found."""

    def __init__(self) -> None:
        self._errors: list[ErrorObject] = []

    def _wrong(self, pointer: str, detail: str, *, code: str = "invalid_document") -> None:
        self._errors.append(ErrorObject(status=400, code=code, detail=detail, pointer=pointer))

    def _member(
        self, owner: dict[str, Any], at: str, name: str, kind: type, *, required: bool = False
    ) -> Any:
        if name not in owner:
            if required:
                self._wrong(at, f"The member {name} is missing.", code="missing_member")
            return None
        if isinstance(value := owner[name], kind):
            return value
        self._wrong(f"{at}/{name}", f"{name} must be {_TYPE_NAMES[kind]}.", code="wrong_json_type")
        return None

    def resource(self, document: Any, *, id_required: bool) -> ResourceObject:
        if not isinstance(document, dict):
            self._wrong("", "The document must be an object.", code="wrong_json_type")
            raise Refused(*self._errors)
        for name, kind in (("jsonapi", dict), ("links", dict), ("meta", dict), ("included", list)):
            self._member(document, "", name, kind)
        if "errors" in document:
            self._wrong("/errors", "A document with data has no errors.")
        data = self._member(document, "", "data", dict, required=True)
        found = None if data is None else self._resource(data, id_required=id_required)
        if found is None or self._errors:
            raise Refused(*self._errors)
        return found

    def _resource(self, data: dict[str, Any], *, id_required: bool) -> ResourceObject:
        named = self._member(data, "/data", "type", str, required=True)
        # "id": null is what many clients send for a resource that has none yet.
        unnamed = not id_required and data.get("id") is None
        found_id = None if unnamed else self._member(data, "/data", "id", str, required=id_required)
        self._member(data, "/data", "lid", str)
        for name in ("links", "meta"):
            self._member(data, "/data", name, dict)
        attributes = _plain(self._member(data, "/data", "attributes", dict))
        relationships = _plain(self._member(data, "/data", "relationships", dict))
        for name, value in relationships.items():
            self._relationship(f"/data/relationships/{_escaped(name)}", value)
            if name in attributes:
                self._wrong(
                    f"/data/relationships/{_escaped(name)}",
                    "An attribute and a relationship can't have the same name.",
                )
        return ResourceObject(
            type=named or "",
            id=found_id,
            fields={**attributes, **relationships},
            relationships=frozenset(relationships),
            has_attributes="attributes" in data,
        )

    def _relationship(self, at: str, value: Any) -> None:
        if not isinstance(value, dict):
            self._wrong(at, "A relationship must be an object.", code="wrong_json_type")
        elif not value.keys() & {"links", "data", "meta"}:
            self._wrong(at, "A relationship must have links, data or meta.", code="missing_member")


def _plain(members: dict[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (members or {}).items() if not name.startswith("@")}


def expect_new(sent: ResourceObject, resource: Resource) -> None:
    """Refused (403) for an id that the client made (#crud-creating-client-ids), then for a type."""
    if sent.id is not None:
        raise Refused(
            ErrorObject(
                status=403,
                code="client_generated_id",
                detail="The service gives ids; leave it out.",
                pointer="/data/id",
            )
        )
    _expect(sent, resource, sent.id)


def expect_existing(sent: ResourceObject, resource: Resource, resource_id: str) -> None:
    """Refused (409) unless the object is of that type and id (#crud-updating-responses-409)."""
    _expect(sent, resource, resource_id)


def _expect(sent: ResourceObject, resource: Resource, resource_id: str | None) -> None:
    errors = []
    if sent.type != resource.type:
        detail = f"This collection holds {resource.type}, nothing else."
        errors.append(("type_mismatch", detail, "/data/type"))
    if sent.id != resource_id:
        errors.append(("id_mismatch", "The id is not that of the URL.", "/data/id"))
    if errors:
        raise Refused(
            *(
                ErrorObject(status=409, code=code, detail=detail, pointer=pointer)
                for code, detail, pointer in errors
            )
        )
