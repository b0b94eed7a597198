"""Events as a JSON:API resource: what happened to a thing, in its history."""

from typing import Final

from marshmallow import fields
from marshmallow_jsonapi import Schema

from adapters.jsonapi.resource import Resource, json_object, number, text, timestamp
from application.audit import Action
from domain.errors import Problem

_OR_NULL: Final = ["string", "null"]
_ACTIONS: Final = [each.value for each in Action if each is not Action.IMPORTED]


def _action(value: object) -> Problem | None:
    if value in _ACTIONS:
        return None
    return Problem("invalid_format", f"must be one of {', '.join(_ACTIONS)}")


class EventSchema(Schema):
    """The attributes of an event. All are set by the service."""

    class Meta:
        """The type that documents name."""

        type_ = "events"

    id = fields.String(dump_only=True)
    time = timestamp(examples=["2026-11-22T09:30:00.123Z"], description="When it happened.")
    action = text(
        read_only=True,
        rule=_action,
        values="|".join(_ACTIONS),
        enum=_ACTIONS,
        examples=["changed"],
        description="What happened.",
    )
    version = number(
        type=["integer", "null"],
        examples=[2],
        description="The version of the thing then; of a deletion, the one after its last.",
    )
    changes = json_object(
        examples=[{"name": {"from": "Ann", "to": "Ann Example"}}],
        description="By attribute what it was and became; `erased` where that is kept no more.",
    )
    actor = text(
        read_only=True,
        queried=False,
        type=_OR_NULL,
        examples=["ann"],
        description="The subject of the principal that made the change: the token's `sub`, or its "
        "`client_id`. At the command line, the operating system's user or `--actor`. Null if it "
        "was erased, and on a service without access control.",
    )
    actor_kind = text(
        read_only=True,
        queried=False,
        type=_OR_NULL,
        examples=["key_set"],
        description="How the principal was identified: `secret` (a token signed with the shared "
        "secret), `key_set` (a token of an issuer) or `command_line`.",
    )
    actor_issuer = text(
        read_only=True,
        queried=False,
        type=_OR_NULL,
        examples=["https://issuer.example.org/"],
        description="The issuer of the token (`iss`).",
    )
    request_id = text(
        read_only=True,
        queried=False,
        type=_OR_NULL,
        examples=["4be67c0a1f2d4c3a9f0e7a1b2c3d4e5f"],
        description="The X-Request-ID of the request. Null if it was erased.",
    )


EVENTS: Final = Resource.of(EventSchema)
