"""Access control: tokens, scopes, and the errors without them."""

from collections.abc import Callable
from typing import Any

import pytest
from api.conftest import CheckedClient
from api.constants import USERS
from api.tokens import key_set_token, secret_token
from api_client import ApiClient
from flask import Flask
from jsonschema import Draft202012Validator

from adapters.api import ApiConfig, api
from adapters.api.collection import ApiResource
from adapters.api.relationships import ApiRelationships
from adapters.api.request import ApiRequest
from adapters.api.root import canonical
from adapters.memory.store import MemoryStore
from adapters.web.app import create_app
from adapters.web.request_body import BodyMemory, RequestLimits
from application.access import MissingToken, Principal
from entrypoints.container import Container
from entrypoints.settings import Settings

ANN = {"data": {"type": "users", "attributes": {"email": "ann@example.org", "name": "Ann"}}}
PLAIN = 'Bearer realm="roster"'
INVALID = f'{PLAIN}, error="invalid_token"'
SIMILAR_SCOPES = ("users:reads", "users", "users:", "USERS:READ", "users:read,users:write", "read")
TOKENS = {
    "reader": secret_token("users:read", subject="reader"),
    "writer": secret_token("users:write", subject="writer"),
    "both": secret_token("users:read", "users:write", subject="both"),
    "similar": secret_token(*SIMILAR_SCOPES, subject="similar"),
    "without scopes": secret_token(subject="nothing"),
    "unverifiable": key_set_token("users:read"),
    "invalid": "x",
}
"""Tokens by their names in these tests. The key set of `unverifiable` is not available."""


@pytest.fixture(scope="session")
def app_with_tokens(build: Callable[..., Flask], secured: dict[str, str]) -> Flask:
    return build({**secured, "ROSTER_JWT_JWKS": "https://127.0.0.1:1/keys"})


@pytest.fixture
def guarded(app_with_tokens: Flask) -> ApiClient:
    return CheckedClient(app_with_tokens)


def by(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[name]}"}


def rejection(response: Any) -> tuple[int, str, str]:
    """The status, code and challenge of an error about the header Authorization."""
    (error,) = response.json["errors"]
    assert error["source"] == {"header": "Authorization"}
    return response.status_code, error["code"], response.headers["WWW-Authenticate"]


@pytest.mark.parametrize("path", ["", "/", ".json", "/users", "/users.json", "/users/1"])
def test_every_url_under_the_prefix_requires_a_token(guarded: ApiClient, path: str) -> None:
    response = guarded.get(f"/api/v1{path}")
    assert rejection(response) == (401, "missing_token", PLAIN)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PATCH", "DELETE"])
def test_every_method_requires_a_token(guarded: ApiClient, method: str) -> None:
    path = USERS if method == "POST" else f"{USERS}/1"
    response = guarded.open(path, method=method)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == PLAIN


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json"])
def test_other_urls_require_no_token(guarded: ApiClient, path: str) -> None:
    assert guarded.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/api/v1", USERS, f"{USERS}/1"])
def test_options_needs_no_token(guarded: ApiClient, path: str) -> None:
    assert guarded.options(path).status_code == 204


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("GET", f"{USERS}/01", 404),
        ("GET", f"{USERS}/99999999999999999999", 404),
        ("PUT", USERS, 405),
        ("POST", "/api/v1", 405),
    ],
)
def test_urls_and_methods_are_checked_before_tokens(
    guarded: ApiClient, method: str, path: str, status: int
) -> None:
    assert guarded.open(path, method=method, headers=by("invalid")).status_code == status


@pytest.mark.parametrize("token", [None, "invalid", "without scopes"])
def test_tokens_are_checked_before_the_rest_of_a_request(
    guarded: ApiClient, token: str | None
) -> None:
    response = guarded.post(
        f"{USERS}?x=1",
        data=b"{" * (2**20 + 1),
        content_type="text/plain",
        headers={"Accept": "text/html", **(by(token) if token else {})},
    )
    assert response.status_code == (403 if token == "without scopes" else 401)
    headers = by(token or "invalid")
    assert guarded.get(f"{USERS}/1", headers=headers).status_code == response.status_code


