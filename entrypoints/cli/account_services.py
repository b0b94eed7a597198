"""Connects the commands of accounts to the use cases. They work with accounts on or off."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from entrypoints.cli.services import Services, command_context, open_container, services_of

if TYPE_CHECKING:
    from adapters.mail.links import LinkUrls
    from application.accounts.administrators import Administrators
    from application.accounts.links import LinkRequests
    from application.accounts.lockouts import Lockouts
    from application.accounts.overview import AccountOverview
    from application.accounts.passwords import PasswordCommands
    from application.accounts.sessions import SessionQueries, SessionTermination
    from application.ports import Context
    from domain.users import User
    from entrypoints.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCommands:
    """The use cases of the commands, and the services of users."""

    settings: "Settings"
    users: Services
    administrators: "Administrators"
    passwords: "PasswordCommands"
    links: "LinkRequests"
    lockouts: "Lockouts"
    overview: "AccountOverview"
    session_termination: "SessionTermination"
    session_queries: "SessionQueries"
    link_urls: "LinkUrls"
    has_link_setting: bool
    """True if a setting determines the base URL of links."""

    @property
    def context(self) -> "Context":
        """The context of the command."""
        return self.users.context

    def one_request(self) -> AbstractContextManager[None]:
        """Applies the deadline of a request. A command does not wait for input meanwhile."""
        from application.deadlines import deadline

        return deadline(self.settings.request_seconds)

    def find(self, text: str) -> "User":
        """Returns the user with the id or the email. Raises UserNotFound."""
        user: User = self.users.find(text)
        return user


@contextmanager
def open_accounts() -> Iterator[AccountCommands]:
    """The use cases of accounts, without a deadline. Raises BadSetting if a setting is invalid."""
    with open_container() as (settings, container):
        users = services_of("users", settings, container, command_context())
        yield _account_commands(settings, container, users)


def _account_commands(settings: "Settings", container: Any, users: Services) -> AccountCommands:
    from adapters.tokens.random_tokens import SecureTokens
    from application.accounts.administrators import Administrators
    from application.accounts.guessing import GuessingLimits
    from application.accounts.links import LinkRequests
    from application.accounts.lockouts import Lockouts
    from application.accounts.overview import AccountOverview
    from application.accounts.passwords import NewPasswords, PasswordCommands
    from application.accounts.sessions import SessionQueries, SessionTermination
    from entrypoints.account_config import make_config, make_estimator, make_hasher
    from entrypoints.link_urls import make_link_urls

    run, reader, clock = users.run, container.account_reader(), container.clock()
    policy = container.policy()
    config = make_config(settings, [each.type.name for each in container.resources()])
    hasher = make_hasher(settings)
    limits = GuessingLimits(config.failures, config.failure_window)
    new_passwords = NewPasswords(config, hasher, make_estimator(settings))

    def get_user(user_id: int) -> Any:
        return users.queries.get(user_id, users.principal)

    return AccountCommands(
        settings=settings,
        users=users,
        administrators=Administrators(run, new_passwords),
        passwords=PasswordCommands(run, new_passwords, hasher, limits),
        links=LinkRequests(run, config, hasher, limits, SecureTokens(), policy),
        lockouts=Lockouts(run),
        overview=AccountOverview(reader, get_user, limits, clock, policy),
        session_termination=SessionTermination(run, policy),
        session_queries=SessionQueries(reader, clock, policy),
        link_urls=make_link_urls(settings),
        has_link_setting=bool(settings.link_url or settings.public_url),
    )
