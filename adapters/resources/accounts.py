"""Sessions and the other resources of accounts, as JSON:API resources."""

import re
from datetime import datetime
from typing import Any, Final, NamedTuple

from marshmallow_jsonapi import Schema

from adapters.jsonapi.documents import DocumentWriter
from adapters.jsonapi.kinds import Boolean, Id, Text, Timestamp
from adapters.jsonapi.resource import Resource
from adapters.resources.urls import Urls
from application.users import USER_TYPE
from domain.accounts import Account, Session
from domain.errors import Problem

_SESSION_ID: Final = r"[A-Za-z0-9_-]{16,64}"
_ADJACENT: Final = re.compile(r"[ -~]+")
"""A value in a cursor: an id, or a value that is adjacent to one."""


class SessionId(Id):
    """The id of a session: an opaque text."""

    invalid = Problem("invalid_format", "must be 16 to 64 characters of A-Z, a-z, 0-9, _ and -")
    pattern = _SESSION_ID
    schema = {"type": "string", "pattern": f"^{_SESSION_ID}$"}  # noqa: RUF012
    text_pattern = bound_pattern = _SESSION_ID

    def parse(self, text: str) -> Any:
        """Returns the id, or None if no session can have it."""
        return text if re.fullmatch(_SESSION_ID, text) else None

    def bound_from_text(self, text: str) -> Any:
        return self.from_text(text)

    def format(self, value: Any) -> str:
        return str(value)

    def adjacent(self, value: Any, *, beyond: bool) -> Any:
        # "!" sorts before all characters of ids, and "~" after them.
        return f"{value}!" if beyond else f"{value[:-1]}{chr(ord(value[-1]) - 1)}~"

    def from_cursor(self, value: object) -> Any:
        if not isinstance(value, str) or not _ADJACENT.fullmatch(value):
            raise self.make_error("type")
        return value


class SessionSchema(Schema):
    """The attributes of a session. Login requires an email and a password."""

    class Meta:
        """The type in JSON:API documents."""

        type_ = "sessions"

    id = SessionId()
    email = Text(required=True, load_only=True, examples=["ann@example.org"])
    password = Text(required=True, load_only=True, examples=["correct horse battery staple"])
    creation_time = Timestamp(
        dump_only=True,
        examples=["2026-11-22T09:30:00.123Z"],
        description="The time of the login.",
    )
    use_time = Timestamp(
        dump_only=True,
        examples=["2026-11-22T09:30:00.123Z"],
        description="The time of the login or of the last refresh.",
    )
    expiry_time = Timestamp(
        dump_only=True,
        examples=["2026-11-29T09:30:00.123Z"],
        description="The time at which the session ends if it is not used again.",
    )
    address = Text(
        dump_only=True,
        text_search=False,
        examples=["203.0.113.7"],
        description="The IP address of the client.",
    )
    user_agent = Text(
        dump_only=True,
        allow_none=True,
        text_search=False,
        examples=["Mozilla/5.0"],
        description="The header User-Agent of the client, up to 250 characters.",
    )
    is_current = Boolean(
        dump_only=True,
        filterable=False,
        examples=[True],
        description="True for the session of the token in the request.",
    )


class SignupSchema(Schema):
    """A request to sign up."""

    class Meta:
        """The type in JSON:API documents."""

        type_ = "signups"

    id = Id()
    email = Text(required=True, load_only=True, examples=["ann@example.org"])
    name = Text(required=True, load_only=True, examples=["Ann Example"])


class RecoverySchema(Schema):
    """A request for a link to set a new password."""

    class Meta:
        """The type in JSON:API documents."""

        type_ = "recoveries"

    id = Id()
    email = Text(required=True, load_only=True, examples=["ann@example.org"])


