"""Creates the web application according to the settings."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from adapters.accounts.blueprint import accounts as account_blueprint
from adapters.accounts.openapi import account_description
from adapters.api import OPERATIONS_BODY_FACTOR, Api, ApiConfig, api
from adapters.api.collection import ApiResource
from adapters.api.relationships import ApiRelationships
from adapters.api.request import ApiRequest
from adapters.api.root import canonical
from adapters.jsonapi.cursors import Cursors
from adapters.oauth import oauth
from adapters.oauth.openapi import oauth_description
from adapters.resources.accounts import SESSIONS
from adapters.resources.urls import Urls
from adapters.sql import failures
from adapters.sql.connection_pool import DeadlinePool
from adapters.tokens.signing_keys import public_key_set
from adapters.tokens.verifier import TokenVerifier
from adapters.web import metrics_directory
from adapters.web.addresses import TrustedProxies
from adapters.web.app import create_app
from adapters.web.bearer import bearer
from adapters.web.health import health
from adapters.web.hosts import OpenAccess
from adapters.web.metrics import Metrics, metrics
from adapters.web.positions import POSITION, TrackedPositions
from adapters.web.rate_limit import RateLimiter, counting_errors, rate, rate_limiter
from adapters.web.request_body import BodyMemory, RequestLimits
from adapters.web.security_headers import ResponseHeaders
from application.ports import UnitRunner
from entrypoints.access import make_tokens
from entrypoints.account_metrics import add_account_metrics
from entrypoints.logs import request_logger
from entrypoints.open_service import check_open_service
from entrypoints.settings import Settings
from entrypoints.start_errors import rejected_variables
from entrypoints.use_cases import RelationshipServices, ResourceServices

if TYPE_CHECKING:
    from flask import Blueprint, Flask
    from sqlalchemy.pool import Pool

    from adapters.sql.replicas.reads import Replication
    from entrypoints.accounts import AccountServices


def make_app(
    settings: Settings,
    run: UnitRunner,
    services: Iterable[ResourceServices],
    relationships: RelationshipServices,
    cursors: Cursors,
    ready: Callable[[], None],
    pool: DeadlinePool | None,
    log_key: bytes,
    accounts: "AccountServices | None" = None,
    replication: "Replication | None" = None,
) -> "Flask":
    """Creates the application. `pool` is the connection pool of the store, if it has one.

    `replication` are the replicas of the store, whose threads are started.

    `log_key` is the key of the hashes that replace principals in the log. Raises BadSetting if
    a key can't be used, if the service is open to any web page, or if OpenTelemetry rejects a
    variable.
    """
    check_open_service(settings)
    limits = _request_limits(settings)
    config = ApiConfig(
        public_url=settings.public_url,
        limits=limits,
        guides_url=settings.guides_url,
    )
    tokens = make_tokens(settings, accounts.own_tokens if accounts else None)
    open_access = _open_access(settings) if settings.is_open else None
    rate_limit = rate_limiter(rate(settings.rate_limit)) if settings.rate_limit else None
    collected = make_metrics(pool, accounts, replication) if settings.metrics else None
    inbound = api(
        [
            ApiResource(
                each.resource.type,
                each.resource.declaration,
                each.queries,
                each.history,
                each.commands,
            )
            for each in services
        ],
        ApiRelationships(
            relationships.relationships, relationships.queries, relationships.commands
        ),
        run,
        cursors,
        config,
        bearer(tokens.verify) if tokens else None,
        rate_limit,
        open_access.check_origin if open_access else None,
        more_collections=(SESSIONS,) if accounts else (),
        parts=(account_description, oauth_description) if accounts else (),
        has_replicas=replication is not None,
    )
    more = _account_blueprints(settings, accounts, tokens, cursors, rate_limit, limits, inbound)
    app = create_app(
        [*inbound.blueprints, *more, health(ready), metrics(collected)],
        render_error=counting_errors(inbound.render_error, rate_limit)
        if rate_limit
        else inbound.render_error,
        canonical=canonical,
        request_seconds=settings.request_seconds,
        body_seconds=settings.body_seconds,
        response_headers=ResponseHeaders(
            https=settings.public_url.startswith("https:"),
            origins=settings.cors_origins,
            exposed=(POSITION,) if replication else (),
        ),
        metrics=collected,
        log_request=request_logger(settings.log_format),
        check_host=open_access.check_host if open_access else None,
        trust_request_id=settings.trusted_proxies > 0,
        log_key=log_key,
        request_class=ApiRequest,
    )
    if replication:
        app.wsgi_app = TrackedPositions(  # type: ignore[method-assign]
            app.wsgi_app, replication.positions
        )
        replication.reads.watch()
    if settings.trusted_proxies:
        app.wsgi_app = TrustedProxies(  # type: ignore[method-assign]
            app.wsgi_app, settings.trusted_proxies
        )
    if settings.traces_endpoint:
        replicas = replication.reads.replicas if replication else ()
        _trace(app, [pool, *(each.engine.pool for each in replicas)], settings.database)
    return app


def _account_blueprints(
    settings: Settings,
    accounts: "AccountServices | None",
    tokens: TokenVerifier | None,
    cursors: Cursors,
    rate_limit: RateLimiter | None,
    limits: RequestLimits,
    inbound: Api,
) -> "list[Blueprint]":
    """Creates the blueprints of accounts, if they are enabled. They share parts of the API."""
    if accounts is None or tokens is None:
        return []
    limit_anyone = rate_limiter(rate(settings.account_rate))
    use_cases, keys = accounts.use_cases, accounts.keys
    return [
        account_blueprint(
            use_cases,
            accounts.users,
            bearer(tokens.verify),
            cursors,
            Urls(settings.public_url),
            inbound.inclusion,
            limit=rate_limit,
            limit_anyone=limit_anyone,
            limits=limits,
        ),
        *oauth(
            use_cases.sessions,
            use_cases.session_queries,
            tokens.verify,
            tokens.session_of,
            lambda: public_key_set(keys.published()),
            scopes=accounts.config.role_scopes.all,
            public_url=settings.public_url,
            limit=rate_limit,
            limits=limits,
        ),
    ]


def _request_limits(settings: Settings) -> RequestLimits:
    """Returns the limits of each request. The memory suffices for the largest body."""
    largest = OPERATIONS_BODY_FACTOR * settings.body_bytes
    return RequestLimits(
        body_bytes=settings.body_bytes,
        body_seconds=settings.body_seconds,
        seconds=settings.request_seconds,
        parameters=settings.query_parameters,
        memory=BodyMemory(max(settings.body_memory, largest + 1)),
    )


def _open_access(settings: Settings) -> OpenAccess:
    return OpenAccess(
        public_url=settings.public_url, hosts=settings.hosts, origins=settings.cors_origins
    )


def _trace(app: "Flask", pools: "Iterable[Pool | None]", database: str) -> None:
    with rejected_variables():
        from adapters.sql.spans import trace
        from adapters.web.spans import Traced
        from entrypoints.traces import make_tracer

        tracer = make_tracer()
    app.wsgi_app = Traced(app.wsgi_app, tracer)  # type: ignore[method-assign]
    for pool in pools:
        if pool is not None:
            trace(pool, tracer, system=database)


def make_metrics(
    pool: DeadlinePool | None,
    accounts: "AccountServices | None",
    replication: "Replication | None" = None,
) -> Metrics:
    """Creates the metrics: those of the database, and of replicas and accounts if there are any."""
    collected = Metrics(metrics_directory.use_metrics_directory())
    if pool is not None:
        collected.gauge("db_client_connection_max", "Maximum number of connections.", pool.size)
        collected.gauge("db_client_connection_used", "Connections in use.", pool.checkedout)
        collected.gauge(
            "db_client_connection_pending_requests",
            "Requests that wait for a connection.",
            pool.waiting,
        )
        collected.counter(
            "roster_database_failures",
            "Failures of the database, by the error code of the response.",
            "code",
            failures.failure_counts,
        )
    if replication is not None:
        reads = replication.reads
        collected.counter(
            "roster_reads",
            "Reads that may use replicas: served by a replica, or by the primary for a reason.",
            "result",
            reads.counts,
        )
        collected.gauge(
            "roster_replicas_used", "Replicas that serve reads.", reads.usable, is_shared=True
        )
        collected.gauge(
            "roster_replica_lag_seconds",
            "Seconds by which the slowest replica is behind the primary.",
            reads.lag,
            is_shared=True,
        )
    if accounts is not None:
        logins = accounts.use_cases.login.counts
        add_account_metrics(collected, logins, accounts.emails, accounts.reader.waiting_emails)
    collected.watch()
    return collected
