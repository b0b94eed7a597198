"""The routes of a user's own data, and of the account of any user."""

from collections.abc import Callable
from typing import Any

from flask import Response

from adapters.accounts.access import ME, AccountRoutes, client, session
from adapters.accounts.documents import accepted, no_parameters, read_attributes
from adapters.api import http
from adapters.api.inclusion import Inclusion
from adapters.api.request import current_request
from adapters.jsonapi import parameters
from adapters.jsonapi.parameters import FieldSelection
from adapters.jsonapi.resource import Resource
from adapters.jsonapi.resource_objects import expect_existing
from adapters.resources.accounts import ACCOUNTS, EMAILS, PASSWORDS, AccountView, account_writer
from adapters.resources.urls import Urls
from adapters.web.identity import request_context
from application.accounts.links import LinkRequests
from application.accounts.overview import AccountOverview
from application.accounts.own_user import OWN_ATTRIBUTES, OwnUserCommands
from application.accounts.passwords import PasswordCommands
from application.users import USER_TYPE
from domain.users import User, UserChanges


def me_routes(
    routes: AccountRoutes,
    declaration: Resource,
    get_user: Callable[[int], User],
    commands: OwnUserCommands,
    passwords: PasswordCommands,
    requests: LinkRequests,
    overview: AccountOverview,
    urls: Urls,
    inclusion: Inclusion,
) -> None:
    """Registers the routes. `declaration` is that of users."""
    writer, url = urls.writer(declaration), f"{urls.root}/me"
    of_accounts = account_writer(urls)
    catalog = inclusion.catalog

    def respond(user: Any, query: str, selection: FieldSelection) -> Response:
        related = inclusion.of(USER_TYPE, [user], selection)
        body = writer.single(user, query=query, selection=selection, related=related, url=url)
        return http.ok(body, version=user.version)

    def show_me() -> Response:
        query = http.query()
        selection = parameters.single(query, declaration, catalog)
        inclusion.authorize(selection)
        user = get_user(session().user_id)
        user.require_version(http.preconditions())
        return respond(user, query, selection)

    def change_me() -> Response:
        query, user_id = http.query(), session().user_id
        selection = parameters.single(query, declaration, catalog)
        inclusion.authorize(selection)
        resource_object = http.read_resource_object(declaration, catalog, resource_id=str(user_id))
        expect_existing(resource_object, declaration, str(user_id))
        attributes, read_only = resource_object.load(declaration, partial=True, only=OWN_ATTRIBUTES)
        http.keep_body()
        user = commands.change(
            user_id,
            UserChanges(attributes, read_only),
            resource_object.related,
            request_context(),
            expected=http.preconditions(),
        )
        return respond(user, query, selection)

    def change_password() -> Response:
        no_parameters()
        attributes = read_attributes(PASSWORDS)
        own = session()
        passwords.change(
            own.user_id,
            own.session_id,
            current=attributes["current_password"],
            new=attributes["password"],
            client=client(),
            context=request_context(),
        )
        return http.deleted()

    def change_email() -> Response:
        no_parameters()
        attributes = read_attributes(EMAILS)
        own = session()
        requests.change_email(
            own.user_id,
            own.session_id,
            email=attributes["email"],
            password=attributes["password"],
            client=client(),
            context=request_context(),
        )
        return accepted()

    def show_account(user_id: int) -> Response:
        query = http.query()
        selection = parameters.single(query, ACCOUNTS)
        shown_account = AccountView.of(*overview.of(user_id, current_request().principal))
        return http.ok(of_accounts.single(shown_account, query=query, selection=selection))

    routes.own("GET", "/me", show_me, ME)
    routes.own("PATCH", "/me", change_me, ME)
    routes.own("POST", "/me/password", change_password, ME)
    routes.own("POST", "/me/email", change_email, ME)
    routes.scoped("GET", "/users/<key:user_id>/account", show_account, "users:read")
