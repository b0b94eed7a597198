"""The URLs of accounts outside of the API, over the in-memory store."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

import jwt
import pytest
from accounts_service import AccountService, ReadableTokens
from api_client import ApiClient
from flask import Flask
from structlog.testing import capture_logs

from adapters.api.error_handler import error_handler
from adapters.api.request import ApiRequest
from adapters.api.root import canonical
from adapters.oauth import oauth
from adapters.web.app import create_app
from adapters.web.rate_limit import RateLimiter
from adapters.web.request_body import BodyMemory, RequestLimits
from adapters.web.security_headers import ResponseHeaders
from application.access import SECRET, SESSION, InvalidToken, Principal, SessionClaims
from application.ports import AccessClaims

KEY = "a key that only these tests use, with enough bytes"
OTHER_ISSUER = "a key of another issuer of tokens, with enough bytes"
PUBLIC_KEYS = {"keys": [{"kty": "EC", "kid": "key", "crv": "P-256", "x": "eA", "y": "eQ"}]}


class SignedTokens(ReadableTokens):
    """Signs access tokens with a secret, and verifies them without any cached revocations."""

    def __init__(self) -> None:
        super().__init__()
        self.clock: Callable[[], datetime] | None = None

    def issue(self, claims: AccessClaims) -> str:
        super().issue(claims)
        content = {
            "sub": str(claims.user_id),
            "sid": claims.session_id,
            "scope": " ".join(claims.scopes),
            "roles": [claims.role],
            "iat": claims.issue_time.timestamp(),
            "exp": claims.expiry.timestamp(),
        }
        return jwt.encode(content, KEY, "HS256")

    def verify(self, token: str) -> Principal:
        assert self.clock
        principal, expiry = self._read(token)
        if expiry <= self.clock().timestamp():
            raise InvalidToken("The token has expired.")
        return principal

    def session_of(self, token: str) -> SessionClaims | None:
        try:
            return self._read(token)[0].session
        except InvalidToken:
            return None

    @staticmethod
    def _read(token: str) -> tuple[Principal, float]:
        """Returns the principal and the expiry of a token."""
        options: Any = {"verify_exp": False, "verify_iat": False}
        for key in (KEY, OTHER_ISSUER):
            try:
                claims = jwt.decode(token, key, ["HS256"], options=options)
            except jwt.PyJWTError:
                continue
            scopes = frozenset(claims["scope"].split(" "))
            if key == OTHER_ISSUER:
                return Principal(SECRET, None, claims["sub"], scopes), claims["exp"]
            session = SessionClaims(claims["sid"], int(claims["sub"]), int(claims["iat"] * 1000))
            principal = Principal(SESSION, None, f"users/{claims['sub']}", scopes, session)
            return principal, claims["exp"]
        raise InvalidToken


def other_token(service: AccountService, *scopes: str) -> str:
    """A token of another issuer, which names an unknown session."""
    claims = {
        "sub": "1",
        "sid": "session-id-000001",
        "scope": " ".join(scopes),
        "exp": service.now.timestamp() + 600,
    }
    return jwt.encode(claims, OTHER_ISSUER, "HS256")


@pytest.fixture(autouse=True)
def log() -> Iterator[list[Any]]:
    """The log entries of the service."""
    with capture_logs() as entries:
        yield entries


@pytest.fixture
def service() -> AccountService:
    tokens = SignedTokens()
    service = AccountService(tokens=tokens)
    tokens.clock = lambda: service.now
    return service


Build = Callable[..., Flask]


@pytest.fixture
def build(service: AccountService) -> Build:
    """Builds an application with these URLs only."""

    def build(
        *,
        public_url: str = "",
        limit: RateLimiter | None = None,
        key_set: Callable[[], Mapping[str, Any]] = lambda: PUBLIC_KEYS,
        body_limit: int = 2**20,
        origins: tuple[str, ...] = (),
    ) -> Flask:
        assert isinstance(service.tokens, SignedTokens)
        blueprints = oauth(
            service.sessions,
            service.session_queries,
            service.tokens.verify,
            service.tokens.session_of,
            key_set,
            scopes=["users:read", "me"],
            public_url=public_url,
            limit=limit,
            limits=RequestLimits(
                body_bytes=body_limit,
                body_seconds=10,
                seconds=10,
                parameters=10,
                memory=BodyMemory(2 * body_limit),
            ),
        )
        return create_app(
            blueprints,
            render_error=error_handler(""),
            canonical=canonical,
            request_seconds=10,
            response_headers=ResponseHeaders(origins=origins),
            request_class=ApiRequest,
        )

    return build


@pytest.fixture
def client(build: Build) -> ApiClient:
    return ApiClient(build())
