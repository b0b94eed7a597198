"""Connects the use cases of accounts according to the settings."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapters.passwords.estimator import ZxcvbnEstimator, read_block_list
from adapters.passwords.hash_queue import HashQueue
from adapters.passwords.hasher import Argon2Hasher
from adapters.tokens.random_tokens import SecureTokens
from application.accounts.config import AccountConfig, RoleScopes
from application.accounts.guessing import GuessingLimits
from application.accounts.links import Confirmation, LinkRequests
from application.accounts.login import Login
from application.accounts.overview import AccountOverview
from application.accounts.passwords import NewPasswords, PasswordCommands
from application.accounts.sessions import SessionCommands, SessionQueries, SessionTokens
from application.commands import Commands
from application.ports import AccountReader, Clock, Reader, TokenIssuer, UnitRunner
from application.queries import Queries
from application.relationships import Relationships
from application.users import USER_TYPE
from entrypoints.settings import BadSetting, Settings

if TYPE_CHECKING:
    from adapters.accounts.blueprint import AccountUseCases
    from adapters.jsonapi.resource import Resource
    from entrypoints.resources import RegisteredResource


@dataclass(frozen=True, slots=True)
class AccountServices:
    """The use cases of accounts, their configuration, and the declaration of users."""

    use_cases: "AccountUseCases"
    config: AccountConfig
    users: "Resource"
    reader: AccountReader


def make_config(settings: Settings, types: Sequence[str]) -> AccountConfig:
    """Make the configuration of accounts. `types` are the names of all resource types."""
    return AccountConfig(
        role_scopes=RoleScopes(settings.role_scopes, tuple(types)),
        access_ttl=settings.access_ttl,
        idle_ttl=settings.session_idle,
        session_ttl=settings.session_ttl,
        refresh_grace=settings.refresh_grace,
        signup=settings.signup,
        recovery_ttl=settings.recovery_ttl,
        invitation_ttl=settings.invitation_ttl,
        password_length=settings.password_length,
        failures=settings.login_failures.number,
        failure_window=settings.login_failures.time,
    )


def make_hasher(settings: Settings) -> Argon2Hasher:
    """Make the hasher of this worker."""
    costs = settings.argon2
    concurrent = settings.hashes or _default_hashes()
    return Argon2Hasher(
        memory=costs.memory, passes=costs.passes, lanes=costs.lanes, queue=HashQueue(concurrent)
    )


WORKERS = "ROSTER_WORKER_COUNT"
"""The variable in which `roster serve` tells its workers how many there are."""


def _default_hashes() -> int:
    """Half of the processors, divided among all workers; at least 1."""
    workers = int(os.environ.get(WORKERS, "1"))
    return max(1, (os.cpu_count() or 1) // 2 // workers)


def make_estimator(settings: Settings) -> ZxcvbnEstimator:
    """Make the estimator of passwords. Raises BadSetting if the block list cannot be read."""
    if settings.password_blocklist is None:
        return ZxcvbnEstimator()
    try:
        return ZxcvbnEstimator(read_block_list(settings.password_blocklist))
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except ValueError as error:
        problem = str(error)
    raise BadSetting("ROSTER_PASSWORD_BLOCKLIST", problem)


def make_account_services(
    settings: Settings,
    resources: "Sequence[RegisteredResource]",
    readers: Sequence[Reader[Any]],
    run: UnitRunner,
    reader: AccountReader,
    relationships: Relationships,
    issuer: TokenIssuer,
    clock: Clock,
) -> AccountServices:
    """Make the use cases of accounts. `readers` are those of the resources, in their order."""
    # The command line does not need Flask, which is slow to import.
    from adapters.accounts.blueprint import AccountUseCases

    config = make_config(settings, [each.type.name for each in resources])
    (position,) = [n for n, each in enumerate(resources) if each.type is USER_TYPE]
    user_reader = readers[position]
    hasher, random = make_hasher(settings), SecureTokens()
    limits = GuessingLimits(config.failures, config.failure_window)
    tokens = SessionTokens(config, issuer, random)
    new_passwords = NewPasswords(config, hasher, make_estimator(settings))
    get_user: Callable[[int], Any] = user_reader.get
    return AccountServices(
        AccountUseCases(
            login=Login(run, tokens, hasher, limits),
            sessions=SessionCommands(run, config, tokens),
            session_queries=SessionQueries(reader, clock),
            passwords=PasswordCommands(run, new_passwords, hasher, limits),
            links=LinkRequests(run, config, hasher, limits, random),
            confirmation=Confirmation(run, new_passwords),
            overview=AccountOverview(reader, get_user, limits, clock),
            users=Queries(USER_TYPE, user_reader, relationships=relationships),
            user_commands=Commands(USER_TYPE, run, relationships=relationships),
            get_user=get_user,
        ),
        config,
        resources[position].declaration,
        reader,
    )
