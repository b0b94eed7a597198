"""The list of resources. Generic code receives it as a parameter, and imports no resource."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from adapters.jsonapi.catalog import Catalog
from adapters.jsonapi.resource import Resource
from adapters.resources.groups import GROUPS
from adapters.resources.users import USERS
from adapters.sql.groups import GROUPS_TABLE, MEMBERSHIPS_TABLE
from adapters.sql.repository import EntityTable
from adapters.sql.tables import LinkTable, Tables
from adapters.sql.users import USERS_TABLE
from application.accounts.imported_hashes import ImportedHashes
from application.accounts.reactions import AccountReaction
from application.entities import AnyType
from application.groups import GROUP_TYPE, OWNER
from application.reactions import Reaction, Reactions
from application.record_import import ExtraColumn
from application.relationships import Relationships, ToOne
from application.users import USER_TYPE


@dataclass(frozen=True, slots=True)
class RegisteredResource:
    """A resource: its entities, its JSON:API declaration, and its table.

    `options` are the command-line options of boolean attributes, by the attributes' names. `links`
    are the tables of the associations that its type governs, and `references` are the to-one
    relationships of its type. `reaction` is called when one of its entities is saved, removed
    or erased. `extra` is the column of imports that is not an attribute.
    """

    type: AnyType
    declaration: Resource
    table: EntityTable[Any, Any]
    options: Mapping[str, str] = field(default_factory=dict)
    links: tuple[LinkTable, ...] = ()
    references: tuple[ToOne, ...] = ()
    reaction: Reaction | None = None
    extra: ExtraColumn | None = None


def make_reactions(resources: Iterable[RegisteredResource]) -> Reactions:
    """Creates the registry of what else changes when an entity changes."""
    return {each.type: each.reaction for each in resources if each.reaction}


def make_catalog(resources: Iterable[RegisteredResource]) -> Catalog:
    """Creates the table of all resources and their relationships."""
    resources = [*resources]
    declared = ((each.type, each.declaration) for each in resources)
    return Catalog.of(declared, make_relationships(resources))


def make_relationships(resources: Iterable[RegisteredResource]) -> Relationships:
    """Creates the registry of all relationships between the resources."""
    resources = [*resources]
    associations = (link.association for each in resources for link in each.links)
    references = (reference for each in resources for reference in each.references)
    return Relationships(*associations, *references)


def make_tables(resources: Iterable[RegisteredResource]) -> Tables:
    """Creates the registry of the tables of the resources and of their relationships."""
    resources = [*resources]
    return Tables(
        [each.table for each in resources],
        [link for each in resources for link in each.links],
        [reference for each in resources for reference in each.references],
    )


def _check_hash(password_hash: str) -> None:
    """Raises UnsupportedHash. Imports the libraries only when there is a hash."""
    from adapters.passwords.formats import parse

    parse(password_hash)


RESOURCES: Final = (
    RegisteredResource(
        USER_TYPE,
        USERS,
        USERS_TABLE,
        {"is_active": "--active/--inactive"},
        reaction=AccountReaction(),
        extra=ImportedHashes(_check_hash),
    ),
    RegisteredResource(
        GROUP_TYPE, GROUPS, GROUPS_TABLE, links=(MEMBERSHIPS_TABLE,), references=(OWNER,)
    ),
)
