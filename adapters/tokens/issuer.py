"""Signs Roster's own tokens: access tokens of sessions (RFC 9068), and those of `roster token`."""

import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from time import time
from typing import Any, Final
from uuid import UUID

import jwt

from adapters.tokens.keys import HS256, secret_bytes
from adapters.tokens.signing_keys import SigningKeys
from application.ports.tokens import AccessClaims, TokenIssuer

CLIENT_ID: Final = "roster"
OWN_TYPE: Final = "at+jwt"
"""The type of all tokens that Roster signs with a private key."""
_RANDOM_BITS: Final = 80
_VERSION: Final = 0x7 << 76
_VERSION_MASK: Final = 0xF << 76
_VARIANT: Final = 0b10 << 62
_VARIANT_MASK: Final = 0b11 << 62


def sign(
    secret: str,
    scopes: Iterable[str],
    *,
    seconds: int,
    subject: str | None = None,
    issuer: str | None = None,
    audience: str | None = None,
) -> str:
    """Signs a token with HS256. It is valid for `seconds` from now.

    Raises ValueError if `secret_bytes` does.
    """
    now = int(time())
    claims = {"iss": issuer, "sub": subject, "aud": audience, "scope": " ".join(scopes)}
    present = {name: value for name, value in claims.items() if value is not None}
    issued = {**present, "iat": now, "exp": now + seconds}
    return jwt.encode(issued, secret_bytes(secret), algorithm=HS256[0])


class JwtIssuer(TokenIssuer):
    """Signs with the first key. `issuer` and `audience` are the claims `iss` and `aud`."""

    def __init__(self, keys: SigningKeys, *, issuer: str, audience: str) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience

    def issue(self, claims: AccessClaims) -> str:
        return self._sign(
            {
                "sub": str(claims.user_id),
                "exp": int(claims.expiry.timestamp()),
                "iat": int(claims.issue_time.timestamp()),
                "jti": token_id(milliseconds(claims.issue_time)),
                "client_id": CLIENT_ID,
                "scope": " ".join(claims.scopes),
                "roles": [claims.role],
                "sid": claims.session_id,
                "auth_time": int(claims.auth_time.timestamp()),
                "amr": ["pwd"],
            }
        )

    def issue_plain(self, scopes: Iterable[str], *, seconds: int, subject: str | None) -> str:
        """Signs a token without a session. It is valid for `seconds` from now."""
        now = time()
        named = {} if subject is None else {"sub": subject}
        return self._sign(
            {
                **named,
                "exp": int(now) + seconds,
                "iat": int(now),
                "jti": token_id(int(now * 1000)),
                "scope": " ".join(scopes),
            }
        )

    def _sign(self, claims: Mapping[str, Any]) -> str:
        key = self._keys.signing()
        return jwt.encode(
            {"iss": self._issuer, "aud": self._audience, **claims},
            key.private,
            algorithm=key.algorithm,
            headers={"kid": key.kid, "typ": OWN_TYPE},
        )


def milliseconds(time: datetime) -> int:
    """Returns the milliseconds since 1970."""
    return int(time.timestamp()) * 1000 + time.microsecond // 1000


def token_id(issue_time: int) -> str:
    """Returns a unique id, which begins with the time in ms: a UUIDv7 (RFC 9562, section 5.7)."""
    value = issue_time << _RANDOM_BITS | int.from_bytes(os.urandom(_RANDOM_BITS // 8))
    value = value & ~_VERSION_MASK | _VERSION
    return str(UUID(int=value & ~_VARIANT_MASK | _VARIANT))


def issue_time_of(token_id: str) -> int:
    """Returns the time in ms with which the id of a token begins. Raises ValueError."""
    return UUID(token_id).int >> _RANDOM_BITS
