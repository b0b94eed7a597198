"""The routes of a user's own data, and of the account of any user."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any, Final

from flask import Response

from adapters.accounts.access import ME, AccountRoutes, client, session
from adapters.accounts.documents import accepted, no_parameters, read_attributes
from adapters.api import http
from adapters.api.relationships import Inclusion
from adapters.api.request import current_request
from adapters.jsonapi import parameters
from adapters.jsonapi.parameters import FieldSelection
from adapters.jsonapi.resource import Resource
from adapters.jsonapi.resource_objects import expect_existing
from adapters.resources.accounts import ACCOUNTS, EMAILS, PASSWORDS, ShownAccount, account_writer
from adapters.resources.addresses import Urls
from application.access import InsufficientScope, Principal
from application.accounts.errors import OwnAttribute
from application.accounts.links import LinkRequests
from application.accounts.overview import AccountOverview
from application.accounts.passwords import PasswordCommands
from application.commands import Commands
from application.inclusion import Step
from application.ports import Context
from application.queries import Queries
from application.relationships import ToMany
from application.users import USER_TYPE
from domain.attributes import is_same
from domain.users import UserChanges

_CHANGEABLE: Final = frozenset(("name",))


def me_routes(
    routes: AccountRoutes,
    declaration: Resource,
    queries: Queries[Any, Any],
    commands: Commands[Any, Any],
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
        user = queries.get(session().user_id, _own_principal())
        user.require_version(http.preconditions())
        return respond(user, query, selection)

    def change_me() -> Response:
        query, user_id = http.query(), session().user_id
        selection = parameters.single(query, declaration, catalog)
        inclusion.authorize(selection)
        resource_object = http.read_resource_object(declaration, catalog, resource_id=str(user_id))
        expect_existing(resource_object, declaration, str(user_id))
        attributes, others = resource_object.load(declaration, partial=True, only=_CHANGEABLE)
        http.keep_body()
        before = queries.get(user_id, _own_principal())
        links = resource_object.related
        forbidden = [
            name
            for name in resource_object.linkages
            if name not in links or not is_linked_to(before, name, links[name])
        ]
        for name in [each for each in declaration.settable if each not in _CHANGEABLE]:
            current = getattr(before, name)
            if not is_same(others.pop(name, current), current):
                forbidden.append(name)
        if forbidden:
            raise OwnAttribute(*forbidden)
        changes = UserChanges(attributes, others)
        context = http.context()
        context = Context(_own_principal(), context.request_id, context.link_limit)
        user = commands.change(user_id, changes, context, expected=http.preconditions())
        return respond(user, query, selection)

    def is_linked_to(user: Any, name: str, ids: Collection[int]) -> bool:
        """Returns True if these are all related entities, and the token may read them."""
        relationship = catalog.relationships_of(declaration)[name]
        assert isinstance(relationship, ToMany)
        try:
            included = inclusion.queries.include(
                USER_TYPE, [user], [Step(relationship)], current_request().principal
            )
        except InsufficientScope:
            return False
        (linked,) = included.linked(relationship, [user.id])
        return not linked.more and {each.id for each in linked.entities} == set(ids)

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
            context=http.context(),
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
            context=http.context(),
        )
        return accepted()

    def show_account(user_id: int) -> Response:
        query = http.query()
        selection = parameters.single(query, ACCOUNTS)
        shown_account = ShownAccount.of(*overview.of(user_id))
        return http.ok(of_accounts.single(shown_account, query=query, selection=selection))

    routes.own("GET", "/me", show_me, ME)
    routes.own("PATCH", "/me", change_me, ME)
    routes.own("POST", "/me/password", change_password, ME)
    routes.own("POST", "/me/email", change_email, ME)
    routes.scoped("GET", "/users/<key:user_id>/account", show_account, "users:read")


def _own_principal() -> Principal:
    """Returns the principal of the request, with the scopes to read and change its own user."""
    principal = current_request().principal
    assert principal is not None
    scopes = frozenset(f"{USER_TYPE.name}:{permission}" for permission in ("read", "write"))
    return replace(principal, scopes=scopes)
