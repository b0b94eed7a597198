"""Error responses of OAuth (RFC 6749, section 5.2)."""

from collections.abc import Mapping
from typing import Final

import orjson
from flask import Blueprint, Response

from adapters.jsonapi.content_negotiation import JSON
from adapters.web.bearer import challenge, refusal_fields
from adapters.web.flask_app import current_request
from adapters.web.request_body import BodyIncomplete
from adapters.web.security_headers import NO_STORE
from application.access import InvalidToken, Unauthenticated
from application.accounts.errors import InvalidGrant, InvalidScope

INVALID_REQUEST: Final = "invalid_request"


class OAuthError(Exception):
    """The request is not valid. `code` is one of RFC 6749, section 5.2."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


def register_error_handlers(blueprint: Blueprint) -> None:
    """Makes errors with status 400 and 401 plain JSON. Others have the format of the service."""
    blueprint.register_error_handler(OAuthError, _oauth_error)
    blueprint.register_error_handler(InvalidGrant, _refused)
    blueprint.register_error_handler(InvalidScope, _refused)
    blueprint.register_error_handler(BodyIncomplete, _incomplete)
    blueprint.register_error_handler(Unauthenticated, _unauthenticated)


def json_response(
    document: Mapping[str, object], status: int = 200, headers: Mapping[str, str] = NO_STORE
) -> Response:
    """Returns a response with a JSON document."""
    body = orjson.dumps(document)
    return Response(body, status, headers=dict(headers), content_type=JSON)


def _oauth_error(error: OAuthError) -> Response:
    return _respond(400, error.code, error.description)


def _refused(error: InvalidGrant | InvalidScope) -> Response:
    return _respond(400, error.code, error.detail)


def _incomplete(_: BodyIncomplete) -> Response:
    return _respond(400, INVALID_REQUEST, "The body is incomplete.")


def _unauthenticated(error: Unauthenticated) -> Response:
    if isinstance(error, InvalidToken):
        current_request().log_fields = refusal_fields(error)
    response = _respond(401, error.code, error.detail)
    response.headers["WWW-Authenticate"] = challenge(error)
    return response


def _respond(status: int, code: str, description: str) -> Response:
    return json_response({"error": code, "error_description": description}, status)
