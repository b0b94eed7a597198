"""The JSON Schemas of the API's documents, generated from the declarations of resource types."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from adapters.api.openapi.json_schema import closed_object, object_of, reference
from adapters.api.openapi.relationships import (
    LOCAL_ID,
    href_schema,
    identifier_schemas,
    included_schema,
    operation_schemas_of,
    relationship_links,
    relationships_schema,
    sent_relationships,
)
from adapters.jsonapi.operation_objects import (
    MAX_OPERATIONS,
    MAX_VERSION_LENGTH,
    OPERATIONS,
    RESULTS,
)
from adapters.jsonapi.resource import Attribute, Resource

_PAGE_META: Final = {
    "type": "object",
    "properties": {
        "total": {
            "type": "integer",
            "minimum": 0,
            "description": "The number of items in the filtered list. Numbered pages have it, and "
            "other pages if page[total] is true.",
        },
        "rangeTruncated": {
            "type": "boolean",
            "description": "True if a range between two cursors has more items.",
        },
    },
}
_ITEM_META: Final = {
    "type": "object",
    "required": ["page"],
    "properties": {
        "page": {
            "type": "object",
            "required": ["cursor"],
            "properties": {
                "cursor": {
                    "type": "string",
                    "description": "The place of the item, for page[after] and page[before].",
                }
            },
        }
    },
}


VERSION: Final = object_of(["version"], version={"type": "string"})
_LINKS: Final = object_of(
    ["self", "describedby"], self={"type": "string"}, describedby={"type": "string"}
)
_PAGE_LINKS: Final = object_of(
    ["self", "first", "prev", "next", "describedby"],
    self={
        "type": ["string", "object"],
        "description": "An object only if `Accept` names the profile for cursor pagination.",
    },
    first={"type": "string"},
    prev={"type": ["string", "null"]},
    next={"type": ["string", "null"]},
    last={"type": ["string", "null"]},
    describedby={"type": "string"},
)

ERRORS: Final[dict[str, Any]] = {
    "Errors": {
        "type": "object",
        "required": ["errors"],
        "properties": {
            "jsonapi": VERSION,
            "errors": {"type": "array", "minItems": 1, "items": reference("Error")},
        },
    },
    "Error": {
        "type": "object",
        "required": ["status", "code", "title", "detail"],
        "properties": {
            "id": {"type": "string"},
            "status": {"type": "string", "pattern": "^[1-5][0-9]{2}$"},
            "code": {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"},
            "title": {"type": "string"},
            "detail": {"type": "string"},
            "source": {
                "type": "object",
                "properties": {
                    "pointer": {"type": "string"},
                    "parameter": {"type": "string"},
                    "header": {"type": "string"},
                },
            },
            "links": {
                "type": "object",
                "properties": {
                    "about": {"type": "string", "description": "The description of the code."}
                },
            },
            "meta": {
                "type": "object",
                "properties": {
                    "attribute": {
                        "type": "string",
                        "description": "The attribute that is invalid or missing.",
                    }
                },
            },
        },
    },
}


def _value(attribute: Attribute, *, default: bool = False) -> dict[str, Any]:
    """Returns the schema of an attribute's values, with or without its default.

    Only a new resource has defaults. In other schemas, a default would suggest that the service
    sets an omitted attribute.
    """
    schema = attribute.field.json_schema()
    if attribute.read_only:
        schema["readOnly"] = True
    if attribute.secret:
        schema["writeOnly"] = True
    return {key: value for key, value in schema.items() if default or key != "default"}


def _new_attributes(resource: Resource) -> dict[str, Any]:
    """Returns the schema of the attributes of a new resource."""
    settable = resource.settable.values()
    required = [a.name for a in settable if a.required]
    return closed_object(required, {a.name: _value(a, default=True) for a in settable})


def _changed_attributes(resource: Resource) -> dict[str, Any]:
    """Returns the schema of the attributes of a change. It includes the read-only attributes."""
    return closed_object([], {a.name: _value(a) for a in resource.declared.values()})


def schemas(resource: Resource) -> dict[str, Any]:
    """Returns the schemas of the resource's documents, by their names."""
    name = resource.type.capitalize()
    identity = _identity(resource)
    type_schema = identity["type"]
    related = _sent_relationships(resource)
    create = object_of(
        ["type", "attributes"], type=type_schema, attributes=_new_attributes(resource), **related
    )
    change = object_of(
        ["type", "id"], **identity, attributes=_changed_attributes(resource), **related
    )
    return {
        **page_schemas(resource),
        **identifier_schemas(resource),
        **_linkage_documents(resource),
        f"{name}Document": document_schema(reference(name)),
        f"{name}OrNullDocument": document_schema({"oneOf": [reference(name), {"type": "null"}]}),
        f"{name}Creation": object_of(["data"], data=create),
        f"{name}Change": object_of(["data"], data=change),
    }


def _sent_relationships(resource: Resource, *, lids: bool = False) -> dict[str, Any]:
    if not resource.relationships:
        return {}
    return {"relationships": sent_relationships(resource, lids=lids)}


