"""Users as JSON:API resources. JSON, files, the command line and OpenAPI follow from this."""

from typing import Final

from marshmallow_jsonapi import Schema
from marshmallow_jsonapi.fields import Relationship

from adapters.jsonapi.kinds import Boolean, Email, Id, Key, Text, Timestamp
from adapters.jsonapi.resource import Resource
from adapters.resources.text_patterns import LINE, LISTED_LINE
from domain.text import EMAIL_LENGTH, email_key
from domain.users import NAME_LENGTH, ROLE_LENGTH, USER_ATTRIBUTES


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
        pattern=LINE,
        list_pattern=LISTED_LINE,
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
