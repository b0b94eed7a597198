"""The routes of relationships: the related resources of one resource, and the relationship itself.

The routes follow from the declaration of a relationship, for any types.
"""

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flask import Blueprint, Response

from adapters.api import http
from adapters.api.idempotency import RespondOnce
from adapters.api.inclusion import Inclusion
from adapters.api.request import current_request
from adapters.api.url_rules import View, by_position, relationship_rule
from adapters.jsonapi import parameters
from adapters.jsonapi.documents import DocumentWriter, RelatedData, relationship_object
from adapters.jsonapi.errors import RequestError
from adapters.jsonapi.etags import RelatedList
from adapters.jsonapi.linkage import Linkage, partial_errors, type_errors
from adapters.jsonapi.pagination import page_links
from adapters.jsonapi.parameters import CollectionQuery, FieldSelection
from adapters.web.identity import request_context
from application.access import Principal
from application.commands import Commands
from application.entities import AnyType
from application.ports import LinkChange, Subject, UnitRunner
from application.relationship_commands import LINKS_AT_ONCE, RelationshipCommands
from application.relationship_queries import RelationshipQueries, related_to
from application.relationships import Relationship, Relationships, ToMany, ToOne, fingerprint
from application.search import Page

WITH_LINKAGE: Final = frozenset(("POST", "PATCH", "DELETE"))
"""The methods that require a document at a relationship URL."""


@dataclass(frozen=True, slots=True)
class ApiRelationships:
    """The relationships of all resources, as the API serves them.

    `commands` makes the commands of one to-many relationship, which run their units of work with
    the given runner.
    """

    relationships: Relationships
    queries: RelationshipQueries
    commands: Callable[[ToMany, UnitRunner], RelationshipCommands]


@dataclass(frozen=True, slots=True)
class RelationshipRoutes:
    """Registers the routes of relationships."""

    api: Blueprint
    run: UnitRunner
    served: ApiRelationships
    inclusion: Inclusion
    respond_once: RespondOnce

    def register(
        self,
        entity_type: AnyType,
        commands: Commands[Any, Any],
    ) -> None:
        """Registers the routes of the relationships of a type."""
        for relationship in self.served.relationships.of(entity_type).values():
            if isinstance(relationship, ToMany):
                views = _ToManyViews(self, relationship).views()
            else:
                views = _ToOneViews(self, relationship, commands).views()
            name = relationship.name
            for method, is_linkage, verb, view in views:
                kind = "relationship" if is_linkage else "related"
                self.api.add_url_rule(
                    relationship_rule(relationship, linkage=is_linkage),
                    f"{verb}_{entity_type.name}_{kind}_{name}",
                    by_position(view),
                    methods=[method],
                )


_Views = Iterable[tuple[str, bool, str, View]]
"""Each view with its method, whether it is about the linkage, and the verb of its endpoint."""


class _RelationshipViews:
    """The common part of the views of both kinds of relationship."""

    def __init__(self, routes: RelationshipRoutes, relationship: Relationship) -> None:
        self._routes = routes
        self._inclusion = routes.inclusion
        self._catalog = routes.inclusion.catalog
        self._queries = routes.served.queries
        self._target = self._catalog.target(relationship)
        source = self._catalog.resources[relationship.source.name]
        self._field = source.relationships[relationship.name]
        writers = routes.inclusion.compound.writers
        self._source_writer = writers[relationship.source.name]
        self._name = relationship.name

    @property
    def _writer(self) -> DocumentWriter:
        return self._inclusion.compound.writers[self._target.type]

    def _urls(self, source_id: int) -> tuple[str, str]:
        """Returns the URLs of the relationship and of the related resources."""
        links = relationship_object(self._source_writer.url_of(source_id), self._name)["links"]
        return links["self"], links["related"]

    def _read_linkage(self) -> Linkage:
        """Returns the linkage in the body. Raises RequestError if a type does not match."""
        parameters.no_parameters(http.query())
        sent = http.read_relationship(self._field, self._catalog)
        if current_request().method == "PATCH" and (partial := [*partial_errors([sent])]):
            raise RequestError(*partial)
        if mismatches := [*type_errors([sent])]:
            raise RequestError(*mismatches)
        return sent