def _linkage_documents(resource: Resource) -> dict[str, Any]:
    """Returns the schemas of both kinds of documents of relationships to the resource."""
    name = resource.type.capitalize()
    one = reference(f"{name}Identifier")
    item = {
        "allOf": [one, object_of(["meta"], meta=_ITEM_META)],
        "description": "An identifier in a list, with its cursor.",
    }
    links = relationship_links()
    page_links = {
        **_PAGE_LINKS,
        "required": ["self", "related", *_PAGE_LINKS["required"][1:]],
        "properties": {**_PAGE_LINKS["properties"], "related": {"type": "string"}},
    }
    described = {"describedby": {"type": "string"}}
    to_one_links = {
        **links,
        "required": [*links["required"], "describedby"],
        "properties": {**links["properties"], **described},
    }
    return {
        f"{name}IdentifierPageItem": item,
        f"{name}IdentifierPage": document_schema(
            {"type": "array", "items": reference(f"{name}IdentifierPageItem")},
            links=page_links,
            meta=object_of(["page"], page=_PAGE_META),
        ),
        f"{name}ReferenceDocument": document_schema(
            {"oneOf": [one, {"type": "null"}]}, links=to_one_links
        ),
    }


def page_schemas(resource: Resource, *, has_urls: bool = True) -> dict[str, Any]:
    """Returns the schemas of a page of resources, by their names.

    Without `has_urls`, the resources have no URLs of their own.
    """
    name = resource.type.capitalize()
    attributes = {
        **object_of(
            list(resource.attributes), **{a.name: _value(a) for a in resource.attributes.values()}
        ),
        "description": f"Contains only the attributes that `fields[{resource.type}]` selects.",
    }
    members: dict[str, Any] = {**_identity(resource), "attributes": attributes}
    own = {}
    if has_urls and resource.relationships:
        members["relationships"] = reference(f"{name}Relationships")
        own = {f"{name}Relationships": relationships_schema(resource)}
    if has_urls:
        members["links"] = object_of(["self"], self={"type": "string"})
    return {
        **own,
        name: object_of(list(members), **members),
        f"{name}PageItem": {
            "allOf": [reference(name), object_of(["meta"], meta=_ITEM_META)],
            "description": "A resource in a list, with its cursor.",
        },
        f"{name}Page": document_schema(
            {"type": "array", "items": reference(f"{name}PageItem")},
            links=_PAGE_LINKS,
            meta=object_of(["page"], page=_PAGE_META),
        ),
    }


def operation_schemas(resources: Sequence[Resource]) -> dict[str, Any]:
    """Returns the schemas of the atomic extension's documents, by name."""
    operations = [operation for resource in resources for operation in _operations(resource)]
    data = {"anyOf": [reference(resource.type.capitalize()) for resource in resources]}
    result = {
        "type": "object",
        "properties": {"data": data, "meta": {"type": "object"}},
        "description": "Empty for the removal of a resource and for a change of a relationship.",
    }
    array = {"type": "array", "minItems": 1, "maxItems": MAX_OPERATIONS}
    return {
        "Included": included_schema(resources),
        "Operations": object_of(
            [OPERATIONS], **{OPERATIONS: {**array, "items": {"anyOf": operations}}}
        ),
        "Results": object_of([RESULTS], **{RESULTS: {**array, "items": result}}),
    }


def _operations(resource: Resource) -> Iterator[dict[str, Any]]:
    """Yields the schemas of the operations on the resource type: add, update and remove."""
    identity = {"type": _type(resource), "id": resource.id.json_schema(), "lid": LOCAL_ID}
    id_or_lid = {"oneOf": [{"required": ["id"]}, {"required": ["lid"]}]}
    ref = {**object_of(["type"], **identity), **id_or_lid}
    its_ref = {**ref, "not": {"required": ["relationship"]}}
    href = href_schema(resource, "")
    version = {
        "type": ["integer", "string"],
        "maxLength": MAX_VERSION_LENGTH,
        "description": "The expected version: its number, or a string as in If-Match.",
    }
    meta = {"type": "object", "properties": {"version": version}}
    related = _sent_relationships(resource, lids=True)
    new = {
        "type": identity["type"],
        "lid": identity["lid"],
        "attributes": _new_attributes(resource),
        **related,
    }
    changed = {**identity, "attributes": _changed_attributes(resource), **related}
    not_both = {"not": {"required": ["ref", "href"]}}
    yield {
        **object_of(
            ["op", "data"],
            op={"const": "add"},
            href=href_schema(resource),
            data=object_of(["type", "attributes"], **new),
        ),
        "not": {"required": ["ref"]},
    }
    yield {
        **object_of(
            ["op", "data"],
            op={"const": "update"},
            ref=its_ref,
            href=href,
            data={**object_of(["type"], **changed), **id_or_lid},
            meta=meta,
        ),
        **not_both,
    }
    yield {
        **object_of(["op"], op={"const": "remove"}, ref=its_ref, href=href, meta=meta),
        "oneOf": [{"required": ["ref"]}, {"required": ["href"]}],
    }
    yield from operation_schemas_of(resource, ref, version)


def _identity(resource: Resource) -> dict[str, Any]:
    return {"type": _type(resource), "id": resource.id.json_schema()}


def _type(resource: Resource) -> dict[str, Any]:
    return {"type": "string", "const": resource.type}


def document_schema(data: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Returns the schema of a document. `more` replaces the schemas of other members."""
    common = {"jsonapi": VERSION, "links": _LINKS, "included": reference("Included")}
    return object_of(["jsonapi", "links", "data"], **{**common, **more, "data": data})