class ConfirmationSchema(Schema):
    """The use of an emailed link."""

    class Meta:
        """The type in JSON:API documents."""

        type_ = "confirmations"

    id = Id()
    token = Text(required=True, load_only=True, examples=["rlt_…"])
    password = Text(load_only=True, examples=["correct horse battery staple"])


class PasswordSchema(Schema):
    """A change of the user's own password."""

    class Meta:
        """The type in JSON:API documents."""

        type_ = "passwords"

    id = Id()
    current_password = Text(required=True, load_only=True, examples=["old password of Ann"])
    password = Text(required=True, load_only=True, examples=["correct horse battery staple"])


class EmailSchema(Schema):
    """A change of the user's own email."""

    class Meta:
        """The type in JSON:API documents."""

        type_ = "emails"

    id = Id()
    email = Text(required=True, load_only=True, examples=["ann@example.net"])
    password = Text(required=True, load_only=True, examples=["correct horse battery staple"])


class InvitationSchema(Schema):
    """An invitation to set a password. It has no attributes."""

    class Meta:
        """The type in JSON:API documents."""

        type_ = "invitations"

    id = Id()


class AccountSchema(Schema):
    """The account of a user. It shows whether there is a password, but not its hash."""

    class Meta:
        """The type in JSON:API documents."""

        type_ = "accounts"

    id = Id()
    has_password = Boolean(
        dump_only=True, examples=[True], description="True if the user has a password."
    )
    password_time = Timestamp(
        dump_only=True,
        allow_none=True,
        examples=["2026-11-22T09:30:00.123Z"],
        description="The time at which the password was last set or changed.",
    )
    email_verified_time = Timestamp(
        dump_only=True,
        allow_none=True,
        examples=["2026-11-22T09:30:00.123Z"],
        description="The time at which the user last used a link in an email to this address. Null "
        "if the user has not used one.",
    )
    login_time = Timestamp(
        dump_only=True,
        allow_none=True,
        examples=["2026-11-22T09:30:00.123Z"],
        description="The time of the last login.",
    )
    locked_until = Timestamp(
        dump_only=True,
        allow_none=True,
        examples=["2026-11-22T09:30:00.123Z"],
        description="The time until which wrong passwords block logins from at least one network.",
    )


SESSIONS: Final = Resource.of(SessionSchema)
SIGNUPS: Final = Resource.of(SignupSchema)
RECOVERIES: Final = Resource.of(RecoverySchema)
CONFIRMATIONS: Final = Resource.of(ConfirmationSchema)
PASSWORDS: Final = Resource.of(PasswordSchema)
EMAILS: Final = Resource.of(EmailSchema)
INVITATIONS: Final = Resource.of(InvitationSchema)
ACCOUNTS: Final = Resource.of(AccountSchema)


def account_writer(urls: Urls) -> DocumentWriter:
    """Returns the writer of the accounts of users."""
    return urls.part(USER_TYPE.name, "account", ACCOUNTS)


class SessionView(NamedTuple):
    """A session as clients see it."""

    id: str
    creation_time: datetime
    use_time: datetime
    expiry_time: datetime
    address: str
    user_agent: str | None
    is_current: bool

    @classmethod
    def of(cls, session: Session, current_id: str | None) -> "SessionView":
        """Returns a session as clients see it. `current_id` is the session of the request."""
        return cls(
            session.id,
            session.creation_time,
            session.use_time,
            session.expiry_time,
            session.address,
            session.user_agent,
            session.id == current_id,
        )


class AccountView(NamedTuple):
    """The account of a user as clients see it. Its id is that of the user."""

    id: int
    has_password: bool
    password_time: datetime | None
    email_verified_time: datetime | None
    login_time: datetime | None
    locked_until: datetime | None

    @classmethod
    def of(cls, account: Account, locked_until: datetime | None) -> "AccountView":
        """Returns an account as clients see it."""
        return cls(
            account.user_id,
            account.password_hash is not None,
            account.password_time,
            account.email_verified_time,
            account.login_time,
            locked_until,
        )
