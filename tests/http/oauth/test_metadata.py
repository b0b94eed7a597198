"""The public keys, and the metadata of the authorization server (RFC 8414)."""

from oauth.conftest import PUBLIC_KEYS, Build

KEYS = "/.well-known/jwks.json"
METADATA = "/.well-known/oauth-authorization-server"


def test_publishes_the_current_keys(build: Build) -> None:
    documents = [PUBLIC_KEYS, {"keys": []}]
    client = build(key_set=lambda: documents.pop(0)).test_client()
    for document in (PUBLIC_KEYS, {"keys": []}):
        response = client.get(KEYS)
        assert response.get_json() == document
        assert response.mimetype == "application/json"
        assert response.headers["Cache-Control"] == "max-age=300"


def test_the_metadata_have_absolute_urls(build: Build) -> None:
    response = build(public_url="https://id.example.org/roster").test_client().get(METADATA)
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


def test_without_a_public_url_there_are_no_metadata(build: Build) -> None:
    assert build().test_client().get(METADATA).status_code == 404
    assert build().test_client().get(KEYS).status_code == 200
