"""The routes of one resource type: the collection, its resources and their history."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from flask import Blueprint, Response

from adapters.api import http
from adapters.api.authorization import ERASE_HISTORY
from adapters.api.idempotency import RespondOnce
from adapters.api.inclusion import Inclusion, subjects
from adapters.api.request import current_request
from adapters.api.url_rules import by_position, resource_rule
from adapters.jsonapi import parameters
from adapters.jsonapi.cursors import Cursors
from adapters.jsonapi.parameters import FieldSelection
from adapters.jsonapi.resource import Resource
from adapters.jsonapi.resource_objects import ResourceObject, expect_existing, expect_new
from adapters.resources.events import EVENTS
from adapters.resources.urls import Urls
from adapters.web.identity import request_context
from application.audit import History
from application.commands import Commands
from application.entities import AnyType
from application.inclusion import Included
from application.ports import Subject, UnitOfWork, UnitRunner
from application.queries import Queries
from application.units import nested
from domain.attributes import new_entity


@dataclass(frozen=True, slots=True)
class ApiResource:
    """A resource type of the API, with its use cases.

    `declaration` describes its JSON:API form. `commands` creates the commands for a runner of units
    of work.
    """

    type: AnyType
    declaration: Resource
    queries: Queries[Any, Any]
    history: History
    commands: Callable[[UnitRunner], Commands[Any, Any]]


def collection(
    api: Blueprint,
    resource: ApiResource,
    run: UnitRunner,
    urls: Urls,
    cursors: Cursors,
    respond_once: RespondOnce,
    inclusion: Inclusion,
) -> None:
    """Registers the routes of a resource type."""
    views = _Views(resource, run, urls, cursors, respond_once, inclusion)
    name, item = resource.declaration.type, resource_rule(resource.type)
    api.add_url_rule(f"/{name}", f"list_{name}", views.list, methods=["GET"])
    api.add_url_rule(f"/{name}", f"create_{name}", views.create, methods=["POST"])
    for method, rule, endpoint, view in (
        ("GET", item, f"show_{name}", views.show),
        ("PATCH", item, f"change_{name}", views.change),
        ("DELETE", item, f"delete_{name}", views.delete),
        ("GET", f"/{name}/<key:subject_id>/history", f"{name}_history", views.show_history),
    ):
        api.add_url_rule(rule, endpoint, by_position(view), methods=[method])


class _Views:
    """The views of a resource type."""

    def __init__(
        self,
        resource: ApiResource,
        run: UnitRunner,
        urls: Urls,
        cursors: Cursors,
        respond_once: RespondOnce,
        inclusion: Inclusion,
    ) -> None:
        self._type = resource.type
        self._declaration = declaration = resource.declaration
        self._queries = resource.queries
        self._history = resource.history
        self._commands_for = resource.commands
        self._commands = resource.commands(run)
        self._run = run
        self._urls = urls
        self._cursors = cursors
        self._respond_once = respond_once
        self._inclusion = inclusion
        self._catalog = catalog = inclusion.catalog
        self._writer = inclusion.compound.writers[declaration.type]
        self._parse_query = parameters.cached(
            partial(parameters.collection, resource=declaration, cursors=cursors, catalog=catalog)
        )

    def list(self) -> Response:
        query = http.query()
        collection_query = self._parse_query(query)
        self._inclusion.authorize(collection_query.selection)
        page = self._queries.page(collection_query.search, current_request().principal)
        profile = http.uses_cursor_profile(collection_query)
        related = self._inclusion.of(self._type, page.items, collection_query.selection)
        body = self._writer.collection(
            page, collection_query, query=query, profile=profile, related=related
        )
        return http.ok(body, profile=profile)

    def create(self) -> Response:
        declaration, query = self._declaration, http.query()
        selection = self._select(query)
        resource_object = http.read_resource_object(declaration, self._catalog)
        self._authorize_linkages(resource_object)
        expect_new(resource_object, declaration)
        attributes, read_only = resource_object.load(declaration, partial=False)
        new = new_entity(self._type.new, {**attributes, **resource_object.references}, read_only)

        def create(run: UnitRunner) -> tuple[Response, Sequence[Subject]]:
            entity, included = self._perform(
                run,
                lambda commands: commands.create(
                    new, request_context(), related=resource_object.related
                ),
                selection,
            )
            body = self._body(entity, included, query, selection)
            location = self._writer.url(entity)
            response = http.created(body, version=entity.version, location=location)
            return response, [(declaration.type, entity.id), *subjects(included)]

        return self._respond_once(self._run, create, ())

    def show(self, entity_id: int) -> Response:
        query = http.query()
        selection = self._select(query)
        entity = self._queries.get(entity_id, current_request().principal)
        entity.require_version(http.preconditions())
        related = self._inclusion.of(self._type, [entity], selection)
        body = self._writer.single(entity, query=query, selection=selection, related=related)
        return http.ok(body, version=entity.version)

    def change(self, entity_id: int) -> Response:
        declaration, query, resource_id = self._declaration, http.query(), str(entity_id)
        selection = self._select(query)
        resource_object = http.read_resource_object(
            declaration, self._catalog, resource_id=resource_id
        )
        self._authorize_linkages(resource_object)
        expect_existing(resource_object, declaration, resource_id)
        attributes, read_only = resource_object.load(declaration, partial=True)
        changes = self._type.changes({**attributes, **resource_object.references}, read_only)
        related = resource_object.related
        http.discard_body()
        context, expected = request_context(), http.preconditions()
        entity, included = self._perform(
            self._run,
            lambda commands: commands.change(
                entity_id, changes, context, expected=expected, related=related
            ),
            selection,
        )
        body = self._body(entity, included, query, selection)
        return http.ok(body, version=entity.version)

    def delete(self, entity_id: int) -> Response:
        erase = parameters.flag(http.query(), ERASE_HISTORY)
        remove = self._commands.erase if erase else self._commands.delete
        remove(entity_id, request_context(), expected=http.preconditions())
        return http.deleted()

    def show_history(self, entity_id: int) -> Response:
        query, history = http.query(), self._history
        within = history.about(entity_id)
        collection_query = parameters.collection(query, EVENTS, self._cursors, within=within)
        page = history.page(entity_id, collection_query.search, current_request().principal)
        profile = http.uses_cursor_profile(collection_query)
        writer = self._urls.history(self._declaration.type, entity_id)
        body = writer.collection(page, collection_query, query=query, profile=profile)
        return http.ok(body, profile=profile)

    def _select(self, query: str) -> FieldSelection:
        """Returns what the document of one resource shows. Raises InsufficientScope."""
        selection = parameters.single(query, self._declaration, self._catalog)
        self._inclusion.authorize(selection)
        return selection

    def _authorize_linkages(self, sent: ResourceObject) -> None:
        """Raises InsufficientScope if the principal may not relate the entities."""
        of_type = self._catalog.relationships_of(self._declaration)
        for each in sent.linkages:
            self._inclusion.queries.authorize_new(of_type[each], current_request().principal)

    def _perform(
        self,
        run: UnitRunner,
        command: Callable[[Commands[Any, Any]], Any],
        selection: FieldSelection,
    ) -> tuple[Any, Included]:
        """Runs a command, and loads what its document includes in the same unit of work."""
        if not selection.steps:
            return command(self._commands_for(run)), Included()

        def unit(work: UnitOfWork) -> tuple[Any, Included]:
            entity = command(self._commands_for(nested(work)))
            return entity, self._inclusion.load(self._type, [entity], selection, work)

        return run(request_context(), unit)

    def _body(
        self, entity: Any, included: Included, query: str, selection: FieldSelection
    ) -> bytes:
        related = self._inclusion.compound.related(included, selection) if selection.steps else None
        return self._writer.single(entity, query=query, selection=selection, related=related)
