"""Accounts: the passwords, sessions and emailed links of users."""

from collections.abc import Container
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from domain.attributes import StaleVersion

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
USER_AGENT_LENGTH: Final = 250
"""The maximum number of characters of the user agent of a session. The rest is not stored."""


class Account(NamedTuple):
    """The login data of a user. A user without any has an account with None everywhere.

    `email_verified_time` is None after a change of the email. `login_time` is the last login.
    """

    user_id: int
    password_hash: str | None = None
    password_time: datetime | None = None
    email_verified_time: datetime | None = None
    login_time: datetime | None = None


class Session(NamedTuple):
    """A login of a user, from one client.

    `use_time` is the time of the login or of the last refresh. The session has ended after
    `expiry_time`. `address` is the IP address of the client at the last use.
    """

    id: str
    user_id: int
    creation_time: datetime
    use_time: datetime
    expiry_time: datetime
    address: str
    user_agent: str | None

    @property
    def version(self) -> int:
        """The version of the session: the time of its last use, in milliseconds since 1970."""
        return (self.use_time - _EPOCH) // _MILLISECOND

    def has_expired(self, now: datetime) -> bool:
        """Returns True if the session has ended by its expiry time."""
        return self.expiry_time <= now

    def require_version(self, versions: Container[int] | None) -> None:
        """Raises StaleVersion if the session's version is not in `versions`. None accepts any."""
        if versions is not None and self.version not in versions:
            raise StaleVersion(self.version)


class RefreshToken(NamedTuple):
    """A refresh token of a session. `digest` is the SHA-256 of the token, 32 bytes.

    `use_time` is None until the token is used for the first time.
    """

    digest: bytes
    session_id: str
    creation_time: datetime
    use_time: datetime | None = None


class Purpose(StrEnum):
    """The purpose of a link."""

    SIGNUP = "signup"
    INVITATION = "invitation"
    RECOVERY = "recovery"
    EMAIL = "email"


class EmailedLink(NamedTuple):
    """A link that was emailed. `digest` is the SHA-256 of its token, 32 bytes.

    `email` is the address to which the link was sent. `user_id` is None for a sign-up, which has
    the `name` of the user to be created. A link is not valid after `expiry_time`.
    """

    digest: bytes
    purpose: Purpose
    user_id: int | None
    email: str
    name: str | None
    creation_time: datetime
    expiry_time: datetime

    def has_expired(self, now: datetime) -> bool:
        """Returns True if the link is no longer valid."""
        return self.expiry_time <= now


class Template(StrEnum):
    """The kinds of emails, each with a template. The first four contain a link."""

    SIGNUP = "signup"
    INVITATION = "invitation"
    RECOVERY = "recovery"
    EMAIL = "email"
    TAKEN = "taken"
    EMAIL_CHANGED = "email_changed"
    PASSWORD_CHANGED = "password_changed"

    @property
    def purpose(self) -> Purpose | None:
        """The purpose of the link in the email, or None if the email has no link."""
        return Purpose(self.value) if self.value in set(Purpose) else None


class WaitingEmail(NamedTuple):
    """An email that waits in the outbox. Its link is created when it is sent.

    The database never contains the token of a link, so the email is rendered at each attempt.
    `user_id` is None for a sign-up, which has the `name` of the user to be created. It is also None
    for the recovery of an address that no active user has, which is discarded instead of sent.
    `id` is 0 until the email is stored. `message_id` is the same at each attempt.
    """

    id: int
    template: Template
    user_id: int | None
    address: str
    name: str | None
    message_id: str
    creation_time: datetime
    attempts: int = 0
