"""The configuration of accounts, and the scopes of roles."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from domain.accounts import Purpose

EVERY_ROLE: Final = "*"
_ANY_TYPE: Final = "*:"
_ONE_DAY: Final = timedelta(days=1)


class RoleScopes:
    """The scopes of users, by role. `types` are the names of all resource types.

    The scopes of EVERY_ROLE belong to every user. `*:read` stands for that scope of each type.
    """

    def __init__(self, scopes: Mapping[str, tuple[str, ...]], types: tuple[str, ...]) -> None:
        self._scopes = {role: _expand(each, types) for role, each in scopes.items()}

    def of(self, role: str) -> tuple[str, ...]:
        """Returns the scopes of a user with the role, each once."""
        scopes = (*self._scopes.get(role, ()), *self._scopes.get(EVERY_ROLE, ()))
        return tuple(dict.fromkeys(scopes))

    @property
    def all(self) -> tuple[str, ...]:
        """All scopes that users can have, each once."""
        return tuple(dict.fromkeys(scope for each in self._scopes.values() for scope in each))


def _expand(scopes: tuple[str, ...], types: tuple[str, ...]) -> tuple[str, ...]:
    expanded: list[str] = []
    for scope in scopes:
        if scope.startswith(_ANY_TYPE):
            permission = scope.removeprefix(_ANY_TYPE)
            expanded += (f"{each}:{permission}" for each in types)
        else:
            expanded.append(scope)
    return tuple(expanded)


@dataclass(frozen=True, slots=True)
class Signup:
    """Permission to sign up: for no one, for everyone, or for addresses of some domains.

    The domains are in lower case.
    """

    enabled: bool = False
    domains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountConfig:
    """The configuration of accounts.

    - `access_ttl` is the lifetime of an access token.
    - A session ends `idle_ttl` after its last use, and `session_ttl` after it began.
    - A used refresh token is accepted for `refresh_grace`.
    - A user can have about `max_tokens` refresh tokens in all sessions. The end of a session
      deletes its tokens. A client that refreshes all the time would otherwise have so many that no
      request could end its session in time.
    - After `failures` wrong passwords within `failure_window`, login is blocked.
    """

    role_scopes: RoleScopes
    access_ttl: timedelta = timedelta(minutes=10)
    idle_ttl: timedelta = timedelta(days=7)
    session_ttl: timedelta = timedelta(days=30)
    refresh_grace: timedelta = timedelta(seconds=10)
    max_tokens: int = 100_000
    signup: Signup = field(default_factory=Signup)
    recovery_ttl: timedelta = timedelta(minutes=30)
    invitation_ttl: timedelta = timedelta(days=7)
    password_length: int = 12
    failures: int = 10
    failure_window: timedelta = timedelta(minutes=15)

    def link_ttl(self, purpose: Purpose) -> timedelta:
        """Returns the lifetime of links with the purpose."""
        if purpose is Purpose.RECOVERY:
            return self.recovery_ttl
        return self.invitation_ttl if purpose is Purpose.INVITATION else _ONE_DAY
