"""Reads of the entities of any type, for an authorized principal."""

from typing import Generic

from application.access import Action, Policy, Principal, ScopePolicy
from application.entities import E, EntityType, N
from application.ports import Reader
from application.search import Page, Search


class Queries(Generic[N, E]):
    """Each method raises the errors of the policy, and Unavailable."""

    def __init__(
        self,
        entity_type: EntityType[N, E],
        reader: Reader[E],
        policy: Policy = ScopePolicy(),  # noqa: B008 (it has no state)
    ) -> None:
        self.entity_type = entity_type
        self._reader = reader
        self._policy = policy

    def authorize(self, principal: Principal | None) -> None:
        """Raises the errors of the policy if the principal may not read the entities."""
        self._policy.authorize(principal, Action.READ, self.entity_type.name)

    def get(self, entity_id: int, principal: Principal | None) -> E:
        """The entity. Raises the type's NotFound."""
        self.authorize(principal)
        return self._reader.get(entity_id)

    def page(self, search: Search, principal: Principal | None) -> Page[E]:
        """The part of the list that the search selects."""
        self.authorize(principal)
        return self._reader.page(search)
