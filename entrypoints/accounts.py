"""Connects the use cases of accounts according to the settings."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from adapters.accounts.blueprint import AccountUseCases
from adapters.mail.folder import BadFolder, FolderMailer
from adapters.mail.links import account_links, application_links
from adapters.mail.message import Composer, parse_sender
from adapters.mail.smtp import SmtpMailer, parse_smtp_url
from adapters.mail.templates import BadTemplate, MailTemplates
from adapters.passwords.estimator import ZxcvbnEstimator, read_block_list
from adapters.passwords.hash_queue import HashQueue
from adapters.passwords.hasher import Argon2Hasher
from adapters.tokens.random_tokens import SecureTokens
from adapters.tokens.revocations import Revocations
from adapters.tokens.signing_keys import SigningKeys
from adapters.tokens.tokens import OwnTokens
from application.accounts.config import AccountConfig, RoleScopes
from application.accounts.counts import ResultCounts
from application.accounts.delivery import Delivery, delivery_counts
from application.accounts.guessing import GuessingLimits
from application.accounts.links import Confirmation, LinkRequests
from application.accounts.login import Login
from application.accounts.overview import AccountOverview
from application.accounts.passwords import NewPasswords, PasswordCommands
from application.accounts.sessions import SessionCommands, SessionQueries, SessionTokens
from application.commands import Commands
from application.ports import AccountReader, Clock, Mailer, Reader, UnitRunner
from application.queries import Queries
from application.relationships import Relationships
from application.users import USER_TYPE
from entrypoints.settings import BadSetting, Settings
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
    concurrent = settings.hashes or max(1, (os.cpu_count() or 1) // 2)
    return Argon2Hasher(
        memory=costs.memory, passes=costs.passes, lanes=costs.lanes, queue=HashQueue(concurrent)
    )


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
    keys: SigningKeys,
    clock: Clock,
) -> AccountServices:
    """Make the use cases of accounts. `readers` are those of the resources, in their order."""
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
        keys,
        OwnTokens(
            keys,
            own_issuer(settings),
            own_audience(settings),
            Revocations(reader, leeway=settings.jwt_leeway),
        ),
        delivery_counts(),
    )


def make_mailer(settings: Settings, address: str | None) -> Mailer:
    """Make the mailer. `address` is the URL that the service listens on, if it is known.

    Raises BadSetting if the templates or the folder of emails cannot be used.
    """
    try:
        templates = MailTemplates(
            Path(settings.mail_templates) if settings.mail_templates else None
        )
    except BadTemplate as error:
        raise BadSetting("ROSTER_MAIL_TEMPLATES", str(error)) from None
    links = (
        application_links(settings.link_url)
        if settings.link_url
        else account_links(settings.public_url or address or "http://127.0.0.1:5000")
    )
    sender = parse_sender(settings.mail_from or _DEFAULT_SENDER)
    composer = Composer(templates, links, sender)
    if settings.smtp_url:
        return SmtpMailer(composer, parse_smtp_url(settings.smtp_url))
    try:
        return FolderMailer(composer, Path(settings.mail_folder))
    except BadFolder as error:
        raise BadSetting("ROSTER_MAIL_FOLDER", str(error)) from None


_DEFAULT_SENDER: Final = "Roster <roster@localhost.localdomain>"


def make_delivery(
    settings: Settings, services: AccountServices, run: UnitRunner, address: str | None
) -> Delivery:
    """Make the delivery of emails."""
    mailer = make_mailer(settings, address)
    return Delivery(run, mailer, SecureTokens(), services.config.link_ttl, services.emails)
