"""Events as a JSON:API resource: what happened to a thing, in its history."""

from collections.abc import Mapping
from typing import Any, Final

from marshmallow_jsonapi import Schema

from adapters.jsonapi.kinds import Boolean, Id, Integer, Json, Text, Timestamp
from adapters.jsonapi.resource import Resource
from application.audit import Action
from domain.errors import Problem

_ACTIONS: Final = [each.value for each in Action if each is not Action.IMPORTED]


def _action(value: object) -> Problem | None:
    if value in _ACTIONS:
        return None
    return Problem("invalid_format", f"must be one of {', '.join(_ACTIONS)}")


class _Changes(Json):
    """What a change changed, by attribute."""

    def to_display(self, value: Any) -> str:
        return "; ".join(f"{name} {_difference(each)}" for name, each in value.items())


def _difference(change: Mapping[str, Any]) -> str:
    """The old and the new value of an attribute; null is not shown."""
    if change.get("erased"):
        return "(erased)"
    return " → ".join(_shown(change[end]) for end in ("from", "to") if change[end] is not None)


def _shown(value: Any) -> str:
    return Boolean().to_display(value) if isinstance(value, bool) else str(value)


class EventSchema(Schema):
    """The attributes of an event. All are set by the service."""

    class Meta:
        """The type that documents name."""

        type_ = "events"

    id = Id()
    time = Timestamp(
        dump_only=True, examples=["2026-11-22T09:30:00.123Z"], description="When it happened."
    )
    action = Text(
        dump_only=True,
        rule=_action,
        pattern="|".join(_ACTIONS),
        enum=_ACTIONS,
        examples=["changed"],
        description="What happened.",
    )
    version = Integer(
        dump_only=True,
        allow_none=True,
        filterable=False,
        examples=[2],
        description="The version of the thing then; of a deletion, the one after its last.",
    )
    changes = _Changes(
        dump_only=True,
        filterable=False,
        type="object",
        additionalProperties={
            "type": "object",
            "properties": {"from": {}, "to": {}, "erased": {"type": "boolean"}},
        },
        examples=[{"name": {"from": "Ann", "to": "Ann Example"}}],
        description="The old and the new value of each attribute, or `erased`.",
    )
    actor = Text(
        dump_only=True,
        allow_none=True,
        filterable=False,
        examples=["ann"],
        description="The subject of the principal that made the change: the token's `sub`, or its "
        "`client_id`. At the command line, the operating system's user or `--actor`. Null if it "
        "was erased, and on a service without access control.",
    )
    actor_kind = Text(
        dump_only=True,
        allow_none=True,
        filterable=False,
        examples=["key_set"],
        description="How the principal was identified: `secret` (a token signed with the shared "
        "secret), `key_set` (a token of an issuer) or `command_line`.",
    )
    actor_issuer = Text(
        dump_only=True,
        allow_none=True,
        filterable=False,
        examples=["https://issuer.example.org/"],
        description="The issuer of the token (`iss`).",
    )
    request_id = Text(
        dump_only=True,
        allow_none=True,
        filterable=False,
        examples=["4be67c0a1f2d4c3a9f0e7a1b2c3d4e5f"],
        description="The X-Request-ID of the request. Null if it was erased.",
    )


EVENTS: Final = Resource.of(EventSchema)
