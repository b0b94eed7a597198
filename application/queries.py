"""Reads of the entities of any type, for an authorized principal."""

from dataclasses import replace
from typing import Generic

from application.access import Action, Policy, Principal, ScopePolicy
from application.entities import E, EntityType, N
from application.ports import Reader
from application.relationship_queries import authorize_tests
from application.relationships import NO_RELATIONSHIPS, Relationships
from application.search import Numbered, Page, Search, ValueCounts


class Queries(Generic[N, E]):
    """Reads entities of one type. Each method raises the errors of the policy, and Unavailable."""

    def __init__(
        self,
        entity_type: EntityType[N, E],
        reader: Reader[E],
        policy: Policy = ScopePolicy(),  # noqa: B008 (it has no state)
        relationships: Relationships = NO_RELATIONSHIPS,
    ) -> None:
        self.entity_type = entity_type
        self._relationships = relationships.of(entity_type)
        self._reader = reader
        self._policy = policy

    def authorize(self, principal: Principal | None) -> None:
        """Raises the errors of the policy if the principal may not read the entities."""
        self._policy.authorize(principal, Action.READ, self.entity_type.name)

    def get(self, entity_id: int, principal: Principal | None) -> E:
        """Returns the entity. Raises the NotFound error of the type if it does not exist."""
        self.authorize(principal)
        return self._reader.get(entity_id)

    def page(self, search: Search, principal: Principal | None) -> Page[E]:
        """Returns the part of the list that the search selects."""
        self._authorize_search(search, principal)
        return self._reader.page(search)

    def count(self, search: Search, principal: Principal | None) -> int:
        """Returns the number of entities that match the conditions of the search."""
        return self.page(replace(search, place=Numbered(size=1, number=1)), principal).total or 0

    def count_by(
        self, search: Search, attribute: str, principal: Principal | None, *, limit: int
    ) -> ValueCounts:
        """Counts the matching entities by value of an attribute; see Reader.count_by.

        Raises ValueError if the attribute is secret.
        """
        self._authorize_search(search, principal)
        if attribute in self.entity_type.rules.secret:
            raise ValueError(f"{attribute} is secret")
        return self._reader.count_by(search, attribute, limit=limit)

    def _authorize_search(self, search: Search, principal: Principal | None) -> None:
        self.authorize(principal)
        if search.conditions and self._relationships:
            authorize_tests(self._policy, principal, self._relationships, search.conditions)
