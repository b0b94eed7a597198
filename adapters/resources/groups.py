"""Groups as JSON:API resources. JSON, files, the command line and OpenAPI follow from this."""

from typing import Final

from marshmallow_jsonapi import Schema
from marshmallow_jsonapi.fields import Relationship

from adapters.jsonapi.kinds import Id, Text, Timestamp
from adapters.jsonapi.resource import Resource
from adapters.resources.text_patterns import LINE, LINES, LISTED_LINE, LISTED_LINES
from domain.groups import DESCRIPTION_LENGTH, GROUP_ATTRIBUTES, NAME_LENGTH


class GroupSchema(Schema):
    """The attributes and relationships of a group. The domain has the rules of their values."""

    class Meta:
        """The type in JSON:API documents."""

        type_ = "groups"

    id = Id()
    name = Text(
        required=True,
        folded=True,
        searched=True,
        pattern=LINE,
        list_pattern=LISTED_LINE,
        minLength=1,
        maxLength=NAME_LENGTH,
        examples=["Staff"],
        description="Unique, ignoring case, full-width characters and Unicode normalization. "
        "Stored as sent.",
    )
    description = Text(
        allow_none=True,
        searched=True,
        pattern=LINES,
        list_pattern=LISTED_LINES,
        minLength=1,
        maxLength=DESCRIPTION_LENGTH,
        examples=["Everyone who works here."],
        description="Null for no description. Stored as sent.",
    )
    creation_time = Timestamp(
        dump_only=True,
        examples=["2026-11-22T09:30:00.123Z"],
        description="Set by the service.",
    )
    update_time = Timestamp(
        dump_only=True,
        examples=["2026-11-22T09:30:00.123Z"],
        description="The time of the last change of an attribute or the owner; set by the service.",
    )
    members = Relationship(
        many=True, type_="users", metadata={"description": "The users in the group."}
    )
    owner = Relationship(
        type_="users",
        metadata={"description": "The user who owns the group, or null. Need not be a member."},
    )


GROUPS: Final = Resource.of(GroupSchema, GROUP_ATTRIBUTES)
