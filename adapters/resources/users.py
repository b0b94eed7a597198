"""Users as JSON:API resources. JSON, files, the command line and OpenAPI follow from this."""

from typing import Final

from marshmallow_jsonapi import Schema
from marshmallow_jsonapi.fields import Relationship

from adapters.jsonapi.kinds import Boolean, Email, Id, Key, Text, Timestamp
from adapters.jsonapi.resource import Resource
from domain.text import BLANK_SYMBOL, DEFAULT_IGNORABLE, email_key
from domain.users import EMAIL_LENGTH, NAME_LENGTH, ROLE_LENGTH, USER_ATTRIBUTES

_CONTROL: Final = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
# The pattern does not exclude invisible characters beyond U+FFFF, because dialects of regular
# expressions write such characters differently.
_IGNORABLE: Final = "".join(
    rf"\u{first:04x}-\u{last:04x}" for first, last in DEFAULT_IGNORABLE if last <= 0xFFFF
)
_VISIBLE: Final = rf"[^{_CONTROL}{_IGNORABLE}\u{BLANK_SYMBOL:04x}\s]"
_NAME: Final = rf"[^{_CONTROL}]*{_VISIBLE}[^{_CONTROL}]*"
_LISTED_NAME: Final = (
    rf"[^{_CONTROL},]*[^{_CONTROL}{_IGNORABLE}\u{BLANK_SYMBOL:04x}\s,][^{_CONTROL},]*"
)


class UserSchema(Schema):
    """The attributes of a user. The domain checks their values."""

    class Meta:
        """The type in JSON:API documents."""

        type_ = "users"

    id = Id()
    email = Email(
        required=True,
        key=Key("email_key", email_key),
        searched=True,
        minLength=3,
        maxLength=EMAIL_LENGTH,
        examples=["ann@example.org"],
        description="Unique, ignoring case, full-width characters and the form of the domain "
        "(IDNA). Stored as sent.",
    )
    name = Text(
        required=True,
        folded=True,
        searched=True,
        pattern=_NAME,
        list_pattern=_LISTED_NAME,
        minLength=1,
        maxLength=NAME_LENGTH,
        examples=["Ann Example"],
        description="Must have a visible character and no control characters. Stored as sent.",
    )
    is_active = Boolean(
        default=False,
        examples=[True],
        description="False by default.",
    )
    role = Text(
        pattern=rf"[a-z][a-z0-9_-]{{0,{ROLE_LENGTH - 1}}}",
        minLength=1,
        maxLength=ROLE_LENGTH,
        default="user",
        examples=["user"],
    )
    creation_time = Timestamp(
        dump_only=True,
        examples=["2026-11-22T09:30:00.123Z"],
        description="Set by the service.",
    )
    update_time = Timestamp(
        dump_only=True,
        examples=["2026-11-22T09:30:00.123Z"],
        description="The time of the last change. Set by the service.",
    )
    groups = Relationship(
        many=True, type_="groups", metadata={"description": "The groups that the user is in."}
    )


USERS: Final = Resource.of(UserSchema, USER_ATTRIBUTES)
