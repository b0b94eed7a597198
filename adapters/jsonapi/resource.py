"""A resource's declaration, a marshmallow-jsonapi schema, read once into plain tables.

The documents, the query parameters and the OpenAPI description all follow from these tables. The
schema itself meets no request: structure is checked by `documents`, values by the domain.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final

import orjson
from marshmallow import fields
from marshmallow_jsonapi import Schema

from application.search import Op, Value
from domain.errors import Problem

MAX_KEY: Final = 2**63 - 1


def _up_to(largest: int) -> str:
    """A pattern of the whole numbers from 1 to the largest, without leading zeros."""
    digits = str(largest)
    smaller = [
        f"{digits[:at]}[{0 if at else 1}-{int(digit) - 1}][0-9]{{{len(digits) - at - 1}}}"
        for at, digit in enumerate(digits)
        if int(digit) > (0 if at else 1)
    ]
    return "|".join([f"[1-9][0-9]{{0,{len(digits) - 2}}}", *smaller, digits])


KEY: Final = _up_to(MAX_KEY)
"""The pattern of an id that can be: in the database's range, in its one spelling."""
_KEY: Final = re.compile(KEY)

_INSTANT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,32}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)

EQUALITY: Final = frozenset((Op.EQ, Op.NE, Op.IN))


class Kind(Enum):
    """What values of an attribute look like in JSON and in query parameters."""

    TEXT = "text"
    BOOLEAN = "truth"
    TIMESTAMP = "instant"
    ID = "key"
    NUMBER = "number"
    MAPPING = "mapping"


@dataclass(frozen=True, slots=True)
class Key:
    """What equality compares instead of an attribute.

    `attribute` is the entity's attribute that holds the key; `of` computes the key of a value.
    """

    attribute: str
    of: Callable[[str], str]


