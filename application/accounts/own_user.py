"""Changes that users make to themselves."""

from collections.abc import Collection, Container, Iterator
from typing import Final

from application.access import Action, InsufficientScope, Policy, ScopePolicy
from application.accounts.errors import OwnAttribute
from application.inclusion import OpenUnit, Step, include
from application.ports import Context, UnitOfWork, UnitRunner
from application.relationship_commands import RelatedIds
from application.relationships import Relationships, ToMany
from application.users import USER_TYPE
from domain.attributes import is_same
from domain.users import User, UserChanges

OWN_ATTRIBUTES: Final = frozenset(("name",))
"""The attributes that users may change of themselves."""


class OwnUserCommands:
    """Commands of a user on that user. They require no scope of users."""

    def __init__(
        self,
        run: UnitRunner,
        relationships: Relationships,
        policy: Policy = ScopePolicy(),  # noqa: B008 (it has no state)
    ) -> None:
        self._run = run
        self._to_many = relationships.to_many(USER_TYPE)
        self._policy = policy

    def change(
        self,
        user_id: int,
        changes: UserChanges,
        related: RelatedIds,
        context: Context,
        *,
        expected: Container[int] | None = None,
    ) -> User:
        """Changes OWN_ATTRIBUTES of a user, and returns the user.

        All other attributes are read-only attributes of `changes`. They and the lists in `related`
        must equal the current ones, so that a document that was read can be sent back.

        Raises UserNotFound, and StaleVersion if the version is not expected. Raises OwnAttribute
        with everything that differs and that only administrators may change. Otherwise raises
        ReadOnly with the attributes that only the service sets.
        """

        def unit(work: UnitOfWork) -> User:
            users = work.repository(USER_TYPE)
            before: User = users.get(user_id)
            forbidden = [
                *self._different_lists(work, before, related, context),
                *_different_attributes(before, changes),
            ]
            if forbidden:
                raise OwnAttribute(*forbidden)
            before.require_version(expected)
            after = before.with_changes(changes, at=work.now)
            return before if after is before else users.save(after, before=before)

        return self._run(context, unit)

    def _different_lists(
        self, work: UnitOfWork, user: User, related: RelatedIds, context: Context
    ) -> Iterator[str]:
        for relationship in self._to_many:
            if relationship.name in related and not (
                self._may_read(relationship, context)
                and _is_related_to(work, user, relationship, related[relationship.name])
            ):
                yield relationship.name

    def _may_read(self, relationship: ToMany, context: Context) -> bool:
        """Returns False if the response must not reveal whether a list is the current one."""
        try:
            self._policy.authorize_relationship(
                context.principal, Action.READ, relationship, source_authorized=True
            )
        except InsufficientScope:
            return False
        return True


def _different_attributes(user: User, changes: UserChanges) -> list[str]:
    sent = changes.read_only
    settable = [name for name in changes.RULES.rules if name in sent]
    return [name for name in settable if not is_same(sent[name], getattr(user, name))]


def _is_related_to(
    work: UnitOfWork, user: User, relationship: ToMany, ids: Collection[int]
) -> bool:
    """Returns True if these are all related entities, and a response includes all of them."""
    included = include(OpenUnit(work), USER_TYPE, [user], [Step(relationship)])
    (linked,) = included.linked(relationship, [user.id])
    return not linked.more and {each.id for each in linked.entities} == set(ids)
