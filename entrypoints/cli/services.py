"""Connects the commands to the use cases, according to the settings."""

import gc
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from domain.english import counted
from domain.errors import NotFound
from entrypoints.cli.database_file import require_database
from entrypoints.cli.queries import query_of
from entrypoints.settings import Settings

if TYPE_CHECKING:
    from adapters.jsonapi.catalog import Catalog
    from adapters.jsonapi.cursors import Cursors
    from adapters.jsonapi.documents import DocumentWriter
    from adapters.jsonapi.parameters import CollectionQuery
    from adapters.jsonapi.resource import Resource
    from adapters.memory.store import MemoryStore
    from adapters.resources.urls import Urls
    from adapters.sql.repository import SqlCsvExporter
    from adapters.sql.store import SqlStore
    from application.access import Principal
    from application.audit import EventReader, History
    from application.bulk_commands import BulkCommands
    from application.commands import Commands
    from application.entities import AnyType
    from application.link_export import LinkExport
    from application.link_import import LinkImport
    from application.ports import Context, UnitRunner
    from application.queries import Queries
    from application.record_import import Import
    from application.relationships import Association
    from application.search import Search, Test
    from entrypoints.use_cases import RelationshipServices

T = TypeVar("T")


# An import spent a tenth of its time on searching its records for reference cycles, which they
# hardly have.
_NEW_OBJECTS = 100_000
_MAX_LISTED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The use cases of one resource, and what its commands need in addition."""

    type: "AnyType"
    declaration: "Resource"
    commands: "Commands[Any, Any]"
    bulk_commands: "BulkCommands[Any, Any]"
    queries: "Queries[Any, Any]"
    imports: "Import[Any, Any]"
    history: "History"
    exporter: "SqlCsvExporter | None"
    urls: "Urls"
    cursors: "Cursors"
    context: "Context"
    store: "MemoryStore | SqlStore"
    run: "UnitRunner"
    catalog: "Catalog"
    relationships: "RelationshipServices"
    by_type: "Callable[[str], Services]"
    """Creates the services of another resource."""

    @property
    def principal(self) -> "Principal | None":
        """The principal of the command."""
        return self.context.principal

    @property
    def noun(self) -> str:
        """The word for one entity."""
        return self.type.not_found.noun

    @property
    def writer(self) -> "DocumentWriter":
        """Writes the documents of the resource."""
        return self.urls.writer(self.declaration)

    def collection_query(
        self, resource: "Resource", query: str, *, within: "tuple[Test, ...]" = ()
    ) -> "CollectionQuery":
        """Parses a query of the API. Raises RequestError if it is invalid."""
        from adapters.jsonapi.parameters import collection

        return collection(query, resource, self.cursors, self.catalog, within=within)

    def search_of(self, filters: tuple[str, ...]) -> "Search":
        """The search for the values of --filter. Raises RequestError if one is invalid."""
        return self.collection_query(self.declaration, query_of(filters, None)).search

    def id_of(self, text: str) -> int:
        """Returns an id unchanged, even if it does not exist. Finds a unique value like `find`."""
        return self.declaration.id.parse(text) or int(self.find(text).id)

    def ids_of(self, texts: Iterable[str]) -> list[int]:
        """The ids of the entities. Raises NotFound, which names all that do not exist."""
        return [*self._all_found(texts, lambda text: (int(self.find(text).id), None))]

    def events_of(self, texts: Iterable[str]) -> dict[int, int]:
        """The number of events of each entity, by its id.

        Raises NotFound, which names all that neither exist nor have events.
        """

        def count(text: str) -> tuple[int, int]:
            entity_id = self.id_of(text)
            return entity_id, self.event_count(entity_id)

        return self._all_found(texts, count)

    def _all_found(
        self, texts: Iterable[str], find: Callable[[str], tuple[int, T]]
    ) -> dict[int, T]:
        from adapters.resources.lookup import quoted

        values: dict[int, T] = {}
        missing: list[str] = []
        for text in texts:
            try:
                entity_id, value = find(text)
            except NotFound as error:
                missing.append(quoted(text))
                last_error = error
            else:
                values[entity_id] = value
        if len(missing) > 1:
            raise self.type.not_found(_any_of(missing))
        if missing:
            raise last_error
        return values

    def event_count(self, entity_id: int) -> int:
        """The number of events. Raises NotFound if there is neither an event nor the entity."""
        from application.search import Numbered, Search

        about = Search(self.history.about(entity_id), place=Numbered(size=1, number=1))
        return self.history.page(entity_id, about, self.principal).total or 0

    def find(self, text: str) -> Any:
        """Returns the entity with this id, or with this value of its unique attribute.

        A text that consists of digits is an id. Raises NotFound if there is no such entity.
        """
        from adapters.resources.lookup import find

        return find(self.declaration, self.queries, text, self.principal)


def _any_of(texts: list[str]) -> str:
    """Joins the texts with commas and "or". If there are many, only the first ones are listed."""
    listed = texts[:_MAX_LISTED]
    if more := len(texts) - len(listed):
        return f"{', '.join(listed)} or {counted(more, 'other')}"
    return f"{', '.join(listed[:-1])} or {listed[-1]}"


@contextmanager
def open_services(name: str, *, one_request: bool = True) -> Iterator[Services]:
    """The services of a resource. With `one_request`, the deadline of a request applies.

    Raises BadSetting if a setting is invalid, and Unavailable if the database can't be used.
    """
    from application.deadlines import deadline

    with (
        connect(name) as (settings, services),
        deadline(settings.request_seconds) if one_request else nullcontext(),
    ):
        yield services


@contextmanager
def connect(name: str) -> Iterator[tuple[Settings, Services]]:
    """The settings and the services of a resource, without a deadline.

    Raises BadSetting if a setting is invalid.
    """
    with open_container() as (settings, container):
        yield settings, services_of(name, settings, container, command_context())


def services_of(name: str, settings: Settings, container: Any, context: "Context") -> Services:
    """Returns the services of a resource."""
    from adapters.resources.urls import Urls
    from entrypoints.resources import make_catalog

    services, run = container.services()[name], container.run()
    return Services(
        type=services.resource.type,
        declaration=services.resource.declaration,
        # The limits of a single request do not apply.
        commands=services.commands(run, replaceable=None),
        bulk_commands=services.bulk_commands(run),
        queries=services.queries,
        imports=services.imports,
        history=services.history,
        exporter=services.exporter,
        urls=Urls(settings.public_url),
        cursors=container.cursors(),
        context=context,
        store=container.store(),
        run=run,
        catalog=make_catalog(container.resources()),
        relationships=container.relationship_services(),
        by_type=lambda other: services_of(other, settings, container, context),
    )


@dataclass(frozen=True, slots=True)
class PairServices:
    """The use cases of the pairs of one association."""

    imports: "LinkImport"
    exports: "LinkExport"
    context: "Context"


@contextmanager
def open_pairs(association: "Association", *, one_request: bool) -> Iterator[PairServices]:
    """Yields the use cases of an association. `one_request` applies the deadline of a request.

    Raises BadSetting if a setting is invalid.
    """
    from application.deadlines import deadline

    with (
        open_container() as (settings, container),
        deadline(settings.request_seconds) if one_request else nullcontext(),
    ):
        services = container.relationship_services()
        yield PairServices(
            services.imports(association), services.exports(association), command_context()
        )


def catalog() -> "Catalog":
    """Returns the declarations of all resources, without a database."""
    from entrypoints import resources

    return resources.make_catalog(resources.RESOURCES)


@contextmanager
def connect_events() -> Iterator[tuple[Settings, "EventReader"]]:
    """The settings and the audit log of all resources, without a deadline.

    Raises BadSetting if a setting is invalid.
    """
    with open_container() as (settings, container):
        yield settings, container.event_reader()


@contextmanager
def open_container() -> Iterator[tuple[Settings, Any]]:
    """The settings and the container. Raises BadSetting if a setting is invalid."""
    settings = Settings.of(os.environ)
    require_database(settings)
    gc.set_threshold(_NEW_OBJECTS)

    from entrypoints.container import Container

    container = Container(settings=settings, exclusive=True)
    try:
        yield settings, container
    finally:
        if settings.store == "sql":
            container.engine().dispose()


def command_context() -> "Context":
    """Returns the context of the command. Its principal is the operator."""
    from application.ports import Context
    from entrypoints.cli.actor import operator

    return Context(principal=operator(), request_id=uuid4().hex)
