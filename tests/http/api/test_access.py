"""Who is let in, and what the others are told."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator

from adapters.memory.store import MemoryStore
from adapters.web.bearer import bearer
from application.access import InvalidToken, MissingToken, Principal
from application.ports import Context, Unavailable

USERS = "/api/v1/users"
ANN = {"data": {"type": "users", "attributes": {"email": "ann@example.org", "name": "Ann"}}}
PLAIN = 'Bearer realm="roster"'
INVALID = f'{PLAIN}, error="invalid_token"'
TOKENS = {
    "reader": {"users:read"},
    "writer": {"users:write"},
    "both": {"users:read", "users:write"},
    "near": {"users:reads", "users", "users:", "USERS:READ", "users:read,users:write", "read"},
    "nothing": set(),
}


def principal(token: str) -> Principal:
    """Whom a token of these tests speaks for: it is its own subject."""
    if token == "unchecked":
        raise Unavailable
    if token not in TOKENS:
        raise InvalidToken
    return Principal("secret", None, token, frozenset(TOKENS[token]))


@pytest.fixture(scope="session")
def secured(build: Callable[..., Flask]) -> Flask:
    return build(authenticate=bearer(principal))


@pytest.fixture
def guarded(secured: Flask) -> FlaskClient:
    return secured.test_client()


def by(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def refusal(response: Any) -> tuple[int, str, str]:
    """Status, code and challenge, of an error that points to the header."""
    (error,) = response.json["errors"]
    assert error["source"] == {"header": "Authorization"}
    return response.status_code, error["code"], response.headers["WWW-Authenticate"]


@pytest.mark.parametrize("path", ["", "/", ".json", "/users", "/users.json", "/users/1"])
def test_every_url_under_the_prefix_wants_a_token(guarded: FlaskClient, path: str) -> None:
    response = guarded.get(f"/api/v1{path}")
    assert refusal(response) == (401, "missing_token", PLAIN)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PATCH", "DELETE"])
def test_every_method_wants_a_token(guarded: FlaskClient, method: str) -> None:
    path = USERS if method == "POST" else f"{USERS}/1"
    response = guarded.open(path, method=method)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == PLAIN


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json"])
def test_what_is_outside_the_prefix_is_open(guarded: FlaskClient, path: str) -> None:
    assert guarded.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/api/v1", USERS, f"{USERS}/1"])
def test_options_needs_no_token(guarded: FlaskClient, path: str) -> None:
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
def test_urls_and_methods_are_looked_at_before_tokens(
    guarded: FlaskClient, method: str, path: str, status: int
) -> None:
    assert guarded.open(path, method=method, headers=by("none of ours")).status_code == status


@pytest.mark.parametrize("token", [None, "none of ours", "nothing"])
def test_tokens_are_looked_at_before_all_the_rest(guarded: FlaskClient, token: str | None) -> None:
    response = guarded.post(
        f"{USERS}?x=1",
        data=b"{" * (2**20 + 1),
        content_type="text/plain",
        headers={"Accept": "text/html", **(by(token) if token else {})},
    )
    assert response.status_code == (403 if token == "nothing" else 401)
    assert guarded.get(f"{USERS}/1", headers=by(token or "x")).status_code == response.status_code


@pytest.mark.parametrize(
    ("token", "reads", "writes"),
    [("reader", 200, 403), ("writer", 403, 201), ("both", 200, 201), ("near", 403, 403)],
)
def test_scopes_say_what_may_be_done(
    guarded: FlaskClient, token: str, reads: int, writes: int
) -> None:
    assert guarded.get(USERS, headers=by(token)).status_code == reads
    assert guarded.head(USERS, headers=by(token)).status_code == reads
    assert guarded.post(USERS, json=ANN, headers=by(token)).status_code == writes


@pytest.mark.parametrize("token", ["reader", "nothing", "near"])
def test_the_root_wants_any_token(guarded: FlaskClient, token: str) -> None:
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
def test_whoever_lacks_a_scope_is_told_which(
    guarded: FlaskClient, method: str, path: str, scope: str
) -> None:
    response = guarded.open(path, method=method, headers=by("nothing"))
    challenge = f'{PLAIN}, error="insufficient_scope", scope="{scope}"'
    assert refusal(response) == (403, "insufficient_scope", challenge)


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", "Bearer    ", " Bearer "])
def test_the_schemes_letters_do_not_matter(guarded: FlaskClient, scheme: str) -> None:
    headers = {"Authorization": f"{scheme}reader"}
    assert guarded.get(USERS, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "sent",
    ["", "Bearer", "Bearer ", "Basic YW5uOmh1c2g=", "reader", "Bearer:reader", "Bearerreader"],
)
def test_what_is_no_bearers_token_is_none(guarded: FlaskClient, sent: str) -> None:
    response = guarded.get(USERS, headers={"Authorization": sent})
    assert refusal(response) == (401, "missing_token", PLAIN)


@pytest.mark.parametrize(
    "sent", ["Bearer x", "Bearer reader,reader", "Bearer reader, Bearer reader", "Bearer a b"]
)
def test_a_token_that_is_not_valid_is_refused(guarded: FlaskClient, sent: str) -> None:
    response = guarded.get(USERS, headers={"Authorization": sent})
    assert refusal(response) == (401, "invalid_token", INVALID)


def test_two_headers_are_one_too_many(guarded: FlaskClient) -> None:
    sent = [("Authorization", "Bearer reader"), ("Authorization", "Bearer reader")]
    assert refusal(guarded.get(USERS, headers=sent)) == (401, "invalid_token", INVALID)


def test_a_token_anywhere_else_is_not_seen(guarded: FlaskClient) -> None:
    guarded.set_cookie("access_token", "reader")
    for path in (f"{USERS}?access_token=reader", USERS):
        assert guarded.get(path, headers={"X-Authorization": "Bearer reader"}).status_code == 401
    body = {"access_token": "both"}
    assert guarded.post(USERS, data=body).status_code == 401


def test_while_tokens_can_not_be_checked_nobody_is_refused_for_good(guarded: FlaskClient) -> None:
    response = guarded.get(USERS, headers=by("unchecked"))
    assert response.status_code == 503
    assert response.headers["Retry-After"]


def test_whoever_asks_is_the_actor(build: Callable[..., Flask], store: MemoryStore) -> None:
    contexts: list[Context] = []

    def begin(context: Context, *, for_update: bool = False) -> Any:
        contexts.append(context)
        return store.begin(context, for_update=for_update)

    client = build(begin=begin, authenticate=bearer(principal)).test_client()
    assert client.post(USERS, json=ANN, headers=by("both")).status_code == 201
    assert [context.actor[0] for context in contexts] == ["both"]


def test_another_way_in_is_one_adapter_more(
    build: Callable[..., Flask], store: MemoryStore
) -> None:
    """A gateway that has looked at certificates says who it is."""
    contexts: list[Context] = []

    def begin(context: Context, *, for_update: bool = False) -> Any:
        contexts.append(context)
        return store.begin(context, for_update=for_update)

    def by_gateway(environ: Any) -> Principal:
        if "HTTP_X_CLIENT" not in environ:
            raise MissingToken
        return Principal("secret", None, environ["HTTP_X_CLIENT"], frozenset(("users:write",)))

    client = build(begin=begin, authenticate=by_gateway).test_client()
    assert client.post(USERS, json=ANN, headers={"X-Client": "ann"}).status_code == 201
    assert [context.actor[0] for context in contexts] == ["ann"]
    assert client.get(USERS, headers={"X-Client": "ann"}).status_code == 403
    assert client.post(USERS, json=ANN, headers=by("both")).status_code == 401


def test_nothing_of_a_token_is_logged(guarded: FlaskClient, log: list[Any]) -> None:
    for token in ("reader", "a-secret-of-somebodys"):
        guarded.get(USERS, headers=by(token))
    assert len(log) == 2
    assert "reader" not in str(log)
    assert "secret" not in str(log)


def test_the_description_tells_who_is_let_in(guarded: FlaskClient, client: FlaskClient) -> None:
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
