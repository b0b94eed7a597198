"""Accounts on the in-memory store, with a clock that tests set and a hasher that costs nothing."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from adapters.memory.accounts import MemoryAccountReader
from adapters.memory.repository import MemoryReader
from adapters.memory.store import MemoryStore
from application.accounts.config import AccountConfig, RoleScopes, Signup
from application.accounts.guessing import GuessingLimits
from application.accounts.links import Confirmation, LinkRequests
from application.accounts.login import Login
from application.accounts.passwords import NewPasswords, PasswordCommands
from application.accounts.reactions import AccountReaction
from application.accounts.sessions import (
    Client,
    IssuedTokens,
    SessionCommands,
    SessionQueries,
    SessionTokens,
    digest,
)
from application.commands import Commands
from application.ports import (
    AccessClaims,
    Context,
    PasswordEstimator,
    PasswordHasher,
    RandomTokens,
    TokenIssuer,
    UnitOfWork,
)
from application.units import retrying
from application.users import USER_TYPE
from domain.accounts import EmailedLink, Purpose, Session, Template, WaitingEmail
from domain.users import NewUser, User

ANONYMOUS = Context()
HOME = Client("203.0.113.7", "203.0.113.7", "Browser")
PASSWORD = "correct horse battery staple"
NEW_PASSWORD = "a longer password than before"


class PlainHasher(PasswordHasher):
    """Prefixes passwords instead of hashing them."""

    def __init__(self) -> None:
        self.verified = 0
        self.meanwhile: Callable[[], object] = lambda: None
        """Called once after a password is verified, for the changes of other requests."""

    def admission(self) -> AbstractContextManager[None]:
        return nullcontext()

    def hash(self, password: str) -> str:
        return f"hash {password}"

    def verify(self, password: str, password_hash: str | None) -> bool:
        self.verified += 1
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        return password_hash in (f"hash {password}", f"old {password}")

    def is_outdated(self, password_hash: str) -> bool:
        return password_hash.startswith("old ")


class ShortBlockList(PasswordEstimator):
    """Knows one guessable password, and the name of the user."""

    def is_guessable(self, password: str, *, personal: Sequence[str]) -> bool:
        return password == "password1234" or password in personal


class ReadableTokens(TokenIssuer, RandomTokens):
    """Issues access tokens that show their claims, and counts the other tokens."""

    def __init__(self) -> None:
        self.claims: list[AccessClaims] = []
        self._numbers = count(1)

    def issue(self, claims: AccessClaims) -> str:
        self.claims.append(claims)
        return f"access {len(self.claims)}"

    def session_id(self) -> str:
        return f"session-id-{next(self._numbers):06}"

    def refresh_token(self) -> str:
        return f"rrt_{next(self._numbers)}"

    def link_token(self) -> str:
        return f"rlt_{next(self._numbers)}"


class AccountService:
    """The use cases of accounts, and what tests look up behind them."""

    def __init__(
        self,
        signup: Signup = Signup(enabled=True),  # noqa: B008 (immutable)
        tokens: ReadableTokens | None = None,
    ) -> None:
        self.now = datetime(2026, 11, 22, tzinfo=UTC)
        self.store = MemoryStore(lambda: self.now, reactions={USER_TYPE: AccountReaction()})
        run = self.run = retrying(self.store.begin)
        scopes = {"admin": ("*:read", "*:write"), "*": ("me",)}
        config = AccountConfig(
            role_scopes=RoleScopes(scopes, ("users", "groups")), signup=signup, failures=3
        )
        self.tokens, self.hasher = tokens or ReadableTokens(), PlainHasher()
        limits = self.limits = GuessingLimits(config.failures, config.failure_window)
        session_tokens = SessionTokens(config, self.tokens, self.tokens)
        new_passwords = NewPasswords(config, self.hasher, ShortBlockList())
        self.login = Login(run, session_tokens, self.hasher, limits)
        self.sessions = SessionCommands(run, config, session_tokens)
        self.reader = MemoryAccountReader(self.store)
        self.session_queries = SessionQueries(self.reader, lambda: self.now)
        self.passwords = PasswordCommands(run, new_passwords, self.hasher, limits)
        self.links = LinkRequests(run, config, self.hasher, limits, self.tokens)
        self.confirmation = Confirmation(run, new_passwords)
        self.users = Commands(USER_TYPE, run)
        self.user_reader = MemoryReader(USER_TYPE, self.store)

    def wait(self, **duration: float) -> None:
        self.now += timedelta(**duration)

    def user(self, name: str = "ann", *, password: str | None = PASSWORD, **more: Any) -> User:
        attributes: dict[str, Any] = {"is_active": True, **more}
        new = NewUser(email=f"{name}@example.org", name=name.title(), **attributes)
        user: User = self.users.create(new, ANONYMOUS)
        if password:
            self.passwords.set(user.email, password, ANONYMOUS)
        return user

    def log_in(
        self, name: str = "ann", password: str = PASSWORD, client: Client = HOME
    ) -> IssuedTokens:
        return self.login.log_in(f"{name}@example.org", password, client, ANONYMOUS)

    def request_email(self, session: Session, email: str, password: str = PASSWORD) -> None:
        """Requests a link to a new address of the session's user."""
        self.links.change_email(
            session.user_id,
            session.id,
            email=email,
            password=password,
            client=HOME,
            context=ANONYMOUS,
        )

    def change_password(self, session: Session, client: Client = HOME, **passwords: str) -> None:
        """Changes the password of the session's user."""
        chosen = {"current": PASSWORD, "new": NEW_PASSWORD, **passwords}
        self.passwords.change(
            session.user_id, session.id, **chosen, client=client, context=ANONYMOUS
        )

    def events(self, user: User) -> list[str]:
        about = [each for each in self.store.events.values() if each.subject_id == user.id]
        return [each.action for each in about]

    def last_actor(self) -> str | None:
        """The actor of the last event in the audit log."""
        return list(self.store.events.values())[-1].actor

    def emails(self) -> list[WaitingEmail]:
        return [email for email, _ in self.store.account_tables.outbox.values()]

    def sent_emails(self) -> list[tuple[Template, str]]:
        """The emails that are not discarded."""
        emails = [each for each in self.emails() if each.user_id or each.template == "signup"]
        return [(each.template, each.address) for each in emails]

    def open_link(self, email: WaitingEmail) -> str:
        """Stores the link of an email, as its delivery does, and returns the token."""
        token, purpose = self.tokens.link_token(), email.template.purpose
        assert purpose

        def unit(work: UnitOfWork) -> None:
            expiry = work.now + timedelta(minutes=30)
            link = EmailedLink(
                digest(token), purpose, email.user_id, email.address, email.name, work.now, expiry
            )
            work.accounts.links.add(link)

        self.run(ANONYMOUS, unit)
        return token

    def link_of(self, user: User, purpose: Purpose) -> str:
        email = WaitingEmail(0, Template(purpose.value), user.id, user.email, None, "", self.now)
        return self.open_link(email)
