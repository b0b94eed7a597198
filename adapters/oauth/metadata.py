"""Documents for programs that verify tokens: the public keys, and the metadata (RFC 8414)."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from flask import Blueprint, Response
from werkzeug.exceptions import NotFound

from adapters.oauth.errors import json_response
from adapters.oauth.tokens import INTROSPECT, REFRESH_TOKEN, REVOKE, TOKEN

KEYS: Final = "/.well-known/jwks.json"
METADATA: Final = "/.well-known/oauth-authorization-server"
_CACHED: Final = {"Cache-Control": "max-age=300"}


def metadata(
    key_set: Callable[[], Mapping[str, Any]], scopes: Collection[str], public_url: str
) -> Blueprint:
    """Creates the blueprint.

    `key_set` returns the JSON Web Key Set of the public keys. `scopes` are all that users can have.
    Without `public_url`, the service has no metadata, because it needs absolute URLs.
    """
    blueprint = Blueprint("metadata", __name__)
    document = _document(public_url, scopes) if public_url else None

    @blueprint.get(KEYS)
    def show_keys() -> Response:
        return json_response(key_set(), headers=_CACHED)

    @blueprint.get(METADATA)
    def show_metadata() -> Response:
        if document is None:
            raise NotFound
        return json_response(document, headers=_CACHED)

    return blueprint


def _document(public_url: str, scopes: Collection[str]) -> dict[str, Any]:
    """Returns the metadata. Its issuer is the `iss` of access tokens."""
    base = public_url.rstrip("/")
    return {
        "issuer": public_url,
        "token_endpoint": f"{base}{TOKEN}",
        "revocation_endpoint": f"{base}{REVOKE}",
        "introspection_endpoint": f"{base}{INTROSPECT}",
        "jwks_uri": f"{base}{KEYS}",
        "grant_types_supported": [REFRESH_TOKEN],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "scopes_supported": sorted(scopes),
    }
