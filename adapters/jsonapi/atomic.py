"""The atomic operations extension: a document -> operations, what came of them -> a document.

No type of resource is known here; a table of collections says which there are.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import orjson

from adapters.jsonapi.catalog import NO_RELATIONSHIPS, Catalog
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
    other_id,
    other_type,
    parsed,
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
"""How many members and elements a document has at most: enough for the attributes, and for the
links, meta and relationships that clients send back, of as many operations as there may be."""


@dataclass(frozen=True, slots=True)
class Collection:
    """Resources of a type, for operations on them.

    `new` and `changes` make what its commands take out of attributes that are to be set and
    read-only ones that were claimed; they raise the domain's refusals.
    """

    resource: Resource
    writer: DocumentWriter
    new: Callable[[Mapping[str, Any], Mapping[str, object]], object]
    changes: Callable[[Mapping[str, Any], Mapping[str, object]], object]


Collections = Mapping[str, Collection]


@dataclass(frozen=True, slots=True)
class Batch:
    """The operations of a document: as they were sent, and as they are meant."""

    objects: Sequence[OperationObject]
    operations: Sequence[Operation]

    def refusal(self, refused: OperationRefused) -> RequestError:
        """What an operation was refused for, with pointers into the document."""
        return _to_request_error(self.objects[refused.position], refused.refusal)

    def subjects(self, came: Results = ()) -> set[Subject]:
        """The resources that the operations name, and those that they left."""
        named = {
            (each.type, each.which)
            for each in self.operations
            if not isinstance(each, Create) and isinstance(each.which, int)
        }
        left = zip(self.operations, came, strict=False)
        return named | {(each.type, entity.id) for each, entity in left if entity}


def read(
    text: bytes | bytearray,
    collections: Collections,
    locate: ResolveHref,
    principal: Principal | None,
    catalog: Catalog = NO_RELATIONSHIPS,
) -> Batch:
    """The operations of a request's document.

    Raises RequestError with every problem of the first check that fails: structure (400), targets
    that cannot exist (404), client-generated ids (403), types and ids that contradict each other
    (409), attributes. Raises InsufficientScope after the check of the structure if the principal
    lacks a scope that an operation requires; without access control, `principal` is None.
    """
    sent = OperationsParser(locate, catalog).operations(parsed(text, most=MAX_MEMBERS))
    if principal:
        principal.require_scopes(
            scope for one in sent for scope in _scopes(one, collections, catalog)
        )
    for check in (_missing_targets, _client_generated_ids, _partial_linkage, _check_identity):
        if problems := [each for one in sent for each in check(one, collections)]:
            raise RequestError(*problems)
    return Batch(sent, _to_operations(sent, collections, catalog))


def results(batch: Batch, came: Results, collections: Collections) -> bytes:
    """The document of what came of the operations, in their order."""
    found = [
        {}
        if entity is None
        else {
            "data": collections[operation.type].writer.resource(entity),
            "meta": {"version": entity.version},
        }
        for operation, entity in zip(batch.operations, came, strict=True)
    ]
    return orjson.dumps({"jsonapi": {"version": "1.1"}, RESULTS: found})


_ANY_ID: Final = Id()
_ACTIONS: Final = {"add": Action.CREATE, "update": Action.CHANGE, "remove": Action.DELETE}


def _scopes(sent: OperationObject, collections: Collections, catalog: Catalog) -> Iterator[str]:
    """The scopes of the equivalent single request; none if the target does not exist."""
    if isinstance(sent.target, MissingTarget) or sent.target.type not in collections:
        return
    relationships = catalog.relationships.get(sent.target.type, {})
    if target := sent.target.relationship:
        yield from relationship_scopes(relationships[target.name], Action.CHANGE)
        return
    yield from required_scopes(sent.target.type, _ACTIONS[sent.op])
    for name in sent.data.linkages if sent.data else ():
        if name in relationships:
            yield from relationship_scopes(relationships[name], Action.CREATE)


def _missing_targets(sent: OperationObject, collections: Collections) -> Iterator[ErrorObject]:
    target = sent.target
    if isinstance(target, MissingTarget):
        yield _not_found(target.pointer, target.detail)
    elif not (target.inferred or target.type in collections):
        yield _not_found(target.pointer, "No collection has this type.")
    elif target.id is not None and not _is_id(target, collections):
        yield _not_found(target.pointer, "No resource has this id.")


def _is_id(target: Target, collections: Collections) -> bool:
    """Whether a resource of the target's type can have its id."""
    collection = collections.get(target.type)
    ids = collection.resource.id if collection else _ANY_ID
    return ids.parse(target.id or "") is not None


def _not_found(pointer: str, detail: str) -> ErrorObject:
    return ErrorObject(status=404, code="not_found", detail=detail, pointer=pointer)


def _client_generated_ids(sent: OperationObject, _: Collections) -> Iterator[ErrorObject]:
    if sent.op == "add" and sent.data and (problem := client_generated_id_error(sent.data)):
        yield problem


def _partial_linkage(sent: OperationObject, _: Collections) -> Iterator[ErrorObject]:
    if sent.op == "update" and sent.data:
        yield from partial_errors(sent.data.linkages.values())


def _check_identity(sent: OperationObject, collections: Collections) -> Iterator[ErrorObject]:
    target, data = sent.found, sent.data
    if sent.linkage:
        yield from type_errors([sent.linkage])
    if data is None:
        return
    yield from type_errors(data.linkages.values())
    if target.type not in collections:
        yield other_type(data, "No collection has this type.")
    elif data.type != target.type:
        yield other_type(data, f"The type must be {target.type}, as in the target.")
    other = data.id != target.id or (data.id is None and data.lid != target.lid)
    if sent.op == "update" and other:
        yield other_id(data, "The id must be that of the target.")