class _ToManyViews(_RelationshipViews):
    """The views of a to-many relationship."""

    def __init__(self, routes: RelationshipRoutes, relationship: ToMany) -> None:
        super().__init__(routes, relationship)
        self._relationship = relationship
        self._cursors = routes.inclusion.compound.cursors

    def views(self) -> _Views:
        return (
            ("GET", False, "list", self.show_related),
            ("GET", True, "show", self.show),
            ("POST", True, "add_to", self.add),
            ("PATCH", True, "replace", self.replace),
            ("DELETE", True, "remove_from", self.remove),
        )

    def show_related(self, source_id: int) -> Response:
        query = http.query()
        collection_query = parameters.collection(
            query, self._target, self._cursors, self._catalog, within=self._within(source_id)
        )
        page = self._page(source_id, collection_query, resources=True)
        related = self._inclusion.of(
            self._relationship.target, page.items, collection_query.selection
        )
        profile = http.uses_cursor_profile(collection_query)
        _, url = self._urls(source_id)
        body = self._writer.collection(
            page, collection_query, query=query, profile=profile, related=related, url=url
        )
        return http.ok(body, profile=profile)

    def show(self, source_id: int) -> Response:
        query = http.query()
        within = self._within(source_id)
        collection_query = parameters.linkage(
            query, self._relationship, self._cursors, self._catalog, within=within
        )
        # The order of identifiers and their cursors show the values that they are sorted by.
        by_attribute = any(each.attribute != "id" for each in collection_query.search.ordering)
        resources = collection_query.selection.includes_items or by_attribute
        page = self._page(source_id, collection_query, resources=resources)
        related = self._inclusion.of(
            self._relationship.target, page.items, collection_query.selection
        )
        profile = http.uses_cursor_profile(collection_query)
        url, related_url = self._urls(source_id)
        body = self._writer.identifiers(
            page, collection_query, url, related_url, query=query, profile=profile, related=related
        )
        version = None
        if len(collection_query.search.conditions) == len(within) and _is_whole(
            page, collection_query
        ):
            version = self._listed(source_id).version(fingerprint(each.id for each in page.items))
        return http.ok(body, list_version=version, profile=profile)

    def add(self, source_id: int) -> Response:
        sent = self._read_linkage()
        expected = self._expected(source_id)

        def add(run: UnitRunner) -> tuple[Response, list[Subject]]:
            self._commands(run).add(source_id, sent.ids, request_context(), expected=expected)
            return http.deleted(), self._named(source_id, sent)

        return self._routes.respond_once(self._routes.run, add, self._named(source_id, sent))

    def replace(self, source_id: int) -> Response:
        return self._change(
            source_id,
            lambda commands, ids, expected: commands.replace(
                source_id, ids, request_context(), expected=expected, limit=LINKS_AT_ONCE
            ),
        )

    def remove(self, source_id: int) -> Response:
        return self._change(
            source_id,
            lambda commands, ids, expected: commands.remove(
                source_id, [each for each in ids if each > 0], request_context(), expected=expected
            ),
        )

    def _change(
        self,
        source_id: int,
        change: Callable[[RelationshipCommands, Sequence[int], Container[str] | None], LinkChange],
    ) -> Response:
        ids = self._read_linkage().ids
        http.discard_body()
        change(self._commands(self._routes.run), ids, self._expected(source_id))
        return http.deleted()

    def _commands(self, run: UnitRunner) -> RelationshipCommands:
        return self._routes.served.commands(self._relationship, run)

    def _within(self, source_id: int) -> tuple[Any, ...]:
        return (related_to(self._relationship, source_id),)

    def _page(
        self, source_id: int, collection_query: CollectionQuery, *, resources: bool
    ) -> Page[Any]:
        self._inclusion.authorize(collection_query.selection)
        return self._queries.page(
            self._relationship,
            source_id,
            collection_query.search,
            current_request().principal,
            resources=resources,
        )

    def _listed(self, source_id: int) -> RelatedList:
        relationship = self._relationship
        return RelatedList(f"{relationship.source.name}/{source_id}/{relationship.name}")

    def _expected(self, source_id: int) -> Container[str] | None:
        return http.list_preconditions(self._listed(source_id))

    def _named(self, source_id: int, sent: Linkage) -> list[Subject]:
        related = ((self._target.type, each) for each in sent.ids if each > 0)
        return [(self._relationship.source.name, source_id), *related]


class _ToOneViews(_RelationshipViews):
    """The views of a to-one relationship."""

    def __init__(
        self, routes: RelationshipRoutes, relationship: ToOne, commands: Commands[Any, Any]
    ) -> None:
        super().__init__(routes, relationship)
        self._relationship = relationship
        self._commands = commands

    def views(self) -> _Views:
        return (
            ("GET", False, "show", self.show_related),
            ("GET", True, "show", self.show),
            ("PATCH", True, "set", self.change),
        )

    def show_related(self, source_id: int) -> Response:
        query = http.query()
        selection = parameters.single(query, self._target, self._catalog)
        self._inclusion.authorize(selection)
        _, entity = self._one(source_id, resources=True)
        _, url = self._urls(source_id)
        related = self._included(entity, selection)
        body = self._writer.single(
            entity, query=query, selection=selection, related=related, url=url
        )
        return http.ok(body)

    def show(self, source_id: int) -> Response:
        query = http.query()
        selection = parameters.single_linkage(query, self._relationship, self._catalog)
        self._inclusion.authorize(selection)
        source, related_entity = self._one(source_id, resources=selection.includes_items)
        source.require_version(http.preconditions())
        url, related_url = self._urls(source_id)
        body = self._writer.reference(
            getattr(source, self._name),
            url,
            related_url,
            query=query,
            selection=selection,
            related=self._included(related_entity if selection.includes_items else None, selection),
        )
        return http.ok(body, version=source.version)

    def change(self, source_id: int) -> Response:
        sent = self._read_linkage()
        http.discard_body()
        self._commands.set_reference(
            source_id, self._relationship, sent.id, request_context(), expected=http.preconditions()
        )
        return http.deleted()

    def _one(self, source_id: int, *, resources: bool) -> tuple[Any, Any]:
        principal: Principal | None = current_request().principal
        return self._queries.one(self._relationship, source_id, principal, resources=resources)

    def _included(self, entity: Any | None, selection: FieldSelection) -> RelatedData | None:
        entities = [] if entity is None else [entity]
        return self._inclusion.of(self._relationship.target, entities, selection)


def _is_whole(page: Page[Any], collection_query: CollectionQuery) -> bool:
    """Returns True if the page shows its entire list."""
    links = page_links(page, collection_query)
    return links["prev"] is None and links["next"] is None
