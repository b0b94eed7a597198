"""Parses JSON into operation objects and checks their structure.

See jsonapi.org/ext/atomic/#operation-objects.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from adapters.jsonapi.catalog import Catalog
from adapters.jsonapi.linkage import LINKAGE, Linkage
from adapters.jsonapi.resource import RelationshipField
from adapters.jsonapi.resource_objects import ResourceObject, StructureValidator
from adapters.jsonapi.unknown_names import unknown_relationship

MAX_OPERATIONS: Final = 100
MAX_VERSION_LENGTH: Final = 4096
"""The maximum number of characters of a version, enough for 100 entity tags."""
OPERATIONS: Final = "atomic:operations"
RESULTS: Final = "atomic:results"
_FORBIDDEN_MEMBERS: Final = ("data", "included", "errors", RESULTS)


@dataclass(frozen=True, slots=True)
class Target:
    """The target of an operation: a collection, or one resource by its id or local id.

    `created_by` is the position of the operation that created the local identity. The target is
    `inferred` if only the data of the operation names it. With a `relationship`, the target is
    that relationship of the resource.
    """

    pointer: str
    type: str
    id: str | None = None
    lid: str | None = None
    created_by: int | None = None
    inferred: bool = False
    relationship: RelationshipField | None = None


@dataclass(frozen=True, slots=True)
class MissingTarget:
    """A target that cannot exist."""

    pointer: str
    detail: str


@dataclass(frozen=True, slots=True)
class OperationObject:
    """An operation object that a client sent. Its structure is valid; its values are unchecked.

    `pointer` is its JSON Pointer. `version` is that of its meta: a number, or text as in If-Match.
    `linkage` is the data of an operation on a relationship.
    """

    pointer: str
    op: str
    target: Target | MissingTarget
    data: ResourceObject | None
    version: int | str | None
    linkage: Linkage | None = None

    @property
    def existing_target(self) -> Target:
        """The target of an operation that passed the check for missing targets."""
        assert isinstance(self.target, Target)
        return self.target


ResolveHref = Callable[[str], tuple[str, str | None] | None]
"""Returns the type and the id that a URL names.

