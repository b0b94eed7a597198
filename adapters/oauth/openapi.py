"""The part of the OpenAPI document that describes the URLs of accounts outside of the API."""

from typing import Any, Final

from adapters.accounts.openapi import TAG, TOKENS_EXAMPLE
from adapters.api.openapi.document import CHALLENGE, Part, error_responses, operation_of
from adapters.api.openapi.json_schema import object_of, reference
from adapters.jsonapi.catalog import Catalog
from adapters.jsonapi.content_negotiation import JSON
from adapters.oauth.account_page import URL as ACCOUNT_PAGE
from adapters.oauth.forms import FORM
from adapters.oauth.metadata import KEYS, METADATA
from adapters.oauth.tokens import INTROSPECT, REFRESH_TOKEN, REVOKE, TOKEN
from application.access import Action, required_scopes
from application.users import USER_TYPE

_TEXT: Final = {"type": "string"}
_ANY: Final = {"type": "object"}
_ACTIVE: Final = object_of(["active"], active={"type": "boolean"})
_ERROR: Final = object_of(
    ["error", "error_description"], error=_TEXT, error_description={"type": "string"}
)
_KEYS: Final = object_of(["keys"], keys={"type": "array", "items": _ANY})
_METADATA: Final = object_of(["issuer", "token_endpoint"], issuer=_TEXT, token_endpoint=_TEXT)
_PAGE: Final = {
    "description": "The page of emailed links.",
    "content": {"text/html": {"schema": _TEXT}},
}


def oauth_description(_: Catalog) -> Part:
    """Returns the description."""
    return Part(_paths(), {"OAuthError": _ERROR}, {})


def _paths() -> dict[str, Any]:
    grant = object_of(
        ["grant_type", REFRESH_TOKEN],
        grant_type={"type": "string", "const": REFRESH_TOKEN},
        refresh_token={"type": "string", "minLength": 1},
        scope={"type": "string", "description": "A part of the scopes, separated by spaces."},
    )
    token = object_of(["token"], token=_TEXT)
    scopes = [*required_scopes(USER_TYPE.name, Action.READ)]
    return {
        TOKEN: {
            "post": {
                **operation_of("refresh_tokens", "Exchange a refresh token for new tokens", TAG),
                **_form(grant, {"grant_type": REFRESH_TOKEN, REFRESH_TOKEN: "rrt_AAAA"}),
                "responses": {
                    "200": _json("The tokens.", reference("Tokens"), TOKENS_EXAMPLE),
                    **_errors(),
                },
            }
        },
        REVOKE: {
            "post": {
                **operation_of("revoke_token", "End the session of a token", TAG),
                **_form(token, {"token": "rrt_AAAA"}),
                "responses": {"200": {"description": "Done, for any token."}, **_errors()},
            }
        },
        INTROSPECT: {
            "post": {
                **operation_of("introspect_token", "Read the claims of an access token", TAG),
                **_form(token, {"token": "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"}),
                "security": [{"bearer": scopes}],
                "responses": {
                    "200": _json("The claims, if the token is active.", _ACTIVE, {"active": False}),
                    "401": {
                        **_oauth_error("The request has no valid bearer token.", "invalid_token"),
                        "headers": CHALLENGE,
                    },
                    **_errors(403),
                },
            }
        },
        KEYS: {
            "get": {
                **operation_of("show_keys", "Read the public keys of access tokens", TAG),
                "responses": {"200": _json("The keys.", _KEYS, {"keys": []})},
            }
        },
        METADATA: {
            "get": {
                **operation_of(
                    "show_metadata", "Read the metadata of the authorization server (RFC 8414)", TAG
                ),
                "responses": {
                    "200": _json(
                        "The metadata, if the service has a public URL.",
                        _METADATA,
                        {
                            "issuer": "https://roster.example.org",
                            "token_endpoint": f"https://roster.example.org{TOKEN}",
                        },
                    ),
                    **error_responses(404),
                },
            }
        },
        ACCOUNT_PAGE: {
            "get": {
                **operation_of("show_account_page", "Use an emailed link in a browser", TAG),
                "responses": {"200": _PAGE},
            }
        },
    }


def _form(schema: dict[str, Any], example: dict[str, str]) -> dict[str, Any]:
    unknown_once = {"additionalProperties": _TEXT}
    content = {FORM: {"schema": {**schema, **unknown_once}, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


def _json(text: str, schema: dict[str, Any], example: Any) -> dict[str, Any]:
    return {"description": text, "content": {JSON: {"schema": schema, "example": example}}}


def _oauth_error(text: str, code: str) -> dict[str, Any]:
    return _json(text, reference("OAuthError"), {"error": code, "error_description": text})


def _errors(*statuses: int) -> dict[str, Any]:
    return {
        "400": _oauth_error("The form or the token in it is not valid.", "invalid_request"),
        **error_responses(*statuses, 408, 413, 429, 503),
    }
