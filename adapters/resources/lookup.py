"""Finds an entity by the text with which a person refers to it."""

from typing import Any, Final

from adapters.jsonapi.resource import Resource
from application.access import Principal
from application.queries import Queries
from application.references import is_number
from application.search import Condition, Op, Search
from domain.errors import shortened
from domain.text import MAX_FOLDED_INPUT, storable

_MAX_QUOTED: Final = 250


def quoted(text: str) -> str:
    """Returns the text as errors quote it: at most its first 250 characters."""
    return shortened(text, _MAX_QUOTED)


def find(
    declaration: Resource, queries: Queries[Any, Any], text: str, principal: Principal | None
) -> Any:
    """Returns the entity with this id, or with this value of its unique attribute.

    A text that consists of digits is an id. Raises NotFound if there is no such entity.
    """
    entity_type = queries.entity_type
    if key := declaration.id.parse(text):
        return queries.get(key, principal)
    if len(text) > MAX_FOLDED_INPUT:
        raise entity_type.not_found(quoted(text))
    if is_number(text) or storable(text):  # bytes that are not UTF-8 became lone surrogates
        raise entity_type.not_found(quoted(text))
    if unique := entity_type.text_key:
        folded = declaration.declared[unique.attribute].field.folded
        attribute = unique.attribute if folded else unique.search_attribute
        same = Condition(attribute, Op.EQ, (unique.key_of(text),), folded)
        for entity in queries.page(Search((same,)), principal).items:
            return entity
    raise entity_type.not_found(quoted(text))
