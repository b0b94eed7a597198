"""Access tokens, and random identifiers and tokens."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol


class AccessClaims(NamedTuple):
    """The content of an access token, which is valid until `expiry`.

    `user_id` is the subject. `auth_time` is the time of the login.
    """

    user_id: int
    session_id: str
    scopes: Sequence[str]
    role: str
    auth_time: datetime
    issue_time: datetime
    expiry: datetime


class TokenIssuer(Protocol):
    """Signs access tokens (RFC 9068)."""

    def issue(self, claims: AccessClaims) -> str:
        """Returns a signed access token. Raises Unavailable if there is no signing key."""


class RandomTokens(Protocol):
    """Creates random identifiers and tokens."""

    def session_id(self) -> str:
        """Returns an opaque id of at least 16 characters, not a number."""

    def refresh_token(self) -> str:
        """Returns rrt_ and 256 random bits in base64url."""

    def link_token(self) -> str:
        """Returns rlt_ and 256 random bits in base64url."""
