"""The description of relationships: their schemas, parameters and examples.

They follow from the declarations of the resources.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from adapters.api.openapi.json_schema import MEMBERS_WITH_AT, object_of, reference
from adapters.jsonapi.catalog import Catalog
from adapters.jsonapi.documents import relationship_object
from adapters.jsonapi.include_paths import MAX_INCLUDED, MAX_PATHS, MAX_STEPS
from adapters.jsonapi.kinds import anchored
from adapters.jsonapi.linkage import LINKAGE, MAX_IDENTIFIERS
from adapters.jsonapi.resource import RelationshipField, Resource
from adapters.jsonapi.resource_objects import MAX_LID_LENGTH
from application.inclusion import MAX_LINKED
from application.relationships import Relationship, ToMany

LOCAL_ID: Final = {"type": "string", "maxLength": MAX_LID_LENGTH}
_LINK: Final = {"type": "string"}
_PAGE_LINK: Final = {"type": ["string", "null"]}


def identifier_schemas(resource: Resource) -> dict[str, Any]:
    """Returns the schemas of identifiers of the resource and of their documents, by name."""
    name = resource.type.capitalize()
    kind = {"type": "string", "const": resource.type}
    one: dict[str, Any] = reference(f"{name}Identifier")
    either = {"oneOf": [one, {"type": "null"}]}
    many = {"type": "array", "maxItems": MAX_IDENTIFIERS, "items": one}
    lid = object_of(["type", "lid"], type=kind, lid=LOCAL_ID)
    removed: dict[str, Any] = reference(f"{name}RemovedIdentifier")
    return {
        f"{name}Identifier": object_of(["type", "id"], type=kind, id=resource.id.json_schema()),
        f"{name}IdentifierOrLid": {"anyOf": [one, lid]},
        f"{name}Identifiers": object_of(["data"], data=many),
        f"{name}RemovedIdentifier": {
            **object_of(["type", "id"], type=kind, id={"type": "string"}),
            "description": "Ignored if the id does not exist, or can never exist.",
        },
        f"{name}RemovedIdentifierOrLid": {"anyOf": [removed, lid]},
        f"{name}RemovedIdentifiers": object_of(["data"], data={**many, "items": removed}),
        f"{name}Reference": object_of(["data"], data=either),
    }


def relationship_links(*more: str) -> dict[str, Any]:
    """Returns the schema of the links of a relationship."""
    links = {"self": _LINK, "related": _LINK, **dict.fromkeys(more, _PAGE_LINK)}
    return object_of(["self", "related"], **links)


def relationships_schema(resource: Resource) -> dict[str, Any]:
    """Returns the schema of the relationships of a resource that is read."""
    members = {name: _read(each) for name, each in resource.relationships.items()}
    return {
        **object_of([*members], **members),
        "description": f"Lacks the relationships that `fields[{resource.type}]` leaves out. "
        "A list has `data` only if `include` names it: the first "
        f"{MAX_LINKED} identifiers.",
    }


def _read(relationship: RelationshipField) -> dict[str, Any]:
    one = reference(f"{relationship.type.capitalize()}Identifier")
    described = {"description": relationship.description} if relationship.description else {}
    if relationship.is_many:
        data: dict[str, Any] = {"type": "array", "items": one}
        schema = object_of(["links"], links=relationship_links("prev", "next"), data=data)
    else:
        data = {"oneOf": [one, {"type": "null"}]}
        schema = object_of(["links", "data"], links=relationship_links(), data=data)
    return {**schema, **described}


def sent_relationships(resource: Resource, *, lids: bool = False) -> dict[str, Any]:
    """Returns the schema of the relationships of a resource that is sent. `lids`: in operations."""
    members = {name: _sent(each, lids) for name, each in resource.relationships.items()}
    return {"type": "object", "properties": members, **MEMBERS_WITH_AT}


def _sent(relationship: RelationshipField, lids: bool) -> dict[str, Any]:
    data = linkage_schema(relationship, lids=lids)
    anything = {"type": "object"}
    names = ("data", "links", "meta")
    # `anyOf` with `required` has the same meaning, but generators of clients make an unknown type
    # of it. They ignore `not`.
    has_none: dict[str, Any] = {"properties": {name: {"not": {}} for name in names}}
    return {
        "type": "object",
        "properties": {"data": data, "links": anything, "meta": anything},
        "not": has_none,
        "description": "`data` is the complete new value. Without it, nothing changes.",
    }


def linkage_schema(
    relationship: RelationshipField, *, lids: bool = False, removed: bool = False
) -> dict[str, Any]:
    """Returns the schema of the data of a relationship that is sent."""
    name = f"{relationship.type.capitalize()}{'Removed' if removed else ''}Identifier"
    one = reference(f"{name}OrLid" if lids else name)
    if relationship.is_many:
        return {"type": "array", "maxItems": MAX_IDENTIFIERS, "items": one}
    return {"oneOf": [one, {"type": "null"}]}


def operation_schemas_of(
    resource: Resource, ref: dict[str, Any], version: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yields the schemas of the operations on the relationships of a resource.

    `ref` and `version` are the schemas of members of an operation.
    """
    target = {"oneOf": [{"required": ["ref"]}, {"required": ["href"]}]}
    for name, relationship in resource.relationships.items():
        named = {**ref["properties"], "relationship": {"type": "string", "const": name}}
        its_ref = {**ref, "required": [*ref["required"], "relationship"], "properties": named}
        members = {"ref": its_ref, "href": href_schema(resource, f"/{LINKAGE}/{name}")}
        if relationship.is_many:
            # The membership belongs to neither resource, so that no version can be expected.
            ops: list[dict[str, Any]] = [{"enum": ["add", "update"]}, {"const": "remove"}]
            members["meta"] = _meta({"type": "null"})
        else:
            ops = [{"const": "update"}]
            members["meta"] = _meta(version)
        for op in ops:
            removed = op.get("const") == "remove"
            data = linkage_schema(relationship, lids=True, removed=removed)
            yield {**object_of(["op", "data"], op=op, **members, data=data), **target}


