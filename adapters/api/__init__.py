"""Roster's resources over HTTP, as JSON:API."""

from collections.abc import Callable
from dataclasses import dataclass

from flask import Blueprint, Response
from flask.blueprints import BlueprintSetupState
from werkzeug.routing import BaseConverter

from adapters.api.authorization import authorize
from adapters.api.error_handler import error_handler
from adapters.api.errors import errors
from adapters.api.history import history
from adapters.api.http import BodyPolicy, request_checks
from adapters.api.idempotency import idempotent
from adapters.api.openapi.document import openapi
from adapters.api.operations import URL as OPERATIONS
from adapters.api.operations import operations
from adapters.api.pages.home import home
from adapters.api.pages.swagger import docs
from adapters.api.root import root
from adapters.api.users import users
from adapters.jsonapi.atomic import EXTENSION, Collection
from adapters.jsonapi.cursors import Cursors
from adapters.jsonapi.kinds import KEY
from adapters.resources.addresses import PREFIX, Urls
from adapters.resources.users import USERS
from adapters.web.bearer import Authenticate
from adapters.web.rate_limit import RateLimiter
from adapters.web.request_body import BodyMemory
from application.audit import History
from application.operations import Operations
from application.ports import UnitRunner, UserReader
from application.users import UserCommands
from domain.users import NewUser, UserChanges

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
    run: UnitRunner,
    reader: UserReader,
    user_history: History,
    cursors: Cursors,
    terms: ApiConfig,
    authenticate: Authenticate | None = None,
    limit: RateLimiter | None = None,
    check_origin: Callable[[], None] | None = None,
) -> Api:
    """The API: its resources under the prefix, and pages that tell of them.

    Without `authenticate` they are open to everyone, without `limit` as often as one likes.
    `check_origin` precedes every request under the prefix.
    """
    addresses = Urls(terms.public_url)
    base = terms.public_url.rstrip("/")
    say = error_handler(base)
    resources = Blueprint("api", __name__, url_prefix=PREFIX)
    resources.record_once(_register_id_converter)
    if check := authorize(authenticate, limit):
        resources.before_request(check)
    if check_origin:
        resources.before_request(check_origin)
    resources.before_request(
        request_checks(
            BodyPolicy(terms.body_limit),
            {
                f"{PREFIX}{OPERATIONS}": BodyPolicy(
                    OPERATIONS_BODY_FACTOR * terms.body_limit, EXTENSION
                )
            },
            memory=BodyMemory(
                max(terms.body_memory, OPERATIONS_BODY_FACTOR * terms.body_limit + 1)
            ),
            body_seconds=terms.body_seconds,
            request_seconds=terms.request_seconds,
            most_parameters=terms.most_parameters,
        )
    )
    root(resources, addresses, [USERS])
    writer = addresses.writer(USERS)
    once = idempotent(say)
    users(resources, run, reader, writer, cursors, once)
    history(resources, user_history, addresses, cursors)
    collections = {USERS.type: Collection(USERS, writer, NewUser.of, UserChanges)}
    operations(resources, run, Operations({USERS.type: UserCommands}), collections, addresses, once)
    described = openapi(base, secured=authenticate is not None, limited=limit is not None)
    return Api([resources, described, docs(), errors(), home(base)], say)


class _Key(BaseConverter):
    """An id in a URL; what can't be one is no URL of ours, whatever the method."""

    regex = KEY

    def to_python(self, value: str) -> int:
        return int(value)


def _register_id_converter(state: BlueprintSetupState) -> None:
    state.app.url_map.converters["key"] = _Key
