"""The HTTP API: Roster's resources as JSON:API."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from flask import Blueprint, Response

from adapters.api.authorization import authorize
from adapters.api.collection import ApiResource, collection
from adapters.api.error_handler import error_handler
from adapters.api.errors import error_codes
from adapters.api.http import BodyPolicy, request_checks
from adapters.api.idempotency import idempotent
from adapters.api.inclusion import Inclusion
from adapters.api.openapi.document import DescribePart, OpenApi
from adapters.api.operations import URL as OPERATIONS
from adapters.api.operations import operations
from adapters.api.pages.error_codes import error_codes_page
from adapters.api.pages.home import home
from adapters.api.pages.swagger import docs
from adapters.api.positions import allow_replicas
from adapters.api.relationships import WITH_LINKAGE, ApiRelationships, RelationshipRoutes
from adapters.api.request import require_request_class
from adapters.api.root import root
from adapters.api.url_rules import register_id_converter, relationship_rule
from adapters.jsonapi.atomic import EXTENSION, Collection, Collections
from adapters.jsonapi.catalog import Catalog
from adapters.jsonapi.compound import CompoundWriter
from adapters.jsonapi.cursors import Cursors
from adapters.jsonapi.documents import DocumentWriter
from adapters.jsonapi.resource import Resource
from adapters.resources.urls import PREFIX, Urls
from adapters.web.bearer import Authenticate
from adapters.web.rate_limit import RateLimiter
from adapters.web.request_body import RequestLimits
from application.operations import Operations
from application.ports import UnitRunner
from domain.attributes import new_entity

OPERATIONS_BODY_FACTOR = 8
"""The limit of a body with operations, as a multiple of the limit of other bodies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiConfig:
    """The configuration of the API.

    - `public_url`: the start of every link; empty for links without a host.
    - `guides_url`: the URL of the documentation site; empty if there is none.
    - `limits`: those of each request.
    """

    public_url: str
    limits: RequestLimits
    guides_url: str = ""


@dataclass(frozen=True, slots=True)
class Api:
    """The API's blueprints, and what other inbound adapters share with it.

    `render_error` renders an error as a response. `inclusion` loads and writes related resources.
    """

    blueprints: list[Blueprint]
    render_error: Callable[[Exception], Response]
    inclusion: Inclusion


def api(
    resources: Sequence[ApiResource],
    relationships: ApiRelationships,
    run: UnitRunner,
    cursors: Cursors,
    config: ApiConfig,
    authenticate: Authenticate | None = None,
    limit: RateLimiter | None = None,
    check_origin: Callable[[], None] | None = None,
    more_collections: Sequence[Resource] = (),
    parts: Sequence[DescribePart] = (),
    *,
    has_replicas: bool = False,
) -> Api:
    """Creates the API: the resources under the prefix, and the pages that describe them.

    Without `authenticate`, every client has access. Without `limit`, there is no rate limit.
    `check_origin` is called before every request under the prefix. The root also lists
    `more_collections`, which another adapter serves, and `parts` describe them. `has_replicas`: the
    store also reads from replicas, and the application is wrapped in TrackedPositions.
    """
    urls = Urls(config.public_url)
    base = config.public_url.rstrip("/")
    declarations = [each.declaration for each in resources]
    known = relationships.relationships
    catalog = Catalog.of(((each.type, each.declaration) for each in resources), known)
    writers = {each.type: urls.writer(each) for each in declarations}
    inclusion = Inclusion(relationships.queries, CompoundWriter(catalog, writers, cursors))
    codes = error_codes(each.type for each in resources)
    render_error = error_handler(base)
    blueprint = Blueprint("api", __name__, url_prefix=PREFIX)
    blueprint.record_once(require_request_class)
    blueprint.record_once(register_id_converter)
    for check in (
        authorize(authenticate, limit, tuple(each.type for each in declarations), catalog),
        check_origin,
        request_checks(config.limits, _body_policies(config.limits, catalog)),
        allow_replicas if has_replicas else None,
    ):
        if check:
            blueprint.before_request(check)
    root(blueprint, urls, [*declarations, *more_collections])
    respond_once = idempotent(render_error)
    routes = RelationshipRoutes(blueprint, run, relationships, inclusion, respond_once)
    for each in resources:
        collection(blueprint, each, run, urls, cursors, respond_once, inclusion)
        routes.register(each.type, each.commands(run))
    commands = {each.declaration.type: each.commands for each in resources}
    collections = _collections(resources, writers)
    perform = Operations(commands, relationships.commands)
    operations(blueprint, run, perform, collections, urls, respond_once, catalog)
    openapi = OpenApi(declarations, codes, catalog, parts).blueprint(
        base,
        secured=authenticate is not None,
        limited=limit is not None,
        positioned=has_replicas,
        guides_url=config.guides_url,
    )
    return Api(
        [blueprint, openapi, docs(), error_codes_page(codes), home(base)],
        render_error,
        inclusion,
    )


def _body_policies(limits: RequestLimits, catalog: Catalog) -> dict[str, BodyPolicy]:
    """Returns the policies of the URL rules of operations and of relationships."""
    policies = {
        f"{PREFIX}{relationship_rule(each, linkage=True)}": BodyPolicy(methods=WITH_LINKAGE)
        for of_type in catalog.relationships.values()
        for each in of_type.values()
    }
    policies[f"{PREFIX}{OPERATIONS}"] = BodyPolicy(
        OPERATIONS_BODY_FACTOR * limits.body_bytes, EXTENSION
    )
    return policies


def _collections(
    resources: Iterable[ApiResource], writers: Mapping[str, DocumentWriter]
) -> Collections:
    """Returns the resource types, for operations on their resources."""
    return {
        each.declaration.type: Collection(
            each.declaration,
            writers[each.declaration.type],
            partial(new_entity, each.type.new),
            each.type.changes,
        )
        for each in resources
    }
