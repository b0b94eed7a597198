"""The endpoints for tokens: refresh, revocation and introspection."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from flask import Blueprint, Response

from adapters.accounts.access import client
from adapters.accounts.documents import tokens_meta
from adapters.oauth.errors import (
    INVALID_REQUEST,
    OAuthError,
    json_response,
    register_error_handlers,
)
from adapters.oauth.forms import ReadForm, required
from adapters.tokens.random_tokens import REFRESH_PREFIX
from adapters.web.bearer import Authenticate
from adapters.web.identity import count, identify, request_context
from adapters.web.rate_limit import RateLimiter
from adapters.web.security_headers import NO_STORE
from application.access import Action, InvalidToken, Principal, SessionClaims, required_scopes
from application.accounts.errors import SessionNotFound
from application.accounts.sessions import SessionCommands, SessionQueries
from application.accounts.users import context_of
from application.users import USER_TYPE

TOKEN: Final = "/oauth/token"
REVOKE: Final = "/oauth/revoke"
INTROSPECT: Final = "/oauth/introspect"
REFRESH_TOKEN: Final = "refresh_token"
_NEVER_STORED: Final = {**NO_STORE, "Pragma": "no-cache"}
"""The headers of a response with tokens (RFC 6749, section 5.1)."""


def token_endpoints(
    commands: SessionCommands,
    queries: SessionQueries,
    verify: Callable[[str], Principal],
    session_of: Callable[[str], SessionClaims | None],
    authenticate: Authenticate,
    read_form: ReadForm,
    limit: RateLimiter | None,
) -> Blueprint:
    """Creates the blueprint. `verify` returns the principal of an access token.

    `session_of` returns the session of an access token, even of one that is no longer accepted.
    `authenticate` identifies the client of an introspection. `limit` limits the rate of requests.
    """
    blueprint = Blueprint("oauth", __name__)
    register_error_handlers(blueprint)
    introspection_scopes = required_scopes(USER_TYPE.name, Action.READ)

    @blueprint.post(TOKEN)
    def issue_tokens() -> Response:
        count(limit)
        form = read_form()
        grant_type = _value(form, "grant_type")
        if grant_type != REFRESH_TOKEN:
            raise OAuthError("unsupported_grant_type", f"grant_type must be {REFRESH_TOKEN}.")
        refresh_token = _value(form, REFRESH_TOKEN)
        scope = form.get("scope")
        scopes = set(scope.split(" ")) - {""} if scope else None
        issued = commands.refresh(refresh_token, client(), request_context(), scopes=scopes)
        return json_response(tokens_meta(issued), headers=_NEVER_STORED)

    @blueprint.post(REVOKE)
    def revoke_token() -> Response:
        count(limit)
        token = required(read_form(), "token")
        if token.startswith(REFRESH_PREFIX):
            commands.revoke(token, request_context())
        else:
            _end_session(token)
        response = Response(status=200, headers=dict(NO_STORE))
        response.headers.pop("Content-Type")  # there is no body
        return response

    def _end_session(token: str) -> None:
        if session := session_of(token):
            context = context_of(session.user_id, request_context())
            with suppress(SessionNotFound):  # the client cannot do anything (RFC 7009, section 2.2)
                commands.end(session.user_id, session.session_id, context)

    @blueprint.post(INTROSPECT)
    def introspect_token() -> Response:
        principal = identify(authenticate, limit)
        principal.require_scopes(introspection_scopes)
        token = required(read_form(), "token")
        if _is_active(token):
            return json_response({**_claims(token), "active": True})
        return json_response({"active": False})

    def _is_active(token: str) -> bool:
        try:
            session = verify(token).session
        except InvalidToken:
            return False
        return session is not None and queries.is_active(session)

    return blueprint


def _value(form: Mapping[str, str], name: str) -> str:
    """Returns the value of a parameter. An empty one counts as missing (RFC 6749, section 3.2)."""
    if not (value := required(form, name)):
        raise OAuthError(INVALID_REQUEST, f"The parameter {name} is empty.")
    return value


def _claims(token: str) -> dict[str, Any]:
    """Returns the claims of a token that was verified."""
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims
