"""A complete service with accounts, over the in-memory store."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from api_client import ApiClient, ApiResponse
from structlog.testing import capture_logs

from adapters.tokens.signing_keys import SigningKey
from application.ports import Context
from domain.users import NewUser
from entrypoints.container import Container
from entrypoints.settings import Settings

JSONAPI = "application/vnd.api+json"
PASSWORD = "correct horse battery staple"
SECRET = "a secret that only these tests use, with enough bytes"
SETTINGS = {
    "ROSTER_DATABASE_URL": "memory://",
    "ROSTER_ACCOUNTS": "on",
    "ROSTER_SIGNUP": "on",
    "ROSTER_METRICS": "off",
    "ROSTER_LOG_FORMAT": "text",
    "ROSTER_ARGON2": "m=7168,t=5,p=1",
    "ROSTER_ACCOUNT_RATE": "10000/minute",
    "ROSTER_JWT_SECRET": SECRET,
}


class Target:
    """The service, with one active administrator, Ann."""

    def __init__(self, settings: dict[str, str]) -> None:
        container = Container(settings=Settings.of({**SETTINGS, **settings}))
        self.app = container.app()
        accounts = container.accounts()
        assert accounts
        self.accounts = accounts
        self.commands = container.services()["users"].commands(container.run())
        self.ann = self.user("ann", role="admin")

    @property
    def key(self) -> SigningKey:
        """The private key of the service."""
        key: SigningKey = self.accounts.keys.signing()
        return key

    def user(self, name: str, **attributes: Any) -> int:
        """Creates a user with the password, and returns the id."""
        email = f"{name}@example.org"
        new = NewUser(email=email, name=name.title(), **{"is_active": True, **attributes})
        user_id: int = self.commands.create(new, Context()).id
        self.accounts.use_cases.passwords.set(email, PASSWORD, Context())
        return user_id

    def send(
        self, method: str, path: str, *, address: str = "203.0.113.7", **options: Any
    ) -> ApiResponse:
        """Sends a request from an address."""
        environ = {"REMOTE_ADDR": address}
        return ApiClient(self.app).open(
            path, method=method, environ_base=environ, buffered=True, **options
        )

    def post(self, kind: str, path: str | None = None, **attributes: str) -> ApiResponse:
        """Creates a resource of a type."""
        return self.document("POST", path or kind, {"type": kind, "attributes": attributes})

    def document(self, method: str, path: str, data: dict[str, Any], **options: Any) -> ApiResponse:
        """Sends a document. `headers` are additional ones."""
        headers = {"Content-Type": JSONAPI, "Accept": JSONAPI, **options.pop("headers", {})}
        body = json.dumps({"data": data}, ensure_ascii=False).encode()
        return self.send(method, f"/api/v1/{path}", data=body, headers=headers, **options)

    def log_in(
        self, email: str = "ann@example.org", password: str = PASSWORD, **options: Any
    ) -> ApiResponse:
        """Sends a login."""
        attributes = {"email": email, "password": password}
        path = options.pop("path", "sessions")
        return self.document(
            "POST", path, {"type": "sessions", "attributes": attributes}, **options
        )

    def access(self) -> dict[str, str]:
        """Returns the header with the access token of a new session."""
        tokens = json.loads(self.log_in().data)["data"]["meta"]
        return {"Authorization": f"Bearer {tokens['access_token']}"}


@pytest.fixture(autouse=True)
def log() -> Iterator[list[Any]]:
    """The log entries of the service."""
    with capture_logs() as entries:
        yield entries


@pytest.fixture
def target() -> Target:
    return Target({})