@pytest.mark.parametrize(
    ("token", "reads", "writes"),
    [("reader", 200, 403), ("writer", 403, 201), ("both", 200, 201), ("similar", 403, 403)],
)
def test_scopes_permit_reads_and_changes(
    guarded: ApiClient, token: str, reads: int, writes: int
) -> None:
    assert guarded.get(USERS, headers=by(token)).status_code == reads
    assert guarded.head(USERS, headers=by(token)).status_code == reads
    assert guarded.post(USERS, json=ANN, headers=by(token)).status_code == writes


@pytest.mark.parametrize("token", ["reader", "without scopes", "similar"])
def test_the_root_accepts_a_token_with_any_scope(guarded: ApiClient, token: str) -> None:
    assert guarded.get("/api/v1", headers=by(token)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", USERS, "users:read"),
        ("GET", f"{USERS}/7.json", "users:read"),
        ("POST", USERS, "users:write"),
        ("POST", "/api/v1/operations", "users:write groups:write"),
        ("PATCH", f"{USERS}/7", "users:read users:write"),
        ("DELETE", f"{USERS}/7", "users:write"),
    ],
)
def test_an_error_names_the_missing_scope(
    guarded: ApiClient, method: str, path: str, scope: str
) -> None:
    response = guarded.open(path, method=method, headers=by("without scopes"))
    challenge = f'{PLAIN}, error="insufficient_scope", scope="{scope}"'
    assert rejection(response) == (403, "insufficient_scope", challenge)


def test_an_error_of_operations_states_that_one_scope_to_write_suffices(
    guarded: ApiClient,
) -> None:
    response = guarded.post("/api/v1/operations", headers=by("reader"))
    (error,) = response.json["errors"]
    assert error["detail"] == "The token lacks the scope users:write or groups:write."


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", "Bearer    ", " Bearer "])
def test_the_scheme_is_case_insensitive(guarded: ApiClient, scheme: str) -> None:
    headers = {"Authorization": f"{scheme}{TOKENS['reader']}"}
    assert guarded.get(USERS, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic YW5uOmh1c2g=",
        "{token}",
        "Bearer:{token}",
        "Bearer{token}",
        "XBearer {token}",
    ],
)
def test_a_header_without_a_bearer_token_counts_as_missing(guarded: ApiClient, sent: str) -> None:
    headers = {"Authorization": sent.format(token=TOKENS["reader"])}
    response = guarded.get(USERS, headers=headers)
    assert rejection(response) == (401, "missing_token", PLAIN)


@pytest.mark.parametrize(
    "sent",
    [
        "Bearer x",
        "Bearer {token},{token}",
        "Bearer {token}, Bearer {token}",
        "Bearer {token} {token}",
    ],
)
def test_an_invalid_token_is_rejected(guarded: ApiClient, sent: str) -> None:
    headers = {"Authorization": sent.format(token=TOKENS["reader"])}
    response = guarded.get(USERS, headers=headers)
    assert rejection(response) == (401, "invalid_token", INVALID)


def test_two_authorization_headers_are_rejected(guarded: ApiClient) -> None:
    headers = [*by("reader").items()] * 2
    assert rejection(guarded.get(USERS, headers=headers)) == (401, "invalid_token", INVALID)


def test_a_token_elsewhere_in_a_request_is_ignored(guarded: ApiClient) -> None:
    token = TOKENS["both"]
    guarded.set_cookie("access_token", token)
    for path in (f"{USERS}?access_token={token}", USERS):
        assert guarded.get(path, headers={"X-Authorization": f"Bearer {token}"}).status_code == 401
    body = {"access_token": token}
    assert guarded.post(USERS, data=body).status_code == 401


def test_a_token_that_cannot_be_verified_now_gets_503(guarded: ApiClient) -> None:
    response = guarded.get(USERS, headers=by("unverifiable"))
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0


def test_the_actor_of_a_change_is_the_subject_of_the_token(
    guarded: ApiClient, store: MemoryStore
) -> None:
    assert guarded.post(USERS, json=ANN, headers=by("both")).status_code == 201
    assert [event.actor for event in store.events.values()] == ["both"]