def _to_operations(
    sent: Sequence[OperationObject], collections: Collections, catalog: Catalog
) -> list[Operation]:
    """The commands of the operations.

    Raises RequestError with the errors of all invalid operations, or else with every other error.
    """
    found: list[Operation] = []
    refusals: list[tuple[OperationObject, RosterError]] = []
    for each in sent:
        try:
            collection = collections[each.found.type]
            if (target := each.found.relationship) and each.linkage:
                relationship = catalog.relationships[each.found.type][target.name]
                found.append(_change_of(relationship, each, each.linkage, collection.resource))
            else:
                found.append(_to_operation(each, collection))
        except RosterError as error:
            # Its traceback refers to this list: they would keep each other, and the document.
            refusals.append((each, error.with_traceback(None)))
    invalid = [refused for refused in refusals if isinstance(refused[1], Invalid)]
    if first := invalid or refusals:
        raise _merge_errors(first)
    return found


def _merge_errors(refusals: Sequence[tuple[OperationObject, RosterError]]) -> RequestError:
    """One refusal of several operations: the first MAX_ERRORS problems, and how many more."""
    problems: list[ErrorObject] = []
    omitted = 0
    for sent, error in refusals:
        if len(problems) < MAX_ERRORS:
            found = _to_request_error(sent, error)
            problems += found.errors
            omitted += found.omitted
        else:
            omitted += len(error.violations) + error.omitted if isinstance(error, Invalid) else 1
    return RequestError(*problems, omitted=omitted)


def _to_operation(sent: OperationObject, collection: Collection) -> Operation:
    target, expected, resource = sent.found, _expected(sent.version), collection.resource
    if sent.data is None:
        return Delete(target.type, _id_or_creation(target, resource), expected)
    linkages = sent.data.linkages
    related = {name: each.keys for name, each in linkages.items() if each.field.is_many}
    to_one = {name: each.key for name, each in linkages.items() if not each.field.is_many}
    created = {name: key for name, key in to_one.items() if isinstance(key, CreatedBy)}
    known = {name: key for name, key in to_one.items() if name not in created}
    attributes, read_only = resource.load(sent.data.fields, partial=sent.op != "add")
    if sent.op == "add":
        new = collection.new({**attributes, **known}, read_only)
        return Create(target.type, new, related, created)
    changes = collection.changes({**attributes, **known}, read_only)
    which = _id_or_creation(target, resource)
    return Change(target.type, which, changes, expected, related, created)


def _change_of(
    relationship: Relationship, sent: OperationObject, linkage: Linkage, resource: Resource
) -> Operation:
    """The command of an operation on a relationship."""
    target = sent.found
    which = _id_or_creation(target, resource)
    if isinstance(relationship, ToOne):
        expected = _expected(sent.version)
        return SetReference(target.type, which, relationship, linkage.key, expected)
    keys = linkage.keys
    action = _LINK_ACTIONS[sent.op]
    if action is LinkAction.REMOVE:  # what cannot exist is not related
        keys = [each for each in keys if not isinstance(each, int) or each > 0]
    return ChangeLinks(target.type, which, relationship, action, keys)


_LINK_ACTIONS: Final = {
    "add": LinkAction.ADD,
    "update": LinkAction.REPLACE,
    "remove": LinkAction.REMOVE,
}


def _id_or_creation(target: Target, resource: Resource) -> int | CreatedBy:
    if target.created_by is not None:
        return CreatedBy(target.created_by)
    return resource.id.parse(target.id or "") or 0


def _expected(version: int | str | None) -> Container[int] | None:
    """The versions that are meant, by their number or as If-Match would say it."""
    if isinstance(version, int):
        return frozenset({version} if 0 < version <= MAX_KEY else ())
    return expected_versions(version)


def _to_request_error(sent: OperationObject, error: RosterError) -> RequestError:
    """A refusal of the domain, with pointers to where the operation has what is at fault."""
    if isinstance(error, RelatedNotFound):
        return RequestError(*related_not_found(error, _linkages(sent)))
    place = _pointer_for(sent, error)
    version = sent.version
    if isinstance(error, Stale) and isinstance(version, str) and not names_version(version):
        detail = unmatchable(version, "meta.version") or (
            "meta.version has no ETag of this resource; read it again."
        )
        return RequestError(
            ErrorObject(status=412, code="precondition_failed", detail=detail, pointer=place)
        )
    found = to_request_error(error, partial(_pointer_to, sent))
    return RequestError(
        *(replace(each, pointer=each.pointer or place, header=None) for each in found.errors),
        headers=found.headers,
        omitted=found.omitted,
    )


def _pointer_to(sent: OperationObject, field: str) -> str | None:
    """The pointer to a field of the operation."""
    if sent.linkage:
        return sent.linkage.at if field == sent.linkage.field.name else None
    return sent.data.pointer_to(field) if sent.data else None


def _linkages(sent: OperationObject) -> Linkages:
    if sent.linkage:
        return {sent.linkage.field.name: sent.linkage}
    return sent.data.linkages if sent.data else {}


def _pointer_for(sent: OperationObject, error: RosterError) -> str:
    """What of the operation a refusal is about, where it is not about an attribute."""
    if isinstance(error, Stale):
        return f"{sent.at}/meta/version"
    return sent.target.pointer if isinstance(error, NotFound) else sent.at
