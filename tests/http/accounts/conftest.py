"""Accounts over HTTP, through the service as it is configured, over the in-memory store.

The client checks every response against the rules for all responses.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

import pytest
from accounts.table import PASSWORD, PREFIX, document
from api.conftest import CheckedClient
from api.tokens import SECRET, secret_token
from api_client import ApiClient
from flask import Flask
from structlog.testing import capture_logs

from adapters.tokens.random_tokens import SecureTokens
from application.accounts.delivery import ClaimedEmail, Delivery
from application.ports import Context, UnitOfWork
from domain.users import NewUser
from entrypoints.account_config import make_hasher
from entrypoints.container import Container, utc_now
from entrypoints.settings import Settings

SETTINGS = {
    "ROSTER_ACCOUNTS": "on",
    "ROSTER_DATABASE_URL": "memory://",
    "ROSTER_CURSOR_SECRET": "a secret",
    "ROSTER_METRICS": "off",
    "ROSTER_LOG_FORMAT": "text",
    "ROSTER_SIGNUP": "on",
    "ROSTER_ARGON2": "m=7168,t=5,p=1",
    "ROSTER_JWT_SECRET": SECRET,
}
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Service:
    """A service with accounts, with a client for its requests."""

    def __init__(
        self, settings: Mapping[str, str], password_hash: str, clock: Callable[[], datetime]
    ) -> None:
        self.container = Container(settings=Settings.of({**SETTINGS, **settings}), clock=clock)
        self.app: Flask = self.container.app()
        self.client: ApiClient = CheckedClient(self.app)
        self.run = self.container.run()
        self._password_hash = password_hash
        mailer: Any = None  # the emails are only claimed
        self._emails = Delivery(self.run, mailer, SecureTokens(), self._link_ttl)

    def _link_ttl(self, purpose: Any) -> Any:
        accounts = self.container.accounts()
        assert accounts
        return accounts.config.link_ttl(purpose)

    def user(self, name: str = "ann", *, has_password: bool = True, **attributes: Any) -> int:
        """Creates an active user, and returns the id."""
        commands = self.container.services()["users"].commands(self.run)
        values = {"is_active": True, **attributes}
        user = commands.create(
            NewUser(email=f"{name}@example.org", name=name.title(), **values), Context()
        )

        def unit(work: UnitOfWork) -> None:
            accounts = work.accounts.accounts
            accounts.save(accounts.get(user.id)._replace(password_hash=self._password_hash))

        if has_password:
            self.run(Context(), unit)
        return int(user.id)

    def log_in(self, name: str = "ann", **options: Any) -> Any:
        """Returns the resource object of a new session."""
        sent = document("sessions", email=f"{name}@example.org", password=PASSWORD)
        response = self.send("POST", "/sessions", sent, **options)
        assert response.status_code == 201, response.text
        return response.json["data"]

    def access(self, name: str = "ann") -> dict[str, str]:
        """Returns the header with the token of a new session."""
        return bearer(self.log_in(name)["meta"]["access_token"])

    def send(
        self,
        method: str,
        url: str,
        sent: Any = None,
        headers: Mapping[str, str] = NO_HEADERS,
        **options: Any,
    ) -> Any:
        """Sends a request to a URL under the prefix."""
        if sent is not None:
            options["json"] = sent
        return self.client.open(PREFIX + url, method=method, headers={**headers}, **options)

    def next_email(self) -> ClaimedEmail | None:
        """Returns the next email that is due."""
        return self._emails.claim()

    def link_token(self) -> str:
        """Returns the token of the link in the next email."""
        email = self.next_email()
        assert email
        assert email.outgoing.token
        return email.outgoing.token


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def other_issuer(*scopes: str) -> dict[str, str]:
    """The header with a token of another issuer."""
    return bearer(secret_token(*scopes, subject="1"))


Build = Callable[..., Service]


@pytest.fixture(autouse=True)
def log() -> Iterator[list[Any]]:
    """The log entries of the service."""
    with capture_logs() as entries:
        yield entries


@pytest.fixture(scope="session")
def password_hash() -> str:
    """The hash of PASSWORD. Computing it for each user would take most of the time."""
    return make_hasher(Settings.of(SETTINGS)).hash(PASSWORD)


@pytest.fixture
def build(password_hash: str) -> Build:
    """Builds a service with some settings of its own, and optionally a clock."""

    def build(*, clock: Callable[[], datetime] = utc_now, **settings: str) -> Service:
        return Service(settings, password_hash, clock)

    return build


@pytest.fixture
def service(build: Build) -> Service:
    return build()
