"""The declarations of files with columns that refer to other resources."""

from dataclasses import replace
from typing import Final

from adapters.jsonapi.catalog import Catalog
from adapters.jsonapi.kinds import Email, Text
from adapters.jsonapi.resource import Attribute, Resource
from application.entities import AnyType
from application.relationships import Association, ToOne

_TEXT_KINDS: Final = (Email, Text)
"""The kinds of references. Text is last, because every value of another kind is also a text."""


def with_references(resource: Resource, catalog: Catalog) -> Resource:
    """Returns the declaration with an attribute for each to-one relationship, after all others.

    The value of such an attribute identifies the related resource. It is an id as text, or the
    value of the first unique attribute.
    """
    attributes = {
        name: Attribute(name, _reference(catalog, relationship.target, allow_none=True))
        for name, relationship in catalog.relationships_of(resource).items()
        if isinstance(relationship, ToOne)
    }
    if not attributes:
        return resource
    return replace(resource, declared={**resource.declared, **attributes})


def with_secret(resource: Resource, name: str) -> Resource:
    """Returns the declaration with a text that imports read, and that no output contains."""
    return replace(
        resource, declared={**resource.declared, name: Attribute(name, Text(load_only=True))}
    )


def of_pairs(association: Association, catalog: Catalog) -> Resource:
    """Returns the declaration of pairs, with an attribute for each side (Association.columns)."""
    attributes = {
        name: Attribute(name, _reference(catalog, each))
        for name, each in association.columns.items()
    }
    return Resource(association.name, attributes)


def _reference(catalog: Catalog, target: AnyType, *, allow_none: bool = False) -> Text:
    """Returns the field of a reference, which reads cells like the target's unique attribute."""
    declared = catalog.resources[target.name].declared
    key = target.text_key
    field = declared[key.attribute].field if key else None
    kind = next((each for each in _TEXT_KINDS if isinstance(field, each)), Text)
    return kind(allow_none=allow_none)
