"""The routes of one resource type: the collection, its resources and their history."""

from collections.abc import Callable
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
    declaration, entity_type, queries = resource.declaration, resource.type, resource.queries
    name, catalog = declaration.type, inclusion.catalog
    commands, writer = resource.commands(run), inclusion.compound.writers[name]
    parse_query = parameters.cached(
        partial(parameters.collection, resource=declaration, cursors=cursors, catalog=catalog)
    )

    def perform(
        run: UnitRunner,
        command: Callable[[Commands[Any, Any]], Any],
        selection: FieldSelection,
    ) -> tuple[Any, Included]:
        """Runs a command, and loads what its document includes in the same unit of work."""
        if not selection.steps:
            return command(resource.commands(run)), Included()

        def unit(work: UnitOfWork) -> tuple[Any, Included]:
            entity = command(resource.commands(nested(work)))
            return entity, inclusion.load(entity_type, [entity], selection, work)

        return run(request_context(), unit)

    def body_of(entity: Any, included: Included, query: str, selection: FieldSelection) -> bytes:
        related = inclusion.compound.related(included, selection) if selection.steps else None
        return writer.single(entity, query=query, selection=selection, related=related)

    def authorize_linkages(sent: ResourceObject) -> None:
        of_type = catalog.relationships_of(declaration)
        for each in sent.linkages:
            inclusion.queries.authorize_new(of_type[each], current_request().principal)

    @api.get(f"/{name}", endpoint=f"list_{name}")
    def list_resources() -> Response:
        query = http.query()
        collection_query = parse_query(query)
        inclusion.authorize(collection_query.selection)
        page = queries.page(collection_query.search, current_request().principal)
        profile = http.uses_cursor_profile(collection_query)
        related = inclusion.of(entity_type, page.items, collection_query.selection)
        body = writer.collection(
            page, collection_query, query=query, profile=profile, related=related
        )
        return http.ok(body, profile=profile)

    @api.post(f"/{name}", endpoint=f"create_{name}")
    def create_resource() -> Response:
        query = http.query()
        selection = parameters.single(query, declaration, catalog)
        inclusion.authorize(selection)
        resource_object = http.read_resource_object(declaration, catalog)
        authorize_linkages(resource_object)
        expect_new(resource_object, declaration)
        attributes, read_only = resource_object.load(declaration, partial=False)
        new = new_entity(entity_type.new, {**attributes, **resource_object.references}, read_only)

        def create(run: UnitRunner) -> tuple[Response, list[Subject]]:
            entity, included = perform(
                run,
                lambda unit_commands: unit_commands.create(
                    new, request_context(), related=resource_object.related
                ),
                selection,
            )
            body = body_of(entity, included, query, selection)
            response = http.created(body, version=entity.version, location=writer.url(entity))
            return response, [(name, entity.id), *subjects(included)]

        return respond_once(run, create, ())

    def show_resource(entity_id: int) -> Response:
        query = http.query()
        selection = parameters.single(query, declaration, catalog)
        inclusion.authorize(selection)
        entity = queries.get(entity_id, current_request().principal)
        entity.require_version(http.preconditions())
        related = inclusion.of(entity_type, [entity], selection)
        body = writer.single(entity, query=query, selection=selection, related=related)
        return http.ok(body, version=entity.version)

    def change_resource(entity_id: int) -> Response:
        query = http.query()
        selection = parameters.single(query, declaration, catalog)
        inclusion.authorize(selection)
        resource_object = http.read_resource_object(
            declaration, catalog, resource_id=str(entity_id)
        )
        authorize_linkages(resource_object)
        expect_existing(resource_object, declaration, str(entity_id))
        attributes, read_only = resource_object.load(declaration, partial=True)
        changes = entity_type.changes({**attributes, **resource_object.references}, read_only)
        related = resource_object.related
        http.discard_body()
        context, expected = request_context(), http.preconditions()
        entity, included = perform(
            run,
            lambda unit_commands: unit_commands.change(
                entity_id, changes, context, expected=expected, related=related
            ),
            selection,
        )
        body = body_of(entity, included, query, selection)
        return http.ok(body, version=entity.version)

    def delete_resource(entity_id: int) -> Response:
        erase = parameters.flag(http.query(), ERASE_HISTORY)
        remove = commands.erase if erase else commands.delete
        remove(entity_id, request_context(), expected=http.preconditions())
        return http.deleted()

    def show_history(entity_id: int) -> Response:
        query, history = http.query(), resource.history
        within = history.about(entity_id)
        collection_query = parameters.collection(query, EVENTS, cursors, within=within)
        page = history.page(entity_id, collection_query.search, current_request().principal)
        profile = http.uses_cursor_profile(collection_query)
        body = urls.history(name, entity_id).collection(
            page, collection_query, query=query, profile=profile
        )
        return http.ok(body, profile=profile)

    item = resource_rule(entity_type)
    for method, rule, endpoint, view in (
        ("GET", item, f"show_{name}", show_resource),
        ("PATCH", item, f"change_{name}", change_resource),
        ("DELETE", item, f"delete_{name}", delete_resource),
        ("GET", f"/{name}/<key:subject_id>/history", f"{name}_history", show_history),
    ):
        api.add_url_rule(rule, endpoint, by_position(view), methods=[method])
