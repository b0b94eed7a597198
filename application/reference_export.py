"""Exports references: the unique keys of the entities that they refer to."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from application.access import Action, Policy, Principal, ScopePolicy
from application.entities import AnyType
from application.ports import Reader
from application.references import is_number
from application.relationships import ToOne

_BATCH: Final = 1000


class ReferenceExport:
    """Replaces the ids in references with keys, batch by batch."""

    def __init__(
        self,
        readers: Mapping[AnyType, Reader[Any]],
        policy: Policy = ScopePolicy(),  # noqa: B008 (it has no state)
    ) -> None:
        self._readers = readers
        self._policy = policy

    def __call__(
        self, entities: Iterable[Any], references: Sequence[ToOne], principal: Principal | None
    ) -> Iterator[Any]:
        """Returns the entities, with the value of the target's first unique key in each reference.

        A value is null if there is no related entity. It is the id as text if no key refers to the
        related entity. Raises the errors of the policy and Unavailable.
        """
        for reference in references:
            self._policy.authorize_relationship(principal, Action.READ, reference, resources=True)
        return self._replaced(iter(entities), references)

    def _replaced(self, entities: Iterator[Any], references: Sequence[ToOne]) -> Iterator[Any]:
        while batch := list(islice(entities, _BATCH)):
            keys = {each.name: self._keys(each, batch) for each in references}
            for entity in batch:
                values = {name: of.get(getattr(entity, name)) for name, of in keys.items()}
                yield entity._replace(**values)

    def _keys(self, reference: ToOne, entities: Sequence[Any]) -> dict[int, Any]:
        ids = {getattr(each, reference.name) for each in entities} - {None}
        if not ids:
            return {}
        unique = reference.target.text_key
        related = self._readers[reference.target].get_many(ids)
        keys = (getattr(each, unique.attribute) if unique else None for each in related)
        return {each.id: _text(each.id, key) for each, key in zip(related, keys, strict=True)}


def _text(entity_id: int, key: str | None) -> str:
    """Returns the text that refers to an entity. An import takes digits for an id."""
    return str(entity_id) if key is None or is_number(key) else key
