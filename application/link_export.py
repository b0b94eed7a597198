"""Exports the pairs of an association, for an authorized principal."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from application.access import Action, Policy, Principal, ScopePolicy
from application.entities import AnyType
from application.ports import LinkReader, Reader
from application.relationships import Association

_BATCH: Final = 1000


class LinkExport:
    """Reads all pairs of an association. Memory does not grow with their number."""

    def __init__(
        self,
        association: Association,
        readers: Mapping[AnyType, Reader[Any]],
        links: LinkReader,
        policy: Policy = ScopePolicy(),  # noqa: B008 (it has no state)
    ) -> None:
        self._association = association
        self._readers = readers
        self._links = links
        self._policy = policy

    def __call__(self, principal: Principal | None) -> Iterator[tuple[Any, Any]]:
        """Yields the entities of each pair, by the id of the source, then by that of the target.

        Each batch of pairs shows the state at the time when it is read. Raises the errors of the
        policy, and Unavailable.
        """
        association = self._association
        self._policy.authorize_relationship(
            principal, Action.READ, association.ends[0], resources=True
        )
        return self._pairs()

    def _pairs(self) -> Iterator[tuple[Any, Any]]:
        association = self._association
        last = (0, 0)
        sources: dict[int, Any] = {}
        while pairs := self._links.pairs(association, after=last, limit=_BATCH):
            last = pairs[-1]
            # A batch often continues the pairs of the last source.
            sources = self._entities(association.source, {source for source, _ in pairs}, sources)
            targets = self._entities(association.target, {target for _, target in pairs}, {})
            for source_id, target_id in pairs:
                # An entity may have been deleted since its pairs were read.
                if source_id in sources and target_id in targets:
                    yield sources[source_id], targets[target_id]

    def _entities(
        self, entity_type: AnyType, ids: set[int], known: dict[int, Any]
    ) -> dict[int, Any]:
        entities = {each: known[each] for each in ids & known.keys()}
        if missing := ids - entities.keys():
            entities.update(
                (each.id, each) for each in self._readers[entity_type].get_many(missing)
            )
        return entities
