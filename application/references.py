"""Finds entities by the texts that refer to them in files: an id, or the value of a unique key."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from application.entities import AnyType
from application.ports import Repository
from domain.text import MAX_FOLDED_INPUT, storable

MAX_REMEMBERED: Final = 100_000
"""The number of texts whose ids are remembered."""
_MAX_DIGITS: Final = 19


class References:
    """Finds the ids of entities of one type in a unit of work.

    A text refers to the entity with this value of the first unique key of the type, if that key is
    text. With `by_id`, a text that consists of digits is an id. Remembers recent texts, because
    successive records often refer to the same entity.
    """

    def __init__(
        self, entities: Repository[Any, Any], entity_type: AnyType, *, by_id: bool
    ) -> None:
        self._entities = entities
        self._unique = entity_type.text_key
        self._by_id = by_id
        self._remembered: dict[str, int] = {}

    def ids(self, texts: Iterable[str]) -> Mapping[str, int]:
        """Returns the ids by text, without the texts that refer to no entity.

        Accepts about a thousand texts and runs at most two statements.
        """
        remembered = self._remembered
        wanted = set(texts)
        ids_by_text = {text: remembered[text] for text in wanted & remembered.keys()}
        if len(ids_by_text) < len(wanted):
            new = self._find(wanted - ids_by_text.keys())
            if len(remembered) + len(new) > MAX_REMEMBERED:
                remembered.clear()
            remembered.update(new)
            ids_by_text.update(new)
        return ids_by_text

    def _find(self, texts: set[str]) -> dict[str, int]:
        ids_by_text = {}
        if self._by_id:
            numbers = {text for text in texts if is_number(text)}
            texts = texts - numbers
            ids = {text: int(text) for text in numbers if _is_id(text)}
            existing = {each.id for each in self._entities.get_many(ids.values())} if ids else ()
            ids_by_text = {text: number for text, number in ids.items() if number in existing}
        if unique := self._unique:
            key_of = unique.key_of
            keys = {text: key_of(text) for text in texts if _can_be_key(text)}
            stored = self._entities.ids_by_keys(unique, set(keys.values()))
            ids_by_text.update((text, stored[key]) for text, key in keys.items() if key in stored)
        return ids_by_text


def is_number(text: str) -> bool:
    """Returns True if a text consists of digits, so that it can only be an id."""
    return text.isascii() and text.isdigit()


def _is_id(text: str) -> bool:
    """Returns True if an entity can have the number as its id."""
    return len(text) <= _MAX_DIGITS and text[0] != "0"


def _can_be_key(text: str) -> bool:
    """Returns True if an entity can have the text as its key.

    Longer texts take too long to fold.
    """
    if not 0 < len(text) <= MAX_FOLDED_INPUT:
        return False
    return text.isprintable() or not storable(text)
