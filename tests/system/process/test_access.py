"""Access control of the real server."""

import json
import subprocess
from contextlib import closing, suppress
from pathlib import Path

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from jwt.algorithms import OKPAlgorithm
from process.server import Serve, Server
from roster_process import ROSTER, SECRET, USERS
from waiting import until


@pytest.fixture(scope="module")
def guarded(serve_for_module: Serve) -> Server:
    return serve_for_module(ROSTER_JWT_SECRET=SECRET)


@pytest.fixture(scope="module")
def token() -> str:
    """A token that `roster token` printed."""
    command = [ROSTER, "token", "--scope", "users:read"]
    environment = {"ROSTER_JWT_SECRET": SECRET}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_printed_token_permits_its_scope_and_is_not_logged(guarded: Server, token: str) -> None:
    assert guarded.get(USERS).status_code == 401
    assert guarded.get(USERS, headers=bearer(token)).status_code == 200
    refused = guarded.post(guarded.user(), headers=bearer(token))
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (403, "insufficient_scope")
    assert token not in guarded.log()
    assert SECRET not in guarded.log()


def test_two_authorization_headers_are_rejected(guarded: Server, token: str) -> None:
    response = guarded.get(USERS, headers=[*bearer(token).items()] * 2)
    assert (response.status_code, response.json()["errors"][0]["code"]) == (401, "invalid_token")


@pytest.mark.parametrize("length", [10, 4 * 1024 * 1024])
def test_a_body_without_a_token_is_401_even_before_it_is_sent(guarded: Server, length: int) -> None:
    assert guarded.post(b" " * length).status_code == 401
    with closing(guarded.connect(guarded.post_headers(f"Content-Length: {length}"))) as waiting:
        assert waiting.recv(65536).startswith(b"HTTP/1.1 401 ")


def test_the_log_has_the_reason_for_a_rejected_token_and_no_text_of_the_client(
    serve: Serve,
) -> None:
    accepted = {"ROSTER_JWT_ISSUER": "https://i.example", "ROSTER_JWT_AUDIENCE": "*"}
    server = serve(ROSTER_JWT_SECRET=SECRET, **accepted)
    claims = {"exp": 2**40, "scope": "users:read", "iss": "https://j.example"}
    unsigned = jwt.encode({**claims, "iss": "Bob.Unsigned"}, "x" * 32, headers={"kid": "Bob.Kid"})
    for token in (jwt.encode(claims, SECRET), unsigned, "Bob.Secretive", "Bob.Secretive.Token"):
        assert server.get(USERS, headers=bearer(token)).status_code == 401
        assert token not in server.log()
    first, *others = [line for line in server.logged("request") if line["status"] == 401]
    assert first["token_refused"] == "The token's issuer (`iss`) is not accepted."
    assert first["token_issuer"] == "https://j.example"
    assert [line["token_refused"] for line in others] == [
        "The token's signature does not match.",
        "The token is not a signed JWT in compact form.",
        "The token's header is not valid.",
    ]
    assert "Bob" not in server.log()


def test_a_guarded_server_may_listen_on_all_addresses(serve: Serve) -> None:
    server = serve("--host", "0.0.0.0", ROSTER_JWT_SECRET=SECRET)
    assert server.get("/api/v1").status_code == 401


@pytest.mark.parametrize("content", [None, "<title>Maintenance</title>", '{"keys": []}'])
def test_a_worker_that_starts_without_a_key_set_loads_it_later(
    serve: Serve, tmp_path: Path, content: str | None
) -> None:
    private = ed25519.Ed25519PrivateKey.generate()
    keys = json.dumps({"keys": [OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)]})
    file = tmp_path / "keys.json"
    file.write_text(keys)
    signed = jwt.encode({"exp": 2**40, "scope": "users:read"}, private, "EdDSA")
    server = serve(ROSTER_JWT_JWKS=str(file), ROSTER_JWT_ISSUER="*", ROSTER_JWT_AUDIENCE="*")

    def status() -> int | None:
        with suppress(httpx.TransportError):
            return int(server.get(USERS, headers=bearer(signed)).status_code)
        return None

    assert status() == 200
    if content is None:
        file.unlink()
    else:
        file.write_text(content)
    assert status() == 200
    server.workers()[0].kill()
    until(lambda: status() == 503)
    file.write_text(keys)
    until(lambda: status() == 200)


@pytest.mark.parametrize("content", [None, "{", '{"keys": []}'])
def test_a_worker_that_starts_without_signing_keys_loads_them_later(
    serve: Serve, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "keys.json"
    environment = {"ROSTER_ACCOUNTS": "on", "ROSTER_SIGNING_KEYS": str(file)}

    def run(*command: str) -> str:
        started = [ROSTER, *command]
        done = subprocess.run(started, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    run("keys", "new", str(file))
    signed = run("token", "--scope", "users:read")
    keys = file.read_text()
    server = serve(**environment, ROSTER_MAIL_FOLDER=str(tmp_path / "mail"))

    def statuses() -> set[int]:
        with suppress(httpx.TransportError):
            read = server.get(USERS, headers=bearer(signed))
            return {read.status_code, server.get("/.well-known/jwks.json").status_code}
        return set()

    assert statuses() == {200}
    if content is None:
        file.unlink()
    else:
        file.write_text(content)
    assert statuses() == {200}
    server.workers()[0].kill()
    until(lambda: statuses() == {503})
    file.write_text(keys)
    file.chmod(0o600)
    until(lambda: statuses() == {200})