def _meta(version: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"version": version}}


def href_schema(resource: Resource, below: str | None = None) -> dict[str, Any]:
    """Returns the schema of the URLs of a collection, or of what is `below` one resource."""
    path = resource.type
    if below is not None:
        path += f"/(?:{resource.id.pattern}){below}"
    return {
        "type": "string",
        "pattern": anchored(rf"(?:[^?# ]*/)?{path}(?:\.json)?/?"),
        "description": "A URL as in `links`, or relative to that of the operations.",
    }


def example_relationships(resource: Resource, url: str) -> dict[str, Any]:
    """Returns the relationships of an example of a resource at a URL."""
    return {
        name: relationship_object(url, name) | ({} if relationship.is_many else {"data": None})
        for name, relationship in resource.relationships.items()
    }


def include_pattern(
    relationships: Mapping[str, Relationship], catalog: Catalog, sources: int, *, linked: bool
) -> str:
    """Returns the pattern of the values of `include`.

    `sources` is the default page size, or 1. `linked`: the paths begin with the relationship of the
    URL, which leads to `sources` resources.
    """
    paths = [
        path.replace(".", r"\.")
        for path in _paths(relationships, catalog, sources, 0, 1, is_first=linked)
    ]
    one = "|".join(paths)
    return anchored(f"|(?:{one})(?:,(?:{one})){{0,{MAX_PATHS - 1}}}") if paths else "^$"


def _paths(
    relationships: Mapping[str, Relationship],
    catalog: Catalog,
    sources: int,
    included: int,
    step: int,
    *,
    is_first: bool = False,
) -> Iterator[str]:
    """Yields the paths that include few enough resources by themselves."""
    for name, relationship in relationships.items():
        is_many = isinstance(relationship, ToMany) and not is_first
        reached = sources * (MAX_LINKED if is_many else 1)
        if included + reached > MAX_INCLUDED:
            continue
        yield name
        if step < MAX_STEPS:
            further = catalog.relationships_of(catalog.target(relationship))
            below = _paths(further, catalog, reached, included + reached, step + 1)
            yield from (f"{name}.{each}" for each in below)


def included_schema(resources: Iterable[Resource]) -> dict[str, Any]:
    """Returns the schema of the included resources."""
    return {
        "type": "array",
        "items": {"anyOf": [reference(each.type.capitalize()) for each in resources]},
        "description": "The resources that `include` selects.",
    }
