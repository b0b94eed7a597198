"""Events of the audit log as JSON:API resources: the history of a resource."""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from marshmallow_jsonapi import Schema

from adapters.jsonapi.kinds import Id, Integer, Json, Text, Timestamp, write_timestamp
from adapters.jsonapi.resource import Resource
from application.audit import Event, EventAction
from domain.errors import Problem

_ACTIONS: Final = [each.value for each in EventAction if each is not EventAction.IMPORTED]


def _action(value: object) -> Problem | None:
    if value in _ACTIONS:
        return None
    return Problem("invalid_format", f"must be one of {', '.join(_ACTIONS)}")


class _Changes(Json):
    """The changes of an event, by attribute."""

    def to_display(self, value: Any) -> str:
        """Returns the changes in one line, such as `name Ann → Ann Example`."""
        return "; ".join(f"{name} {_difference(each)}" for name, each in value.items())


def _difference(change: Mapping[str, Any]) -> str:
    """Returns the old and the new value of an attribute, or the changes of a list. Omits null."""
    if change.get("erased"):
        return "(erased)"
    if lists := [name for name in ("added", "removed") if name in change]:
        return ", ".join(f"{name} {' '.join(change[name])}" for name in lists)
    return " → ".join(_display(change[end]) for end in ("from", "to") if change[end] is not None)


def _display(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


class EventSchema(Schema):
    """The attributes of an event. The service sets all of them."""

    class Meta:
        """The type in JSON:API documents."""

        type_ = "events"

    id = Id()
    time = Timestamp(
        dump_only=True, examples=["2026-11-22T09:30:00.123Z"], description="The time of the event."
    )
    action = Text(
        dump_only=True,
        rule=_action,
        pattern="|".join(_ACTIONS),
        enum=_ACTIONS,
        examples=["changed"],
        description="The action on the resource.",
    )
    version = Integer(
        dump_only=True,
        allow_none=True,
        filterable=False,
        examples=[2],
        description="The version of the resource after the event. For a deletion, its last version "
        "plus one.",
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
        description="The old and the new value of each changed attribute, or `erased`.",
    )
    actor = Text(
        dump_only=True,
        allow_none=True,
        filterable=False,
        examples=["ann"],
        description="The subject of the principal that made the change: the token's `sub`, or its "
        "`client_id`. On the command line, the user of the operating system or `--actor`. With a "
        "session, it is `users/` and the id of the user. Null if it was erased, and for a request "
        "without a token.",
    )
    actor_kind = Text(
        dump_only=True,
        allow_none=True,
        filterable=False,
        examples=["key_set"],
        description="How the principal was identified: `secret` (a token signed with the shared "
        "secret), `key_set` (a token of an issuer) or `command_line`. With accounts, also "
        "`session` (the access token of a user) or `roster_key` (another token of Roster).",
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


def entry(position: int, event: Event) -> dict[str, Any]:
    """Returns the JSON form of an event of any resource, with its position in the audit log."""
    fields = event._asdict()
    fields["time"] = write_timestamp(event.time)
    for key in ("id", "subject_id"):
        fields[key] = fields[key] and str(fields[key])
    return {"position": position, **fields}