def test_the_api_accepts_another_kind_of_authentication(store: MemoryStore) -> None:
    """For example, a gateway that checks certificates names the client in a header."""

    def by_gateway(environ: Any) -> Principal:
        if "HTTP_X_CLIENT" not in environ:
            raise MissingToken
        return Principal("secret", None, environ["HTTP_X_CLIENT"], frozenset(("users:write",)))

    container = Container(
        settings=Settings.of({"ROSTER_DATABASE_URL": "memory://"}), memory_store=store
    )
    resources = [
        ApiResource(
            each.resource.type, each.resource.declaration, each.queries, each.history, each.commands
        )
        for each in container.services().values()
    ]
    config = ApiConfig(
        public_url="",
        limits=RequestLimits(
            body_bytes=1000, body_seconds=5, seconds=8, parameters=10, memory=BodyMemory(10_000)
        ),
    )
    services = container.relationship_services()
    related = ApiRelationships(services.relationships, services.queries, services.commands)
    inbound = api(resources, related, container.run(), container.cursors(), config, by_gateway)
    client = CheckedClient(
        create_app(
            inbound.blueprints,
            render_error=inbound.render_error,
            canonical=canonical,
            request_seconds=8,
            request_class=ApiRequest,
        )
    )
    assert client.post(USERS, json=ANN, headers={"X-Client": "ann"}).status_code == 201
    assert [event.actor for event in store.events.values()] == ["ann"]
    assert client.get(USERS, headers={"X-Client": "ann"}).status_code == 403
    assert client.post(USERS, json=ANN, headers=by("both")).status_code == 401


def test_tokens_are_not_logged(guarded: ApiClient, log: list[Any]) -> None:
    guarded.get(USERS, headers=by("reader"))
    guarded.get(USERS, headers={"Authorization": "Bearer a-secret-token"})
    assert [entry["status"] for entry in log] == [200, 401]
    assert TOKENS["reader"] not in str(log)
    assert "secret" not in str(log)


def test_the_description_lists_the_required_scopes(guarded: ApiClient, client: ApiClient) -> None:
    described: Any = guarded.get("/openapi.json").json
    scheme = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    assert described["components"]["securitySchemes"] == {"bearer": scheme}
    for path, item in described["paths"].items():
        for method in {"get", "post", "patch", "delete"} & item.keys():
            assert ("security" in item[method]) is path.startswith("/api/v1"), path
    root = described["paths"]["/api/v1"]["get"]
    assert root["security"] == [{"bearer": []}]
    assert "403" not in root["responses"]
    users = described["paths"][USERS]
    assert users["get"]["security"] == [{"bearer": ["users:read"]}]
    assert users["post"]["security"] == [{"bearer": ["users:write"]}]
    assert {"401", "403"} <= users["get"]["responses"].keys()
    reference = users["get"]["responses"]["401"]["$ref"].rpartition("/")[2]
    response = described["components"]["responses"][reference]
    assert "`missing_token`" in response["description"]
    schema = response["content"]["application/vnd.api+json"]["schema"]
    whole = {**schema, "components": described["components"]}
    Draft202012Validator(whole).validate(guarded.get(USERS).json)
    open_to_all: Any = client.get("/openapi.json").json
    assert "securitySchemes" not in open_to_all["components"]
    assert "401" not in str(open_to_all)


def test_the_description_lists_the_challenge_of_rejected_tokens(
    guarded: ApiClient, client: ApiClient
) -> None:
    components = guarded.get("/openapi.json").json["components"]
    for headers, status in ((by("invalid"), 401), (by("writer"), 403)):
        rejected = guarded.get(USERS, headers=headers)
        assert rejected.status_code == status
        assert "WWW-Authenticate" in rejected.headers
        assert components["responses"][f"Problem{status}"]["headers"].keys() == {"WWW-Authenticate"}
    without_tokens = client.get("/openapi.json").json["components"]["responses"]["Problem403"]
    assert "headers" not in without_tokens
