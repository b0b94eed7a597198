"""Access control: principals, scopes and the policy."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

from application.relationships import Relationship
from domain.errors import RosterError
from domain.text import single_line

SECRET: Final = "secret"
"""The kind of a principal whose token is signed with the shared secret."""
KEY_SET: Final = "key_set"
"""The kind of a principal whose token is signed with a key of an issuer's key set."""
SESSION: Final = "session"
"""The kind of a principal whose token was issued for a session of a user."""
ROSTER_KEY: Final = "roster_key"
"""The kind of a principal whose token is signed with a key of Roster, and has no session."""
COMMAND_LINE: Final = "command_line"
"""The kind of a principal on the command line, which has no token."""
MAX_SUBJECT_LENGTH: Final = 255


class Unauthenticated(RosterError):
    """The principal of the request is unknown."""


class MissingToken(Unauthenticated):
    """The request has no token."""

    code = "missing_token"

    def __init__(self) -> None:
        super().__init__("Authentication is required.")


class InvalidToken(Unauthenticated):
    """The signature of the token is not trusted, or its claims do not allow its use here and now.

    `reason` has details that the response omits, and `facts` describe the token. Both are for the
    operator's log, and contain no text that an unauthenticated client chose.
    """

    code = "invalid_token"

    def __init__(
        self, detail: str = "The token is not valid.", *, reason: str | None = None, **facts: str
    ) -> None:
        super().__init__(detail)
        self.reason = reason or detail
        self.facts = facts


class InsufficientScope(RosterError):
    """The principal lacks scopes that the request requires: all of them, or any if `any_of`."""

    code = "insufficient_scope"

    def __init__(self, *scopes: str, any_of: bool = False) -> None:
        noun = "scope" if any_of or len(scopes) == 1 else "scopes"
        names = (" or " if any_of else " and ").join(scopes)
        super().__init__(f"The token lacks the {noun} {names}.")
        self.scopes = scopes


class SubjectRequired(RosterError):
    """The token has neither `sub` nor `client_id`, so the author of a change would be unknown."""

    code = "subject_required"

    def __init__(self) -> None:
        super().__init__(
            "The token has neither `sub` nor `client_id`, so it can read but not change anything."
        )


class Action(Enum):
    """An action on a resource, which the policy allows or denies."""

    __hash__ = object.__hash__  # members are keys in every request, and Enum's own hash is slow

    READ = "read"
    CREATE = "create"
    CHANGE = "change"
    DELETE = "delete"
    ERASE = "erase"


_PERMISSIONS: Final[Mapping[Action, tuple[str, ...]]] = {
    Action.READ: ("read",),
    Action.CREATE: ("write",),
    Action.CHANGE: ("read", "write"),
    Action.DELETE: ("write",),
    Action.ERASE: ("write", "erase"),
}
"""A change requires permission to read because its response contains the resource."""


@lru_cache
def required_scopes(resource_type: str, action: Action) -> tuple[str, ...]:
    """Returns the scopes that an action on a resource requires, such as users:write."""
    return tuple(f"{resource_type}:{permission}" for permission in _PERMISSIONS[action])


def relationship_scopes(
    relationship: Relationship,
    action: Action,
    *,
    resources: bool = False,
    source_authorized: bool = False,
) -> tuple[str, ...]:
    """Returns the scopes that an action on a relationship of one entity requires.

    Reading requires permission to read the entity and the type that governs the relationship. With
    `resources`, it also requires permission to read the related type. With `source_authorized`,
    another part of the request determines the scopes for the type of the entity. Reading then
    requires no scope of that type, even if it governs the relationship. A change requires
    permission to write the governing type, and to read the entity if that is of another type. A
    change never requires permission to write the entity, because a pair is not a part of it. CREATE
    is a change in a request that also creates or changes the entity, and requires the scopes for
    that.
    """
    source, governing = relationship.source.name, relationship.access_type.name
    if action is Action.READ:
        types = [source, governing, *([relationship.target.name] if resources else [])]
        known = source if source_authorized else None
        return tuple(f"{each}:read" for each in dict.fromkeys(types) if each != known)
    if source == governing or action is Action.CREATE:
        return (f"{governing}:write",)
    return f"{source}:read", f"{governing}:write"


