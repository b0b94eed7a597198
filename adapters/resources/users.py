"""Users as a JSON:API resource: the one declaration of how they look from outside."""

from typing import Final

from marshmallow import fields
from marshmallow_jsonapi import Schema

from adapters.jsonapi.resource import Resource, instant, text, truth
from domain.users import EMAIL_LENGTH, NAME_LENGTH, PERSONAL, ROLE_LENGTH

# Something but spaces, and no control characters or line ends among it.
_CONTROL: Final = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
_VISIBLE: Final = rf"^[^{_CONTROL}]*[^{_CONTROL}\s][^{_CONTROL}]*$"


class UserSchema(Schema):
    """The attributes of a user. What their values must be, domain.users says."""

    class Meta:
        """The type that documents name."""

        type_ = "users"

    id = fields.String(dump_only=True)
    email = text(
        required=True,
        folded=True,
        format="idn-email",
        minLength=3,
        maxLength=EMAIL_LENGTH,
        examples=["ann@example.org"],
        description="Unique once folded; kept as it was sent.",
    )
    name = text(
        required=True,
        pattern=_VISIBLE,
        minLength=1,
        maxLength=NAME_LENGTH,
        examples=["Ann Example"],
        description="Not blank, no control characters; kept as it was sent.",
    )
    is_active = truth(default=False, examples=[True])
    role = text(
        values=rf"[a-z][a-z0-9_-]{{0,{ROLE_LENGTH - 1}}}",
        minLength=1,
        maxLength=ROLE_LENGTH,
        default="user",
        examples=["user"],
    )
    creation_time = instant(
        examples=["2026-11-22T09:30:00.123Z"],
        description="Set by the service.",
    )
    update_time = instant(
        examples=["2026-11-22T09:30:00.123Z"],
        description="The time of the last change; set by the service.",
    )


USERS: Final = Resource.of(UserSchema, personal=PERSONAL)
