"""Tokens at the real server."""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from jwt.algorithms import OKPAlgorithm

Serve = Callable[..., Any]
Eventually = Callable[..., None]

SECRET = "hush" * 8


@pytest.fixture
def token() -> str:
    """What `roster token` prints."""
    command = [Path(sys.executable).with_name("roster"), "token", "--scope", "users:read"]
    environment = {"ROSTER_JWT_SECRET": SECRET}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_token_that_roster_prints_lets_in(serve: Serve, token: str) -> None:
    server = serve(ROSTER_JWT_SECRET=SECRET)
    assert server.get("/api/v1/users").status_code == 401
    headers = {"Authorization": f"Bearer {token}"}
    assert server.get("/api/v1/users", headers=headers).status_code == 200
    assert server.post(server.user(), headers=headers).status_code == 403
    assert token not in server.log()
    assert SECRET not in server.log()


def test_two_headers_are_refused_on_the_wire(serve: Serve, token: str) -> None:
    server = serve(ROSTER_JWT_SECRET=SECRET)
    headers = [("Authorization", f"Bearer {token}")] * 2
    assert server.get("/api/v1/users", headers=headers).status_code == 401


@pytest.mark.parametrize("length", [10, 4 * 1024 * 1024])
def test_whoever_sends_a_body_without_a_token_is_told_so(serve: Serve, length: int) -> None:
    server = serve(ROSTER_JWT_SECRET=SECRET)
    assert server.post(b" " * length).status_code == 401
    with closing(server.connect(server.head(f"Content-Length: {length}"))) as waiting:
        assert waiting.recv(65536).startswith(b"HTTP/1.1 401 ")


def test_the_log_says_why_a_token_is_refused_and_shows_nothing_that_the_client_chose(
    serve: Serve,
) -> None:
    accepted = {"ROSTER_JWT_ISSUER": "https://i.example", "ROSTER_JWT_AUDIENCE": "*"}
    server = serve(ROSTER_JWT_SECRET=SECRET, **accepted)
    claims = {"exp": 2**40, "scope": "users:read", "iss": "https://j.example"}
    unsigned = jwt.encode({**claims, "iss": "Bob.Unsigned"}, "x" * 32, headers={"kid": "Bob.Kid"})
    for token in (jwt.encode(claims, SECRET), unsigned, "Bob.Secretive", "Bob.Secretive.Token"):
        headers = {"Authorization": f"Bearer {token}"}
        assert server.get("/api/v1/users", headers=headers).status_code == 401
        assert token not in server.log()
    first, *others = [line for line in server.lines("request") if line["status"] == 401]
    assert first["token_refused"] == "The token's issuer (`iss`) is not accepted."
    assert first["token_issuer"] == "https://j.example"
    assert [line["token_refused"] for line in others] == [
        "The token's signature does not match.",
        "The token is not a signed JWT in compact form.",
        "The token's header is not valid.",
    ]
    assert "Bob" not in server.log()


def test_access_control_lets_it_listen_anywhere(serve: Serve) -> None:
    server = serve("--host", "0.0.0.0", ROSTER_JWT_SECRET=SECRET)
    assert server.get("/api/v1").status_code == 401


def test_a_worker_that_is_replaced_while_keys_are_lacking_gets_them_later(
    serve: Serve, eventually: Eventually, tmp_path: Path
) -> None:
    private = ed25519.Ed25519PrivateKey.generate()
    keys = json.dumps({"keys": [OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)]})
    file = tmp_path / "keys.json"
    file.write_text(keys)
    signed = jwt.encode({"exp": 2**40, "scope": "users:read"}, private, "EdDSA")
    server = serve(ROSTER_JWT_JWKS=str(file), ROSTER_JWT_ISSUER="*", ROSTER_JWT_AUDIENCE="*")

    def status() -> int | None:
        with suppress(httpx.TransportError):
            headers = {"Authorization": f"Bearer {signed}"}
            return int(server.get("/api/v1/users", headers=headers).status_code)
        return None

    assert status() == 200
    file.unlink()
    assert status() == 200
    server.workers()[0].kill()
    eventually(lambda: status() == 503)
    file.write_text(keys)
    eventually(lambda: status() == 200, within=20)
