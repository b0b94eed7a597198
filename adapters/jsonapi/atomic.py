"""The atomic operations extension (jsonapi.org/ext/atomic): requests and responses.

This module knows no resource types. A table of collections defines them.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import orjson

from adapters.jsonapi.catalog import Catalog
from adapters.jsonapi.documents import DocumentWriter
from adapters.jsonapi.errors import MAX_ERRORS, ErrorObject, RequestError, to_request_error
from adapters.jsonapi.etags import expected_versions, names_version, unmatchable
from adapters.jsonapi.kinds import MAX_KEY, Id
from adapters.jsonapi.linkage import (
    Linkage,
    Linkages,
    partial_errors,
    related_not_found,
    type_errors,
)
from adapters.jsonapi.operation_objects import (
    MAX_OPERATIONS,
    RESULTS,
    MissingTarget,
    OperationObject,
    OperationsParser,
    ResolveHref,
    Target,
)
from adapters.jsonapi.resource import Resource
from adapters.jsonapi.resource_objects import (
    client_generated_id_error,
    id_mismatch,
    parse_body,
    type_mismatch,
)
from application.access import Action, Principal, relationship_scopes, required_scopes
from application.operations import (
    Change,
    ChangeLinks,
    Create,
    CreatedBy,
    Delete,
    LinkAction,
    Operation,
    OperationRefused,
    Results,
    SetReference,
)
from application.ports import Subject
from application.relationships import RelatedNotFound, Relationship, ToOne
from domain.errors import Invalid, NotFound, RosterError, Stale

EXTENSION: Final = "https://jsonapi.org/ext/atomic"
MAX_MEMBERS: Final = 500 * MAX_OPERATIONS
"""The maximum number of members and elements in a document. It suffices for MAX_OPERATIONS
operations, each with all attributes and the links, meta and relationships of a response."""


@dataclass(frozen=True, slots=True)
class Collection:
    """A resource type, for operations on its resources.

    `new` and `changes` create the arguments of the type's commands from the settable and the
    read-only attributes that a client sent. They raise the errors of the domain.
    """

    resource: Resource
    writer: DocumentWriter
    new: Callable[[Mapping[str, Any], Mapping[str, object]], object]
    changes: Callable[[Mapping[str, Any], Mapping[str, object]], object]


Collections = Mapping[str, Collection]


@dataclass(frozen=True, slots=True)
class Batch:
    """The operation objects of a document, and the operations of the application."""

    objects: Sequence[OperationObject]
    operations: Sequence[Operation]

    def forget_values(self) -> None:
        """Removes the values of fields from the operation objects, but not from the operations."""
        for each in self.objects:
            if each.data:
                each.data.forget_values()

    def to_request_error(self, error: OperationRefused) -> RequestError:
        """Converts the error of an operation. The pointers are those of the document."""
        return _to_request_error(self.objects[error.position], error.error, error.earlier)

    def subjects(self, results: Results = ()) -> set[Subject]:
        """Returns the resources that the operations name, and those in their results."""
        targets = {
            (each.type, each.target)
            for each in self.operations
            if not isinstance(each, Create) and isinstance(each.target, int)
        }
        pairs = zip(self.operations, results, strict=False)
        return targets | {(each.type, entity.id) for each, entity in pairs if entity}


def parse_batch(
    text: bytes | bytearray,
    collections: Collections,
    resolve_href: ResolveHref,
    principal: Principal | None,
    catalog: Catalog,
) -> Batch:
    """Parses the operations of a request's document.

    Raises RequestError with all errors of the first check that fails. After the first check, raises
    InsufficientScope if the principal lacks a scope that an operation requires. Without access
    control, `principal` is None. The checks, in their order:

    1. the structure (400)
    2. targets that cannot exist (404)
    3. client-generated ids (403)
    4. partial lists (403)
    5. contradictory types and ids (409)
    6. attributes
    """
    objects = OperationsParser(resolve_href, catalog).operations(
        parse_body(text, max_members=MAX_MEMBERS)
    )
    if principal:
        principal.require_scopes(
            scope for one in objects for scope in _scopes(one, collections, catalog)
        )
    for check in (
        _missing_targets,
        _client_generated_ids,
        _partial_linkage,
        _contradictory_identities,
    ):
        if errors := [each for one in objects for each in check(one, collections)]:
            raise RequestError(*errors)
    return Batch(objects, _to_operations(objects, collections, catalog))


def results_document(batch: Batch, results: Results, collections: Collections) -> bytes:
    """Returns the document with the results of the operations, in their order."""
    result_objects = [
        {}
        if entity is None
        else {
            "data": collections[operation.type].writer.resource(entity),
            "meta": {"version": entity.version},
        }
        for operation, entity in zip(batch.operations, results, strict=True)
    ]
    return orjson.dumps({"jsonapi": {"version": "1.1"}, RESULTS: result_objects})


_ANY_ID: Final = Id()
_ACTIONS: Final = {"add": Action.CREATE, "update": Action.CHANGE, "remove": Action.DELETE}


def _scopes(
    operation: OperationObject, collections: Collections, catalog: Catalog
) -> Iterator[str]:
    """Yields the scopes of the equivalent single request; none if the target does not exist."""
    if isinstance(operation.target, MissingTarget) or operation.target.type not in collections:
        return
    relationships = catalog.relationships.get(operation.target.type, {})
    if target := operation.target.relationship:
        yield from relationship_scopes(relationships[target.name], Action.CHANGE)
        return
    yield from required_scopes(operation.target.type, _ACTIONS[operation.op])
    for name in operation.data.linkages if operation.data else ():
        if name in relationships:
            yield from relationship_scopes(relationships[name], Action.CREATE)


def _missing_targets(operation: OperationObject, collections: Collections) -> Iterator[ErrorObject]:
    target = operation.target
    if isinstance(target, MissingTarget):
        yield _not_found(target.pointer, target.detail)
    elif not (target.inferred or target.type in collections):
        yield _not_found(target.pointer, "No collection has this type.")
    elif target.id is not None and not _is_id(target, collections):
        yield _not_found(target.pointer, "No resource has this id.")


def _is_id(target: Target, collections: Collections) -> bool:
    """Returns True if a resource of the target's type can have the target's id."""
    collection = collections.get(target.type)
    ids = collection.resource.id if collection else _ANY_ID
    return ids.parse(target.id or "") is not None


def _not_found(pointer: str, detail: str) -> ErrorObject:
    return ErrorObject(status=404, code="not_found", detail=detail, pointer=pointer)


def _client_generated_ids(operation: OperationObject, _: Collections) -> Iterator[ErrorObject]:
    if (
        operation.op == "add"
        and operation.data
        and (error := client_generated_id_error(operation.data))
    ):
        yield error


def _partial_linkage(operation: OperationObject, _: Collections) -> Iterator[ErrorObject]:
    if operation.op == "update" and operation.data:
        yield from partial_errors(operation.data.linkages.values())


def _contradictory_identities(
    operation: OperationObject, collections: Collections
) -> Iterator[ErrorObject]:
    target, data = operation.existing_target, operation.data
    if operation.linkage:
        yield from type_errors([operation.linkage])
    if data is None:
        return
    yield from type_errors(data.linkages.values())
    if target.type not in collections:
        yield type_mismatch(data, "No collection has this type.")
    elif data.type != target.type:
        yield type_mismatch(data, f"The type must be {target.type}, as in the target.")
    is_other = data.id != target.id or (data.id is None and data.lid != target.lid)
    if operation.op == "update" and is_other:
        yield id_mismatch(data, "The id must be that of the target.")


def _to_operations(
    objects: Sequence[OperationObject], collections: Collections, catalog: Catalog
) -> list[Operation]:
    """Returns the operations of the application.

    Raises RequestError with the errors of all invalid operations. If all are valid, it lists the
    other errors.
    """
    operations: list[Operation] = []
    failures: list[tuple[OperationObject, RosterError]] = []
    for each in objects:
        try:
            collection = collections[each.existing_target.type]
            if (target := each.existing_target.relationship) and each.linkage:
                relationship = catalog.relationships[each.existing_target.type][target.name]
                operations.append(_change_of(relationship, each, each.linkage, collection.resource))
            else:
                operations.append(_to_operation(each, collection))
        except RosterError as error:
            # The traceback refers to this list. The cycle would hold the document in memory.
            failures.append((each, error.with_traceback(None)))
    invalid = [failure for failure in failures if isinstance(failure[1], Invalid)]
    if reported := invalid or failures:
        raise _merge_errors(reported)
    return operations


def _merge_errors(failures: Sequence[tuple[OperationObject, RosterError]]) -> RequestError:
    """Merges the errors of several operations: lists the first MAX_ERRORS, counts the others."""
    errors: list[ErrorObject] = []
    omitted = 0
    for operation, error in failures:
        if len(errors) < MAX_ERRORS:
            request_error = _to_request_error(operation, error)
            errors += request_error.errors
            omitted += request_error.omitted
        else:
            omitted += len(error.violations) + error.omitted if isinstance(error, Invalid) else 1
    return RequestError(*errors, omitted=omitted)


def _to_operation(operation: OperationObject, collection: Collection) -> Operation:
    target, resource = operation.existing_target, collection.resource
    expected = _expected_versions(operation.version)
    if operation.data is None:
        return Delete(target.type, _id_or_creation(target, resource), expected)
    linkages = operation.data.linkages
    related = {name: each.keys for name, each in linkages.items() if each.field.is_many}
    to_one = {name: each.key for name, each in linkages.items() if not each.field.is_many}
    created = {name: key for name, key in to_one.items() if isinstance(key, CreatedBy)}
    known = {name: key for name, key in to_one.items() if name not in created}
    attributes, read_only = operation.data.load(resource, partial=operation.op != "add")
    if operation.op == "add":
        new = collection.new({**attributes, **known}, read_only)
        return Create(target.type, new, related, created)
    changes = collection.changes({**attributes, **known}, read_only)
    target_id = _id_or_creation(target, resource)
    return Change(target.type, target_id, changes, expected, related, created)


def _change_of(
    relationship: Relationship, operation: OperationObject, linkage: Linkage, resource: Resource
) -> Operation:
    """Returns the operation of the application that changes a relationship."""
    target = operation.existing_target
    target_id = _id_or_creation(target, resource)
    if isinstance(relationship, ToOne):
        expected = _expected_versions(operation.version)
        return SetReference(target.type, target_id, relationship, linkage.key, expected)
    keys = linkage.keys
    action = _LINK_ACTIONS[operation.op]
    if action is LinkAction.REMOVE:  # an impossible id is not related
        keys = [each for each in keys if not isinstance(each, int) or each > 0]
    return ChangeLinks(target.type, target_id, relationship, action, keys)


_LINK_ACTIONS: Final = {
    "add": LinkAction.ADD,
    "update": LinkAction.REPLACE,
    "remove": LinkAction.REMOVE,
}


def _id_or_creation(target: Target, resource: Resource) -> int | CreatedBy:
    if target.created_by is not None:
        return CreatedBy(target.created_by)
    return resource.id.parse(target.id or "") or 0


def _expected_versions(version: int | str | None) -> Container[int] | None:
    """Returns the versions for a number, or for a string as in If-Match; None for any version."""
    if isinstance(version, int):
        return frozenset({version} if 0 < version <= MAX_KEY else ())
    return expected_versions(version)


def _to_request_error(
    operation: OperationObject, error: RosterError, earlier: Results = ()
) -> RequestError:
    """Returns an error of the domain, with pointers to the faulty parts of the operation.

    `earlier` are the results of the operations before it.
    """
    if isinstance(error, RelatedNotFound):
        return RequestError(*related_not_found(error, _linkages(operation), earlier))
    pointer = _pointer_for(operation, error)
    version = operation.version
    if isinstance(error, Stale) and isinstance(version, str) and not names_version(version):
        detail = unmatchable(version, "meta.version") or (
            "meta.version has no ETag of this resource. Read the resource again."
        )
        return RequestError(
            ErrorObject(status=412, code="precondition_failed", detail=detail, pointer=pointer)
        )
    request_error = to_request_error(error, partial(_pointer_to, operation))
    return RequestError(
        *(
            replace(each, pointer=each.pointer or pointer, header=None)
            for each in request_error.errors
        ),
        headers=request_error.headers,
        omitted=request_error.omitted,
    )


def _pointer_to(operation: OperationObject, field: str) -> str | None:
    """Returns the pointer to a field of the operation."""
    if operation.linkage:
        return operation.linkage.pointer if field == operation.linkage.field.name else None
    return operation.data.pointer_to(field) if operation.data else None


def _linkages(operation: OperationObject) -> Linkages:
    if operation.linkage:
        return {operation.linkage.field.name: operation.linkage}
    return operation.data.linkages if operation.data else {}


def _pointer_for(operation: OperationObject, error: RosterError) -> str:
    """Returns the pointer of an error that does not concern an attribute."""
    if isinstance(error, Stale):
        return f"{operation.pointer}/meta/version"
    return operation.target.pointer if isinstance(error, NotFound) else operation.pointer
