"""Parses JSON into operation objects and checks their structure.

See jsonapi.org/ext/atomic/#operation-objects.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from adapters.jsonapi.resource_objects import ResourceObject, StructureValidator

MAX_OPERATIONS: Final = 100
MAX_VERSION_LENGTH: Final = 4096
"""The most characters of a version, enough for 100 entity tags."""
OPERATIONS: Final = "atomic:operations"
RESULTS: Final = "atomic:results"
_FORBIDDEN_MEMBERS: Final = ("data", "included", "errors", RESULTS)


@dataclass(frozen=True, slots=True)
class Target:
    """The target of an operation: a collection, or one resource by its id or local id.

    `pointer` is the JSON Pointer of the member that names the target. `created_by` is the position
    of the operation that creates the resource with the local id. The target is `inferred` if only
    the operation's data names it.
    """

    pointer: str
    type: str
    id: str | None = None
    lid: str | None = None
    created_by: int | None = None
    inferred: bool = False


@dataclass(frozen=True, slots=True)
class MissingTarget:
    """A target that cannot exist."""

    pointer: str
    detail: str


@dataclass(frozen=True, slots=True)
class OperationObject:
    """An operation object that a client sent. Its structure is valid; its values are unchecked.

    `pointer` is its JSON Pointer. `version` is the member of its meta object: a number, or a string
    as in If-Match.
    """

    pointer: str
    op: str
    target: Target | MissingTarget
    data: ResourceObject | None
    version: int | str | None

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

    def __init__(self, resolve_href: ResolveHref) -> None:
        self._resolve_href = resolve_href
        self._structure = StructureValidator(lambda: _EXAMPLE)
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
            return OperationObject(at, op or "", target, None, version)
        if (parse := self._parsers.get(op or "")) is None:
            return None
        parsed_target, data = parse(value, at, target)
        if op == "add" and data and data.lid is not None:
            self._add_lid(data, position)
        return OperationObject(at, op or "", parsed_target, data, version)

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
        lid = self._structure.member(ref, at, "lid", str)
        relationship = self._structure.member(ref, at, "relationship", str)
        if relationship is not None:
            return MissingTarget(f"{at}/relationship", "There is no such relationship.")
        return self._resource_target(at, resource_type or "", resource_id, lid)

    def _resource_target(
        self, at: str, resource_type: str, resource_id: str | None, lid: str | None
    ) -> Target:
        """Returns the target; adds an error if no earlier operation creates the local id."""
        if resource_id is not None or lid is None:
            return Target(at, resource_type, resource_id)
        created_by = self._position_by_lid.get((resource_type, lid))
        if created_by is None:
            detail = "No earlier operation creates a resource with this lid."
            self._add_error(f"{at}/lid", detail, code="unknown_lid")
        return Target(at, resource_type, lid=lid, created_by=created_by)

    def _parse_href(self, href: str, at: str) -> Target | MissingTarget:
        resolved = self._resolve_href(href)
        if resolved is None:
            return MissingTarget(at, "There is nothing at this URL.")
        return Target(at, *resolved)

    def _add_lid(self, data: ResourceObject, position: int) -> None:
        """Records the operation that creates a local id. Adds an error for a duplicate."""
        key = (data.type, str(data.lid))
        if key in self._position_by_lid:
            self._add_error(f"{data.pointer}/lid", "An earlier operation already uses this lid.")
        self._position_by_lid[key] = position

    def _data(self, operation: dict[str, Any], at: str, *, new: bool) -> ResourceObject:
        data = self._structure.member(operation, at, "data", dict, required=True)
        if data is None:
            return _MISSING_DATA
        id_required = not new and "lid" not in data
        return self._structure.resource(data, f"{at}/data", id_required=id_required)

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
        return self._single_target(at, target), data

    def _remove(
        self, operation: dict[str, Any], at: str, target: Target | None
    ) -> tuple[Target, ResourceObject | None]:
        if not (operation.keys() & {"ref", "href"}):
            self._add_error(at, "remove requires a ref or an href.", code="missing_member")
        return self._single_target(at, target), None

    def _single_target(self, at: str, target: Target | None) -> Target:
        if target and target.id is None and target.lid is None:
            self._add_error(target.pointer, "The target must be a resource, not a collection.")
        return target or Target(at, "")


_EXAMPLE: Final = '{"atomic:operations": [{"op": "add", "data": {"type": …, "attributes": …}}]}'
_MISSING_DATA: Final = ResourceObject(
    pointer="",
    type="",
    id=None,
    lid=None,
    fields={},
    relationships=frozenset(),
    has_attributes=False,
)
