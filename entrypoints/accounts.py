"""Connects the use cases of accounts according to the settings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapters.accounts.blueprint import AccountUseCases
from adapters.tokens.random_tokens import SecureTokens
from adapters.tokens.revocations import Revocations
from adapters.tokens.signing_keys import SigningKeys
from adapters.tokens.verifier import OwnTokens
from application.access import Policy
from application.accounts.config import AccountConfig
from application.accounts.counts import ResultCounts
from application.accounts.delivery import delivery_counts
from application.accounts.guessing import GuessingLimits
from application.accounts.links import Confirmation, LinkRequests
from application.accounts.login import Login
from application.accounts.overview import AccountOverview
from application.accounts.own_user import OwnUserCommands
from application.accounts.passwords import NewPasswords, PasswordCommands
from application.accounts.sessions import SessionCommands, SessionQueries, SessionTokens
from application.ports import AccountReader, Clock, Reader, UnitRunner
from application.relationships import Relationships
from application.users import USER_TYPE
from entrypoints.account_config import make_config, make_estimator, make_hasher
from entrypoints.settings import Settings
from entrypoints.signing_keys import make_issuer, own_audience, own_issuer

if TYPE_CHECKING:
    from adapters.jsonapi.resource import Resource
    from entrypoints.resources import RegisteredResource


@dataclass(frozen=True, slots=True)
class AccountServices:
    """The use cases of accounts, and what the adapters need in addition.

    `users` is the declaration of users, and `emails` counts the attempts to send emails.
    """

    use_cases: AccountUseCases
    config: AccountConfig
    users: "Resource"
    reader: AccountReader
    keys: SigningKeys
    own_tokens: OwnTokens
    emails: ResultCounts


def make_account_services(
    settings: Settings,
    resources: "Sequence[RegisteredResource]",
    readers: Sequence[Reader[Any]],
    run: UnitRunner,
    reader: AccountReader,
    relationships: Relationships,
    keys: SigningKeys,
    clock: Clock,
    policy: Policy,
) -> AccountServices:
    """Creates the use cases of accounts. `readers` are those of the resources, in their order.

    Raises BadSetting if the block list of passwords cannot be read.
    """
    issuer = make_issuer(settings, keys)
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
            sessions=SessionCommands(run, config, tokens, policy),
            session_queries=SessionQueries(reader, clock, policy),
            passwords=PasswordCommands(run, new_passwords, hasher, limits),
            links=LinkRequests(run, config, hasher, limits, random, policy),
            confirmation=Confirmation(run, new_passwords),
            overview=AccountOverview(reader, get_user, limits, clock, policy),
            own_user=OwnUserCommands(run, relationships, policy),
            get_user=get_user,
        ),
        config,
        resources[position].declaration,
        reader,
        keys,
        OwnTokens(
            keys,
            own_issuer(settings),
            own_audience(settings),
            Revocations(reader, leeway=settings.jwt_leeway),
        ),
        delivery_counts(),
    )
