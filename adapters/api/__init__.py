"""Roster's resources over HTTP, as JSON:API."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flask import Blueprint, Response
from flask.blueprints import BlueprintSetupState
from werkzeug.routing import BaseConverter

from adapters.api.authorization import authorize
from adapters.api.collection import ApiResource, collection
from adapters.api.error_handler import error_handler
from adapters.api.errors import error_codes, errors
from adapters.api.http import BodyPolicy, request_checks
from adapters.api.idempotency import idempotent
from adapters.api.openapi.document import OpenApi
from adapters.api.operations import URL as OPERATIONS
from adapters.api.operations import operations
from adapters.api.pages.home import home
from adapters.api.pages.swagger import docs
from adapters.api.relationships import (
    WITH_LINKAGE,
    ApiRelationships,
    Inclusion,
    RelationshipRoutes,
    relationship_rule,
)
from adapters.api.request import require_request_class
from adapters.api.root import root
from adapters.jsonapi.atomic import EXTENSION, Collection
from adapters.jsonapi.catalog import Catalog
from adapters.jsonapi.compound import CompoundWriter
from adapters.jsonapi.cursors import Cursors
from adapters.jsonapi.kinds import KEY
from adapters.resources.addresses import PREFIX, Urls
from adapters.web.bearer import Authenticate
from adapters.web.rate_limit import RateLimiter
from adapters.web.request_body import BodyMemory
from application.operations import Operations
from application.ports import UnitRunner

OPERATIONS_BODY_FACTOR = 8
"""How many times the body of operations may be as long as any other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiConfig:
    """How the API is offered: where its links begin, and what a request may cost.

    `public_url` is empty for links without a host; `body_limit` is in bytes, and so is
    `body_memory`, which all bodies of a process share. A body has `body_seconds` to arrive, and
    the request then `request_seconds`. A query has at most `most_parameters`.
    """

    public_url: str
    body_limit: int
    body_seconds: float
    request_seconds: float
    most_parameters: int
    body_memory: int = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Api:
    """The API's blueprints, and its way to say what went wrong."""

    blueprints: list[Blueprint]
    say: Callable[[Exception], Response]


def api(
    resources: Sequence[ApiResource],
    relationships: ApiRelationships,
    run: UnitRunner,
    cursors: Cursors,
    config: ApiConfig,
    authenticate: Authenticate | None = None,
    limit: RateLimiter | None = None,
    check_origin: Callable[[], None] | None = None,
) -> Api:
    """The API: the resources under the prefix, and the pages that describe them.

    Without `authenticate` it is open to every client, and without `limit` it limits no rate.
    `check_origin` precedes every request under the prefix.
    """
    urls = Urls(config.public_url)
    base = config.public_url.rstrip("/")
    declarations = [each.declaration for each in resources]
    known = relationships.relationships
    catalog = Catalog.of(((each.type, each.declaration) for each in resources), known)
    writers = {each.type: urls.writer(each) for each in declarations}
    inclusion = Inclusion(relationships.queries, CompoundWriter(catalog, writers, cursors))
    of_relationships = [each for types in catalog.relationships.values() for each in types.values()]
    codes = error_codes(each.type for each in resources)
    say = error_handler(base)
    blueprint = Blueprint("api", __name__, url_prefix=PREFIX)
    blueprint.record_once(require_request_class)
    blueprint.record_once(_register_id_converter)
    if check := authorize(authenticate, limit, tuple(each.type for each in declarations), catalog):
        blueprint.before_request(check)
    if check_origin:
        blueprint.before_request(check_origin)
    blueprint.before_request(
        request_checks(
            BodyPolicy(config.body_limit),
            {
                f"{PREFIX}{OPERATIONS}": BodyPolicy(
                    OPERATIONS_BODY_FACTOR * config.body_limit, EXTENSION
                ),
                **{
                    f"{PREFIX}{relationship_rule(each, linkage=True)}": BodyPolicy(
                        config.body_limit, methods=WITH_LINKAGE
                    )
                    for each in of_relationships
                },
            },
            memory=BodyMemory(
                max(config.body_memory, OPERATIONS_BODY_FACTOR * config.body_limit + 1)
            ),
            body_seconds=config.body_seconds,
            request_seconds=config.request_seconds,
            most_parameters=config.most_parameters,
        )
    )
    root(blueprint, urls, declarations)
    once = idempotent(say)
    routes = RelationshipRoutes(blueprint, run, relationships, inclusion, once)
    for each in resources:
        collection(blueprint, each, run, urls, cursors, once, inclusion)
        routes.register(each.type, each.commands(run))
    commands = {each.declaration.type: each.commands for each in resources}
    collections = {
        each.declaration.type: Collection(
            each.declaration, writers[each.declaration.type], each.type.new.of, each.type.changes
        )
        for each in resources
    }
    perform = Operations(commands, relationships.commands)
    operations(blueprint, run, perform, collections, urls, once, catalog)
    described = OpenApi(declarations, codes, catalog).blueprint(
        base, secured=authenticate is not None, limited=limit is not None
    )
    return Api([blueprint, described, docs(), errors(codes), home(base)], say)


class _Key(BaseConverter):
    """An id in a URL; what can't be one is no URL of ours, whatever the method."""

    regex = KEY

    def to_python(self, value: str) -> int:
        return int(value)


def _register_id_converter(state: BlueprintSetupState) -> None:
    state.app.url_map.converters["key"] = _Key
