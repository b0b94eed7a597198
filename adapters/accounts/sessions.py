"""The routes of sessions: login, logout, and lists of sessions."""

from collections.abc import Callable
from typing import Final

from flask import Response

from adapters.accounts.access import AccountRoutes, client, session
from adapters.accounts.documents import (
    NO_STORE,
    document,
    no_parameters,
    read_attributes,
    tokens_meta,
)
from adapters.api import http
from adapters.api.request import current_request
from adapters.jsonapi import parameters
from adapters.jsonapi.cursors import Cursors
from adapters.jsonapi.documents import DocumentWriter
from adapters.resources.accounts import SESSIONS, SessionView
from adapters.resources.urls import Urls
from adapters.web.identity import request_context
from application.access import Principal
from application.accounts.errors import SessionNotFound
from application.accounts.login import Login
from application.accounts.sessions import SessionCommands, SessionQueries
from application.search import Page
from domain.accounts import Session
from domain.errors import RosterError

CURRENT: Final = "current"


def _shown(each: Session) -> SessionView:
    principal = current_request().principal
    own = principal.session.session_id if principal and principal.session else None
    return SessionView.of(each, own)


def _possible(session_id: str) -> str:
    """Returns the id. Raises SessionNotFound if no session can have it.

    PostgreSQL would reject a text with NUL.
    """
    if SESSIONS.id.parse(session_id) is None:
        raise SessionNotFound
    return session_id


def session_routes(
    routes: AccountRoutes,
    login: Login,
    commands: SessionCommands,
    queries: SessionQueries,
    cursors: Cursors,
    urls: Urls,
    must_exist: Callable[[int], object],
) -> None:
    """Registers the routes. `must_exist` raises NotFound if there is no user with an id."""
    own_writer = urls.writer(SESSIONS)

    def writer_of(user_id: int) -> DocumentWriter:
        url = f"{urls.root}/users/{user_id}/sessions"
        return DocumentWriter(SESSIONS, url, described_by=urls.openapi)

    def log_in() -> Response:
        no_parameters()
        attributes = read_attributes(SESSIONS)
        email, password = attributes["email"], attributes["password"]
        try:
            issued = login.log_in(email, password, client(), request_context())
        except RosterError as error:
            current_request().log_fields = {"login_refused": error.code}
            raise
        shown = _shown(issued.session)._replace(is_current=True)
        data = {**own_writer.resource(shown), "meta": tokens_meta(issued)}
        url = own_writer.url(shown)
        body = document(data, url, urls.openapi)
        return http.response(201, body, headers={"Location": url, **NO_STORE})

    def read_query(user_id: int) -> parameters.CollectionQuery:
        within = queries.about(user_id)
        return parameters.collection(http.query(), SESSIONS, cursors, within=within)

    def page_document(
        user_id: int,
        collection_query: parameters.CollectionQuery,
        writer: DocumentWriter,
        principal: Principal | None,
    ) -> bytes:
        page = queries.page(user_id, collection_query.search, principal)
        shown = Page(tuple(map(_shown, page.items)), page.more, page.total)
        profile = http.uses_cursor_profile(collection_query)
        return writer.collection(shown, collection_query, query=http.query(), profile=profile)

    def page(
        user_id: int, collection_query: parameters.CollectionQuery, writer: DocumentWriter
    ) -> Response:
        body = page_document(user_id, collection_query, writer, current_request().principal)
        return http.ok(body, profile=http.uses_cursor_profile(collection_query))

    def end_all(user_id: int, writer: DocumentWriter) -> Response:
        def read() -> bytes:
            # Without the principal: the response does not show the list, so the scope is enough.
            return page_document(user_id, read_query(user_id), writer, None)

        http.check_preconditions(read)
        commands.end_all(user_id, request_context())
        return http.deleted()

    def one(user_id: int, session_id: str, writer: DocumentWriter) -> Response:
        query = http.query()
        selection = parameters.single(query, SESSIONS)
        session = queries.get(user_id, _possible(session_id), current_request().principal)
        session.require_version(http.preconditions())
        body = writer.single(_shown(session), query=query, selection=selection)
        return http.ok(body, version=session.version)

    def end(user_id: int, session_id: str) -> Response:
        possible, expected = _possible(session_id), http.preconditions()
        commands.end(user_id, possible, request_context(), expected=expected)
        return http.deleted()

    def list_own() -> Response:
        user_id = session().user_id
        return page(user_id, read_query(user_id), own_writer)

    def end_own() -> Response:
        no_parameters()
        return end_all(session().user_id, own_writer)

    def own_id(session_id: str) -> str:
        return session().session_id if session_id == CURRENT else session_id

    def show_own(session_id: str) -> Response:
        return one(session().user_id, own_id(session_id), own_writer)

    def end_one_of_own(session_id: str) -> Response:
        no_parameters()
        return end(session().user_id, own_id(session_id))

    def list_of_user(user_id: int) -> Response:
        collection_query = read_query(user_id)
        must_exist(user_id)
        return page(user_id, collection_query, writer_of(user_id))

    def end_all_of_user(user_id: int) -> Response:
        no_parameters()
        must_exist(user_id)
        return end_all(user_id, writer_of(user_id))

    def show_of_user(user_id: int, session_id: str) -> Response:
        return one(user_id, session_id, writer_of(user_id))

    def end_one_of_user(user_id: int, session_id: str) -> Response:
        no_parameters()
        must_exist(user_id)
        return end(user_id, session_id)

    routes.anyone("POST", "/sessions", log_in)
    routes.own("GET", "/sessions", list_own)
    routes.own("DELETE", "/sessions", end_own)
    routes.own("GET", "/sessions/<session_id>", show_own)
    routes.own("DELETE", "/sessions/<session_id>", end_one_of_own)
    of_user = "/users/<key:user_id>/sessions"
    routes.scoped("GET", of_user, list_of_user, "users:read")
    routes.scoped("DELETE", of_user, end_all_of_user, "users:write")
    routes.scoped("GET", f"{of_user}/<session_id>", show_of_user, "users:read")
    routes.scoped("DELETE", f"{of_user}/<session_id>", end_one_of_user, "users:write")