def is_subject(text: str) -> bool:
    """Returns True if the text can be a subject: printable, with a visible character."""
    return text.isprintable() and single_line(text, max_length=MAX_SUBJECT_LENGTH) is None


class SessionClaims(NamedTuple):
    """The session of an access token. `issue_time` is in milliseconds since 1970."""

    session_id: str
    user_id: int
    issue_time: int


@dataclass(frozen=True, slots=True)
class Principal:
    """The identity that makes a request, and its scopes.

    The identity consists of the kind, the issuer and the subject. Subjects of different issuers or
    kinds are different principals, even if the subjects are equal. `subject` is None if the token
    has neither `sub` nor `client_id`. Only the principal of a session has a `session`.
    """

    kind: str
    issuer: str | None
    subject: str | None
    scopes: frozenset[str] = frozenset()
    session: SessionClaims | None = field(default=None, compare=False)

    @property
    def identity(self) -> tuple[str, str | None, str | None]:
        """The kind, the issuer and the subject."""
        return self.kind, self.issuer, self.subject

    def require_scopes(self, scopes: Iterable[str]) -> None:
        """Raises InsufficientScope, with the missing scopes, if the principal lacks any.

        Scopes match only if they are equal.
        """
        missing = [scope for scope in dict.fromkeys(scopes) if scope not in self.scopes]
        if missing:
            raise InsufficientScope(*missing)

    def require_subject(self) -> None:
        """Raises SubjectRequired if the principal has no subject."""
        if self.subject is None:
            raise SubjectRequired


class Policy(Protocol):
    """Decides which actions a principal may take.

    Every use case consults it, so that no entry point can bypass it.
    """

    def authorize(
        self,
        principal: Principal | None,
        action: Action,
        resource_type: str,
        attributes: Collection[str] = (),
    ) -> None:
        """Raises InsufficientScope or SubjectRequired if the principal may not take the action.

        `principal` is None on a service without access control. `attributes` are the names of the
        attributes that a change sets.
        """

    def authorize_relationship(
        self,
        principal: Principal | None,
        action: Action,
        relationship: Relationship,
        *,
        resources: bool = False,
        source_authorized: bool = False,
    ) -> None:
        """Raises InsufficientScope or SubjectRequired if the principal may not take the action.

        The action is READ, CHANGE or CREATE; see relationship_scopes. With `resources`, it reads
        attributes of the related entities, not only their ids. With `source_authorized`, the policy
        decides separately about the entity that has the relationship.
        """


class ScopePolicy(Policy):
    """Allows an action if the token has the required scopes.

    A service without access control has no principals, and the command line has no token. Both
    may take every action.
    """

    def authorize(
        self,
        principal: Principal | None,
        action: Action,
        resource_type: str,
        attributes: Collection[str] = (),  # noqa: ARG002 (scopes do not depend on them)
    ) -> None:
        if principal is None or principal.kind == COMMAND_LINE:
            return
        _require(principal, required_scopes(resource_type, action), action)

    def authorize_relationship(
        self,
        principal: Principal | None,
        action: Action,
        relationship: Relationship,
        *,
        resources: bool = False,
        source_authorized: bool = False,
    ) -> None:
        if principal is None or principal.kind == COMMAND_LINE:
            return
        required = relationship_scopes(
            relationship, action, resources=resources, source_authorized=source_authorized
        )
        _require(principal, required, action)


def _require(principal: Principal, scopes: tuple[str, ...], action: Action) -> None:
    if not principal.scopes.issuperset(scopes):
        principal.require_scopes(scopes)
    if action is not Action.READ:
        principal.require_subject()
