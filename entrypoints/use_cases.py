"""The use cases of the resources and of their relationships, with the adapters that they need."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from adapters.sql.repository import SqlCsvExporter
from application.access import Policy
from application.audit import EventReader, History
from application.bulk_commands import BulkCommands
from application.commands import Commands
from application.link_export import LinkExport
from application.link_import import LinkImport
from application.ports import Begin, LinkReader, Reader, UnitRunner
from application.queries import Queries
from application.record_import import Import
from application.reference_export import ReferenceExport
from application.relationship_commands import LINKS_AT_ONCE, RelationshipCommands
from application.relationship_queries import RelationshipQueries
from application.relationships import Association, Relationships, ToMany
from entrypoints.resources import RegisteredResource, make_relationships

Resources = Sequence[RegisteredResource]


@dataclass(frozen=True, slots=True)
class ResourceServices:
    """The use cases of one resource.

    `exporter` lets the database write the CSV; None if the store cannot do that.
    """

    resource: RegisteredResource
    commands: Callable[..., Commands[Any, Any]]
    bulk_commands: Callable[[UnitRunner], BulkCommands[Any, Any]]
    queries: Queries[Any, Any]
    history: History
    imports: Import[Any, Any]
    exporter: SqlCsvExporter | None


Services = Mapping[str, ResourceServices]
"""The services of each resource, by its type."""


def make_services(
    resources: Resources,
    readers: Sequence[Reader[Any]],
    events: EventReader,
    begin: Begin,
    policy: Policy,
    exporters: Sequence[SqlCsvExporter] | None,
) -> Services:
    """Creates the use cases of each resource."""
    relationships = make_relationships(resources)
    services = {}
    for number, (resource, reader) in enumerate(zip(resources, readers, strict=True)):
        services[resource.type.name] = ResourceServices(
            resource,
            partial(
                Commands,
                resource.type,
                policy=policy,
                relationships=relationships,
                replaceable=LINKS_AT_ONCE,
            ),
            partial(BulkCommands, resource.type, policy=policy, relationships=relationships),
            Queries(resource.type, reader, policy, relationships),
            History(resource.type, events, reader.get, policy),
            Import(resource.type, begin, policy, relationships, resource.extra),
            exporters[number] if exporters else None,
        )
    return services


@dataclass(frozen=True, slots=True)
class RelationshipServices:
    """The use cases of the relationships of all resources.

    `commands` makes the commands of one to-many relationship, which run their units of work with
    the given runner. `imports` and `exports` are those of the pairs of one association.
    """

    relationships: Relationships
    queries: RelationshipQueries
    commands: Callable[[ToMany, UnitRunner], RelationshipCommands]
    imports: Callable[[Association], LinkImport]
    exports: Callable[[Association], LinkExport]
    export_references: ReferenceExport


def make_relationship_services(
    resources: Resources,
    readers: Sequence[Reader[Any]],
    links: LinkReader,
    begin: Begin,
    policy: Policy,
) -> RelationshipServices:
    """Creates the use cases of the relationships between the resources."""
    relationships = make_relationships(resources)
    by_type = {each.type: reader for each, reader in zip(resources, readers, strict=True)}
    return RelationshipServices(
        relationships,
        RelationshipQueries(by_type, links, relationships, policy),
        partial(RelationshipCommands, policy=policy),
        partial(LinkImport, begin=begin, policy=policy),
        partial(LinkExport, readers=by_type, links=links, policy=policy),
        ReferenceExport(by_type, policy),
    )
