"""Accounts over HTTP outside of the API: OAuth endpoints, public keys, and the page for links."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from flask import Blueprint

from adapters.oauth.account_page import account_page
from adapters.oauth.forms import form_reader
from adapters.oauth.metadata import metadata
from adapters.oauth.tokens import token_endpoints
from adapters.web.bearer import bearer
from adapters.web.rate_limit import RateLimiter
from adapters.web.request_body import RequestLimits
from application.access import Principal, SessionClaims
from application.accounts.sessions import SessionCommands, SessionQueries


def oauth(
    commands: SessionCommands,
    queries: SessionQueries,
    verify: Callable[[str], Principal],
    session_of: Callable[[str], SessionClaims | None],
    key_set: Callable[[], Mapping[str, Any]],
    *,
    scopes: Collection[str],
    public_url: str,
    limit: RateLimiter | None,
    limits: RequestLimits,
) -> list[Blueprint]:
    """Creates the blueprints.

    - `verify` returns the principal of an access token, or raises InvalidToken.
    - `session_of` returns the session of an access token, even of one that is no longer accepted.
    - `key_set` returns the JSON Web Key Set of the public keys.
    - `scopes` are all scopes that users can have.
    - `public_url` is the start of the URLs in the metadata, and the issuer of access tokens.
    - `limit` is the rate limit of the service, and `limits` are those of each request.
    """
    read_form = form_reader(limits)
    return [
        token_endpoints(commands, queries, verify, session_of, bearer(verify), read_form, limit),
        metadata(key_set, scopes, public_url),
        account_page(),
    ]
