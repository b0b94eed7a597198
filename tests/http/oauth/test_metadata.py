"""The public keys, and the metadata of the authorization server (RFC 8414)."""

from typing import Any

from api_client import ApiClient
from oauth.conftest import PUBLIC_KEYS, Build

KEYS = "/.well-known/jwks.json"
METADATA = "/.well-known/oauth-authorization-server"


def test_publishes_the_current_keys(build: Build) -> None:
    published: tuple[Any, ...] = (PUBLIC_KEYS, {"keys": []})
    documents = list(published)
    client = ApiClient(build(key_set=lambda: documents.pop(0)))
    for document in published:
        response = client.get(KEYS)
        assert response.get_json() == document
        assert response.mimetype == "application/json"
        assert response.headers["Cache-Control"] == "max-age=300"


def test_the_metadata_has_absolute_urls(build: Build) -> None:
    response = ApiClient(build(public_url="https://id.example.org/roster")).get(METADATA)
    base = "https://id.example.org/roster"
    assert response.get_json() == {
        "issuer": base,
        "token_endpoint": f"{base}/oauth/token",
        "revocation_endpoint": f"{base}/oauth/revoke",
        "introspection_endpoint": f"{base}/oauth/introspect",
        "jwks_uri": f"{base}/.well-known/jwks.json",
        "grant_types_supported": ["refresh_token"],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "scopes_supported": ["me", "users:read"],
    }


def test_without_a_public_url_there_is_no_metadata(build: Build) -> None:
    response = ApiClient(build()).get(METADATA)
    assert response.status_code == 404
    assert METADATA not in response.text
    assert ApiClient(build()).get(KEYS).status_code == 200