Rule = Callable[[object], Problem | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """An attribute, or the id, as the format sees it.

    `folded`: equality compares the folded form; with a `key` it compares the key. `searched`:
    `contains` and `starts_with` are supported and compare the folded form. `queried`: lists can be
    sorted and filtered by it. `rule`: equality accepts only values that keep it. `values`: the
    pattern of these values between commas. `personal`: its values identify a person, so no URL
    made by the service shows them. `description` is JSON Schema's keywords for it.
    """

    name: str
    kind: Kind
    required: bool = False
    read_only: bool = False
    folded: bool = False
    key: Key | None = None
    searched: bool = False
    queried: bool = True
    rule: Rule | None = None
    values: str | None = None
    personal: bool = False
    description: Mapping[str, Any]

    def allows(self, op: Op) -> bool:
        """Whether it can be compared in that way."""
        if op in EQUALITY:
            return True
        if op in (Op.CONTAINS, Op.STARTS_WITH):
            return self.searched
        return self.kind is not Kind.BOOLEAN

    def read(self, text: str, op: Op) -> Value | Problem:
        """The value of a text to compare it with in that way, or why it cannot have this value.

        The caller bounds the length of the text.
        """
        if op in EQUALITY and self.rule and (problem := self.rule(text)):
            return problem
        value = FROM_TEXT[self.kind](text)
        return _EXPECTED[self.kind] if value is None else value


def text(
    *,
    required: bool = False,
    folded: bool = False,
    key: Key | None = None,
    read_only: bool = False,
    queried: bool = True,
    rule: Rule | None = None,
    values: str | None = None,
    **description: Any,
) -> fields.String:
    """A string; `folded` if letter case, width and normal form do not make it another."""
    if values:
        description.setdefault("pattern", f"^(?:{values})$")
    metadata = {
        "folded": folded,
        "key": key,
        "searched": True,
        "queried": queried,
        "rule": rule,
        "values": values,
        "description": description,
    }
    return fields.String(required=required, dump_only=read_only, metadata=metadata)


def boolean(**description: Any) -> fields.Boolean:
    """True or false."""
    return fields.Boolean(metadata={"description": description})


def timestamp(**description: Any) -> fields.AwareDateTime:
    """A moment that the service sets, in RFC 3339 with milliseconds, UTC."""
    return fields.AwareDateTime(dump_only=True, metadata={"description": description})


def number(**description: Any) -> fields.Integer:
    """A whole number that the service sets, which lists are not queried by."""
    return fields.Integer(dump_only=True, metadata={"queried": False, "description": description})


def json_object(**description: Any) -> fields.Dict:
    """An object that the service sets, which lists are not queried by."""
    return fields.Dict(dump_only=True, metadata={"queried": False, "description": description})


_SchemaClass = type[Schema]

_KINDS: Final[Mapping[type[fields.Field[Any]], Kind]] = {
    fields.String: Kind.TEXT,
    fields.Boolean: Kind.BOOLEAN,
    fields.AwareDateTime: Kind.TIMESTAMP,
    fields.Integer: Kind.NUMBER,
    fields.Dict: Kind.MAPPING,
}


@dataclass(frozen=True, slots=True)
class Resource:
    """A type of resources and its attributes, in the order of their declaration."""

    type: str
    attributes: Mapping[str, Attribute]
    sortable: Mapping[str, Attribute] = field(init=False)
    """What lists can be sorted and filtered by: attributes, and the id."""

    def __post_init__(self) -> None:
        queried = {name: each for name, each in self.attributes.items() if each.queried}
        object.__setattr__(self, "sortable", {**queried, "id": _ID})

    @classmethod
    def of(cls, schema: _SchemaClass, *, personal: Collection[str] = ()) -> "Resource":
        """The tables of a schema; its fields are made by text, truth and instant.

        `personal` are the names of the attributes that identify a person.
        """
        return cls(
            schema.Meta.type_,
            {
                name: Attribute(
                    name=name,
                    kind=_KINDS[type(declared)],
                    required=declared.required,
                    read_only=declared.dump_only,
                    personal=name in personal,
                    **declared.metadata,
                )
                for name, declared in schema().fields.items()
                if name != "id"
            },
        )

    def split_attributes(
        self, sent: Mapping[str, object]
    ) -> tuple[dict[str, Any], dict[str, object]]:
        """What was sent of its attributes: those to be set, and those that are read-only.

        Instants are read where they can be; all else is left for the domain to judge.
        """
        to_set: dict[str, Any] = {}
        claimed: dict[str, object] = {}
        for name, value in sent.items():
            attribute = self.attributes.get(name)
            if attribute and attribute.kind is Kind.TIMESTAMP and isinstance(value, str):
                value = read_timestamp(value) or value
            (claimed if attribute and attribute.read_only else to_set)[name] = value
        return to_set, claimed

    def csv_row(self, entity: object) -> list[str]:
        """The id and the attributes of an entity as text, to be read again by READ."""
        return [
            TO_TEXT[attribute.kind](getattr(entity, name))
            for name, attribute in {"id": _ID, **self.attributes}.items()
        ]


_ID: Final = Attribute(name="id", kind=Kind.ID, read_only=True, description={"type": "string"})


def read_key(text: str) -> int | None:
    """The key of an id: ASCII digits without leading zeros, in the database's range; else None."""
    return int(text) if _KEY.fullmatch(text) else None


def read_timestamp(text: str) -> datetime | None:
    """The moment of an RFC 3339 text, in any offset and precision; None if it is none.

    What lies beyond microseconds is kept as one microsecond, so that a finer moment never equals
    a stored one (they have milliseconds) and still compares as it should.
    """
    if not (found := _INSTANT.fullmatch(text)):
        return None
    day, time, fraction, offset = found.groups(default="")
    micro = int(fraction[:6].ljust(6, "0")) | bool(fraction[6:].strip("0"))
    try:
        moment = datetime.fromisoformat(f"{day}T{time}{offset.upper()}")
        return moment.astimezone(UTC).replace(microsecond=micro)
    except (ValueError, OverflowError):
        return None


def write_timestamp(moment: datetime) -> str:
    """RFC 3339, UTC, milliseconds. The moment must be in UTC."""
    return write_timestamps((moment,))[0]


def write_timestamps(moments: Sequence[datetime]) -> list[str]:
    """Each of them so; of many at once it takes a fifth of the time that isoformat takes."""
    texts = orjson.dumps(moments).decode()[2:-2].split('","')
    return [f"{text[:23]}Z" if "." in text else f"{text[:19]}.000Z" for text in texts]


FROM_TEXT: Final[Mapping[Kind, Callable[[str], Value | None]]] = {
    Kind.TEXT: str,
    Kind.BOOLEAN: {"true": True, "false": False}.get,
    Kind.TIMESTAMP: read_timestamp,
    Kind.ID: read_key,
}
"""How a value of a kind is read from a query parameter; None if it can't be one."""

_EXPECTED: Final[Mapping[Kind, Problem]] = {
    Kind.BOOLEAN: Problem("invalid_format", "must be true or false"),
    Kind.TIMESTAMP: Problem(
        "invalid_format", "must be an RFC 3339 timestamp, such as 2026-11-22T09:30:00Z"
    ),
    Kind.ID: Problem(
        "invalid_format", f"must be a whole number from 1 to {MAX_KEY} without leading zeros"
    ),
}
"""What a text of a kind must be."""

TO_TEXT: Final[Mapping[Kind, Callable[[Any], str]]] = {
    Kind.TEXT: str,
    Kind.BOOLEAN: {True: "true", False: "false"}.__getitem__,
    Kind.TIMESTAMP: write_timestamp,
    Kind.ID: str,
}
"""How a value of a kind is written as text, to be read by READ."""
