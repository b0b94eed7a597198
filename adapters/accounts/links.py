"""The routes of sign-up, recovery, invitation and confirmation."""

from flask import Response

from adapters.accounts.access import AccountRoutes
from adapters.accounts.documents import accepted, no_parameters, read_attributes
from adapters.api import http
from adapters.resources.accounts import CONFIRMATIONS, INVITATIONS, RECOVERIES, SIGNUPS
from adapters.web.identity import request_context
from application.accounts.links import Confirmation, LinkRequests


def link_routes(routes: AccountRoutes, requests: LinkRequests, confirmation: Confirmation) -> None:
    """Registers the routes."""

    def sign_up() -> Response:
        no_parameters()
        requests.require_signup()
        attributes = read_attributes(SIGNUPS)
        requests.sign_up(attributes["email"], attributes["name"], request_context())
        return accepted()

    def recover() -> Response:
        no_parameters()
        requests.recover(read_attributes(RECOVERIES)["email"], request_context())
        return accepted()

    def confirm() -> Response:
        no_parameters()
        attributes = read_attributes(CONFIRMATIONS)
        confirmation.confirm(attributes["token"], attributes.get("password"), request_context())
        return http.deleted()

    def invite(user_id: int) -> Response:
        no_parameters()
        read_attributes(INVITATIONS)
        requests.invite(user_id, request_context())
        return accepted()

    def withdraw(user_id: int) -> Response:
        no_parameters()
        requests.withdraw(user_id, request_context())
        return http.deleted()

    routes.anyone("POST", "/signups", sign_up)
    routes.anyone("POST", "/recoveries", recover)
    routes.anyone("POST", "/confirmations", confirm)
    invitations = "/users/<key:user_id>/invitations"
    routes.scoped("POST", invitations, invite, "users:write")
    routes.scoped("DELETE", invitations, withdraw, "users:write")