The id of a collection is None. The result for an unknown URL is None.
"""


class OperationsParser:
    """Parses the operations of one document, and collects all errors of its structure."""

    def __init__(self, resolve_href: ResolveHref, catalog: Catalog) -> None:
        self._resolve_href = resolve_href
        self._catalog = catalog
        self._structure = StructureValidator(lambda: _EXAMPLE, catalog, self._created)
        self._position_by_lid: dict[tuple[str, str], int] = {}
        self._parsers = {"add": self._add, "update": self._update, "remove": self._remove}

    def operations(self, value: Any) -> list[OperationObject]:
        """Returns the operations of a document.

        Raises RequestError (400) with every error of its structure.
        """
        document = self._structure.document(value)
        for name in _FORBIDDEN_MEMBERS:
            if name in document:
                self._add_error(f"/{name}", f"A document with {OPERATIONS} must not have {name}.")
        values = self._structure.member(document, "", OPERATIONS, list, required=True)
        if values == []:
            self._add_error(f"/{OPERATIONS}", f"{OPERATIONS} must have at least one operation.")
        if values and len(values) > MAX_OPERATIONS:
            detail = f"A request may have at most {MAX_OPERATIONS} operations."
            self._add_error(f"/{OPERATIONS}", detail, code="too_many_operations")
            self._structure.raise_errors()
        parsed = [self._operation(each, position) for position, each in enumerate(values or ())]
        self._structure.raise_errors()
        return [each for each in parsed if each is not None]

    def _add_error(self, pointer: str, detail: str, *, code: str = "invalid_document") -> None:
        self._structure.add_error(pointer, detail, code=code)

    def _created(self, named: str, lid: str) -> int | None:
        """Returns the position of the earlier operation that creates the resource with the lid."""
        return self._position_by_lid.get((named, lid))

    def _operation(self, value: Any, position: int) -> OperationObject | None:
        at = f"/{OPERATIONS}/{position}"
        if not self._structure.is_object(value, at, "An operation"):
            return None
        op = self._structure.member(value, at, "op", str, required=True)
        if op is not None and op not in self._parsers:
            self._add_error(f"{at}/op", "op must be add, update or remove.")
        version = self._version(value, at)
        target = self._target(value, at)
        if isinstance(target, MissingTarget):
            if op == "add":
                self._add_lid_of_missing(value.get("data"), at, position)
            return OperationObject(at, op or "", target, None, version)
        if (parse := self._parsers.get(op or "")) is None:
            return None
        if target and target.relationship:
            linkage = self._linkage(value, at, op or "", target.relationship, version)
            return OperationObject(at, op or "", target, None, version, linkage)
        parsed_target, data = parse(value, at, target)
        if op == "add" and data and data.lid is not None:
            self._add_lid(data.type, str(data.lid), data.pointer, position)
        return OperationObject(at, op or "", parsed_target, data, version)

    def _linkage(
        self,
        operation: dict[str, Any],
        at: str,
        op: str,
        relationship: RelationshipField,
        version: int | str | None,
    ) -> Linkage | None:
        """Returns the data of an operation on a relationship."""
        if relationship.is_many and version is not None:
            detail = f"A change of {relationship.name} does not change the version of its resource."
            self._add_error(f"{at}/meta/version", f"{detail} Omit it.")
        if not relationship.is_many and op != "update":
            detail = f"{relationship.name} relates to at most one resource. op must be update."
            self._add_error(f"{at}/op", detail)
        if not self._structure.has_member(operation, at, "data"):
            return None
        return self._structure.linkages.parse({"data": operation["data"]}, at, relationship)

    def _version(self, operation: dict[str, Any], at: str) -> int | str | None:
        meta = self._structure.member(operation, at, "meta", dict) or {}
        version = meta.get("version")
        if isinstance(version, str) and len(version) > MAX_VERSION_LENGTH:
            detail = f"version must have at most {MAX_VERSION_LENGTH} characters."
            self._add_error(f"{at}/meta/version", detail)
            return None
        if version is None or (isinstance(version, int | str) and not isinstance(version, bool)):
            return version
        detail = "version must be a number, or an entity tag as a string."
        self._add_error(f"{at}/meta/version", detail, code="wrong_json_type")
        return None

    def _target(self, operation: dict[str, Any], at: str) -> Target | MissingTarget | None:
        if "ref" in operation and "href" in operation:
            self._add_error(at, "An operation must not have both ref and href.")
        ref = self._structure.member(operation, at, "ref", dict)
        if ref is not None:
            return self._parse_ref(ref, f"{at}/ref")
        href = self._structure.member(operation, at, "href", str)
        return None if href is None else self._parse_href(href, f"{at}/href")

    def _parse_ref(self, ref: dict[str, Any], at: str) -> Target | MissingTarget:
        resource_type = self._structure.member(ref, at, "type", str, required=True)
        if ("id" in ref) == ("lid" in ref):
            self._add_error(at, "A ref must have either id or lid.")
        resource_id = self._structure.member(ref, at, "id", str)
        lid = self._structure.local_id(ref, at)
        name = self._structure.member(ref, at, "relationship", str)
        target = self._resource_target(at, resource_type or "", resource_id, lid)
        if name is None:
            return target
        return self._relationship_of(target, name, f"{at}/relationship")

    def _relationship_of(self, target: Target, name: str, at: str) -> Target | MissingTarget:
        """Returns a relationship of a resource. `at` is the pointer of its name."""
        resource = self._catalog.resources.get(target.type)
        if resource is None:
            return MissingTarget(target.pointer, "No collection has this type.")
        if (relationship := resource.relationships.get(name)) is None:
            detail = unknown_relationship(name, target.type, resource.relationships)
            return MissingTarget(at, detail)
        return replace(target, relationship=relationship)

    def _resource_target(
        self, at: str, named: str, found_id: str | None, lid: str | None
    ) -> Target:
        """Returns a resource. Adds an error if no earlier operation creates its `lid`."""
        if found_id is not None or lid is None:
            return Target(at, named, found_id)
        created_by = self._created(named, lid)
        if created_by is None:
            detail = "No earlier operation creates a resource with this lid."
            self._add_error(f"{at}/lid", detail, code="unknown_lid")
        return Target(at, named, lid=lid, created_by=created_by)

    def _parse_href(self, href: str, at: str) -> Target | MissingTarget:
        url, has_parameters, _ = href.partition("?")
        if has_parameters:
            detail = "The URL of an operation takes no parameters. Omit the query."
            self._add_error(at, detail, code="unknown_parameter")
        resolved = self._resolve_href(url)
        if resolved is None:
            return MissingTarget(at, "There is nothing at this URL.")
        named, path = resolved
        if path is None or "/" not in path:
            return Target(at, named, path)
        key, *below = path.split("/")
        target = Target(at, named, key)
        if len(below) == 2 and below[0] == LINKAGE:
            return self._relationship_of(target, below[1], at)
        resource = self._catalog.resources.get(named)
        if resource and len(below) == 1 and below[0] in resource.relationships:
            detail = f"Related resources are not changed at this URL. Use …/{LINKAGE}/{below[0]}."
            self._add_error(at, detail)
        return MissingTarget(at, "There is nothing at this URL.")

    def _add_lid(self, named: str, lid: str, pointer: str, position: int) -> None:
        """Records the operation that creates a local id. Adds an error for a duplicate."""
        key = (named, lid)
        if key in self._position_by_lid:
            self._add_error(f"{pointer}/lid", "An earlier operation already uses this lid.")
        self._position_by_lid[key] = position

    def _add_lid_of_missing(self, data: Any, at: str, position: int) -> None:
        """Records the local id of an add whose target is missing.

        The target is the only error then. Later operations that use the local id have none.
        """
        named, lid = (data.get("type"), data.get("lid")) if isinstance(data, dict) else (None, None)
        if isinstance(named, str) and isinstance(lid, str):
            self._add_lid(named, lid, f"{at}/data", position)

    def _data(self, operation: dict[str, Any], at: str, *, new: bool) -> ResourceObject:
        data = self._structure.member(operation, at, "data", dict, required=True)
        if data is None:
            return _MISSING_DATA
        id_required = not new and "lid" not in data
        named = data.get("type")
        resource = self._catalog.resources.get(named) if isinstance(named, str) else None
        known = resource.relationships if resource else {}
        return self._structure.resource(data, f"{at}/data", known, id_required=id_required)

    def _add(
        self, operation: dict[str, Any], at: str, target: Target | None
    ) -> tuple[Target, ResourceObject | None]:
        data = self._data(operation, at, new=True)
        if "ref" in operation:
            self._add_error(
                f"{at}/ref", "add must not have a ref. Its data or href gives the type."
            )
        elif target and target.id is not None:
            self._add_error(
                target.pointer, "The target of add must be a collection, not a resource."
            )
        return target or Target(data.pointer, data.type, inferred=True), data

    def _update(
        self, operation: dict[str, Any], at: str, target: Target | None
    ) -> tuple[Target, ResourceObject | None]:
        data = self._data(operation, at, new=False)
        if not (operation.keys() & {"ref", "href"}):
            target = self._resource_target(data.pointer, data.type, data.id, data.lid)
            return replace(target, inferred=True), data
        return self._single_target(operation, at, target), data

    def _remove(
        self, operation: dict[str, Any], at: str, target: Target | None
    ) -> tuple[Target, ResourceObject | None]:
        if not (operation.keys() & {"ref", "href"}):
            self._add_error(at, "remove requires a ref or an href.", code="missing_member")
        return self._single_target(operation, at, target), None

    def _single_target(self, operation: dict[str, Any], at: str, target: Target | None) -> Target:
        if target and target.id is None and target.lid is None and "ref" not in operation:
            self._add_error(target.pointer, "The target must be a resource, not a collection.")
        return target or Target(at, "")


_EXAMPLE: Final = '{"atomic:operations": [{"op": "add", "data": {"type": …, "attributes": …}}]}'
_MISSING_DATA: Final = ResourceObject(
    pointer="",
    type="",
    id=None,
    lid=None,
    attributes={},
    has_attributes=False,
)
