"""Resources of the tests with any names, whose attributes are nullable texts on one line."""

from collections import namedtuple
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, make_dataclass
from functools import partial
from typing import Any, Final

from marshmallow_jsonapi import Schema
from marshmallow_jsonapi.fields import Relationship
from sqlalchemy import (
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    UniqueConstraint,
)

from adapters.jsonapi.kinds import Id, Text, Timestamp
from adapters.jsonapi.resource import Resource
from adapters.sql.columns import BigIntId, text
from adapters.sql.columns import Timestamp as TimestampColumn
from adapters.sql.metadata import METADATA as ROSTER_METADATA
from adapters.sql.repository import Derived, EntityTable
from adapters.sql.searchable import Searchable
from adapters.sql.tables import LinkTable
from application.entities import AnyType, EntityType, UniqueKey
from application.relationships import Association, ToOne
from domain import text as rules
from domain.attributes import (
    AttributeRules,
    EntityChanges,
    EntityNotFound,
    KeyTaken,
    NewEntity,
    Rule,
    Versioned,
    reference,
)
from entrypoints.resources import RegisteredResource

_LENGTH: Final = 50
_OPTIONS: Final[Mapping[str, Any]] = {
    "mariadb_engine": "InnoDB",
    "mariadb_default_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_nopad_bin",
}
_TIMES: Final = ("creation_time", "update_time")
_TIME: Final = "2026-11-22T09:30:00.123Z"


def new_metadata() -> MetaData:
    """Returns metadata for the tables of some resources, with Roster's names of constraints."""
    return MetaData(naming_convention=ROSTER_METADATA.naming_convention)


def plain_type(
    name: str, texts: Sequence[str], references: Sequence[str] = (), unique: Sequence[str] = ()
) -> AnyType:
    """Returns a type with these attributes and references, all of which are nullable.

    `unique` are those of the attributes that are unique.
    """
    of_texts: dict[str, Rule] = dict.fromkeys(texts, partial(rules.single_line, max_length=_LENGTH))
    attributes = AttributeRules(
        of_texts | dict.fromkeys(references, reference),
        nullable=frozenset((*texts, *references)),
        references=frozenset(references),
    )
    new: Any = make_dataclass(
        "New",
        [(each, Any, field(default=None)) for each in (*texts, *references)],
        bases=(NewEntity,),
        namespace={"RULES": attributes},
        frozen=True,
        slots=True,
        kw_only=True,
    )
    columns = ("id", *texts, *references, *_TIMES, "version")
    fields: Any = namedtuple("_Fields", columns)  # type: ignore[misc]  # the names vary
    not_found = {"code": f"{name}_not_found", "noun": name, "meaning": f"There is no such {name}."}
    return EntityType(
        name=name,
        new=new,
        changes=type("Changes", (EntityChanges,), {"RULES": attributes, "__slots__": ()}),
        entity=type("Entity", (Versioned, fields), {"__slots__": ()}),
        not_found=type("NotFound", (EntityNotFound,), not_found),
        unique=tuple(UniqueKey(each, _taken(name, each)) for each in unique),
    )


def _taken(noun: str, attribute: str) -> type[KeyTaken]:
    code, meaning = f"{attribute}_taken", f"Another {noun} has this {attribute}."
    members = {"code": code, "noun": noun, "attribute": attribute, "meaning": meaning}
    return type("Taken", (KeyTaken,), members)


def plain_resource(
    entity_type: AnyType,
    metadata: MetaData,
    *,
    to_one: Sequence[ToOne] = (),
    associations: Sequence[Association] = (),
    inverse: Sequence[Association] = (),
) -> RegisteredResource:
    """Returns the resource of a type with its relationships.

    The type governs the `associations`, and is the target of those in `inverse`.
    """
    name = entity_type.name
    fields: dict[str, Any] = {
        "id": Id(),
        **{each: Text(allow_none=True, examples=["a"]) for each in texts_of(entity_type)},
        **{each: Timestamp(dump_only=True, examples=[_TIME]) for each in _TIMES},
        **{each.name: Relationship(type_=each.target.name) for each in to_one},
    }
    many = {each.source_name: each.target for each in associations}
    many |= {each.target_name: each.source for each in inverse}
    fields |= {each: Relationship(many=True, type_=other.name) for each, other in many.items()}
    meta = type("Meta", (), {"type_": name})
    schema = type("PlainSchema", (Schema,), {**fields, "Meta": meta})
    targets = {each.name: each.target.name for each in to_one}
    return RegisteredResource(
        entity_type,
        Resource.of(schema, entity_type.rules),
        _entity_table(entity_type, metadata, targets),
        links=tuple(link_table(each, metadata) for each in associations),
        references=tuple(to_one),
    )


def texts_of(entity_type: AnyType) -> Iterable[str]:
    """Returns the attributes that are not references."""
    return [name for name in entity_type.rules.rules if name not in entity_type.rules.references]


def _entity_table(
    entity_type: AnyType, metadata: MetaData, targets: Mapping[str, str]
) -> EntityTable[Any, Any]:
    texts = [*texts_of(entity_type)]
    table = Table(
        entity_type.name,
        metadata,
        Column("id", BigIntId, Identity(always=False), primary_key=True),
        *(Column(each, text(_LENGTH)) for each in texts),
        *(Column(f"_{each}_key", text()) for each in texts),
        *(Column(each, BigIntId, ForeignKey(f"{other}.id")) for each, other in targets.items()),
        *(Column(each, TimestampColumn, nullable=False) for each in _TIMES),
        Column("version", Integer, nullable=False),
        *(UniqueConstraint(each.attribute) for each in entity_type.unique),
        sqlite_autoincrement=True,
        **_OPTIONS,
    )
    searchable = Searchable(
        columns=[table.c[each] for each in entity_type.entity._fields],
        folded={each: table.c[f"_{each}_key"] for each in texts},
        unique=(table.c.id, *(table.c[each.attribute] for each in entity_type.unique)),
    )
    derived = {f"_{each}_key": Derived(each, _folded) for each in texts}
    unique = {each.attribute: table.c[each.attribute] for each in entity_type.unique}
    return EntityTable(entity_type, table, searchable, derived=derived, unique=unique)


def _folded(value: str | None) -> str | None:
    return None if value is None else rules.fold(value)


def link_table(association: Association, metadata: MetaData) -> LinkTable:
    """Returns the table of an association."""
    source, target = (f"{each.name}.id" for each in (association.source, association.target))
    table = Table(
        association.name,
        metadata,
        Column("source_id", BigIntId, ForeignKey(source), primary_key=True),
        Column("target_id", BigIntId, ForeignKey(target), primary_key=True),
        Index(None, "target_id", "source_id"),
        **_OPTIONS,
    )
    return LinkTable(association, table)
