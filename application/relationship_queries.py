"""Reads of the entities that are related to one entity, for an authorized principal."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from application.access import Action, Policy, Principal, ScopePolicy
from application.entities import AnyType
from application.inclusion import CommittedState, Included, Step, include
from application.ports import LinkReader, Reader
from application.relationships import Relationship, Relationships, ToMany, ToOne
from application.search import AnyOf, Condition, Not, Op, Page, Related, Search, Test


def related_to(relationship: ToMany, source_id: int) -> Related:
    """Returns the test that holds for the entities that are related to one entity."""
    return Related(relationship.inverse.name, (Condition("id", Op.EQ, (source_id,)),))


def authorize_tests(
    policy: Policy,
    principal: Principal | None,
    relationships: Mapping[str, Relationship],
    tests: Iterable[Test],
) -> None:
    """Raises InsufficientScope if the tests read anything that the principal may not read.

    `relationships` are those of the type that is searched. A test of related entities requires
    permission to read the type that governs the relationship. A test of their attributes also
    requires permission to read them. The caller authorizes the parts of the searched entities that
    it shows.
    """
    for test in tests:
        if isinstance(test, Not):
            authorize_tests(policy, principal, relationships, (test.test,))
        elif isinstance(test, AnyOf):
            for alternative in test.alternatives:
                authorize_tests(policy, principal, relationships, alternative)
        elif isinstance(test, Related):
            relationship = relationships[test.relationship]
            policy.authorize_relationship(
                principal,
                Action.READ,
                relationship,
                resources=any(map(names_attributes, test.tests)),
                source_authorized=relationship.access_type is not relationship.source,
            )


def names_attributes(test: Test) -> bool:
    """Returns True if a test reads anything other than the id of an entity."""
    if isinstance(test, Not):
        return names_attributes(test.test)
    return not (isinstance(test, Condition) and test.attribute == "id")


class RelationshipQueries:
    """Reads relationships of any type. Each method raises the policy's errors and Unavailable."""

    def __init__(
        self,
        readers: Mapping[AnyType, Reader[Any]],
        links: LinkReader,
        relationships: Relationships,
        policy: Policy = ScopePolicy(),  # noqa: B008 (it has no state)
    ) -> None:
        self._readers = readers
        self._relationships = relationships
        self._committed = CommittedState(readers, links)
        self._policy = policy

    def page(
        self,
        relationship: ToMany,
        source_id: int,
        search: Search,
        principal: Principal | None,
        *,
        resources: bool,
    ) -> Page[Any]:
        """Returns the part of the list of related entities that the search selects.

        The search is for the target type. Adds the test of `related_to` if the search lacks it; the
        cursors of its place depend on that. `resources`: the caller shows their attributes, not
        only their ids. Tests of attributes require the same permission. Raises the NotFound of the
        source type.
        """
        is_related = related_to(relationship, source_id)
        others = tuple(each for each in search.conditions if each != is_related)
        reads_attributes = resources or any(map(_tests_attributes, others))
        self._policy.authorize_relationship(
            principal, Action.READ, relationship, resources=reads_attributes
        )
        of_target = self._relationships.of(relationship.target)
        authorize_tests(self._policy, principal, of_target, others)
        conditions = (is_related, *others)
        page = self._readers[relationship.target].page(replace(search, conditions=conditions))
        if not page.items:  # otherwise the source exists
            self._readers[relationship.source].get(source_id)
        return page

    def one(
        self,
        relationship: ToOne,
        source_id: int,
        principal: Principal | None,
        *,
        resources: bool,
    ) -> tuple[Any, Any | None]:
        """Returns the source and the entity that it refers to, or None if there is none.

        With `resources` false, the second value is an id. Raises the NotFound of the source type.
        """
        self._policy.authorize_relationship(
            principal, Action.READ, relationship, resources=resources
        )
        source = self._readers[relationship.source].get(source_id)
        related_id = getattr(source, relationship.name)
        if related_id is None or not resources:
            return source, related_id
        related = self._readers[relationship.target].get_many([related_id])
        return source, related[0] if related else None

    def include(
        self,
        entity_type: AnyType,
        entities: Iterable[Any],
        steps: Sequence[Step],
        principal: Principal | None,
    ) -> Included:
        """Returns the entities that the steps lead to. See application.inclusion.

        The caller shows the entities, and has authorized that.
        """
        self.authorize_steps(steps, principal)
        return include(self._committed, entity_type, entities, steps)

    def authorize_new(self, relationship: Relationship, principal: Principal | None) -> None:
        """Raises InsufficientScope if the principal may not relate an entity while writing it."""
        self._policy.authorize_relationship(principal, Action.CREATE, relationship)

    def authorize_steps(self, steps: Sequence[Step], principal: Principal | None) -> None:
        """Raises InsufficientScope if the principal may not read the entities that steps lead to.

        The caller authorizes the entities from which the first steps start.
        """
        for step in steps:
            self._policy.authorize_relationship(
                principal, Action.READ, step.relationship, resources=True, source_authorized=True
            )
            self.authorize_steps(step.steps, principal)


def _tests_attributes(test: Test) -> bool:
    """Returns True if a test reads attributes of the searched entities themselves."""
    if isinstance(test, Not):
        return _tests_attributes(test.test)
    if isinstance(test, AnyOf):
        return any(_tests_attributes(each) for some in test.alternatives for each in some)
    return not isinstance(test, Related) and names_attributes(test)
