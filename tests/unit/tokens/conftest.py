"""An issuer of tokens: its keys, and an https server that publishes them."""

import json
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from time import time
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm


class SigningKey:
    """A key of an issuer."""

    def __init__(self, algorithm: str, kid: str | None = None, *, size: int = 2048) -> None:
        self.algorithm = algorithm
        self.kid = kid
        writer: Any
        if algorithm.startswith("RS"):
            self.private: Any = rsa.generate_private_key(65537, size)
            writer = RSAAlgorithm
        elif algorithm == "ES256":
            self.private = ec.generate_private_key(ec.SECP256R1())
            writer = ECAlgorithm
        else:
            self.private = ed25519.Ed25519PrivateKey.generate()
            writer = OKPAlgorithm
        named = {"kid": kid} if kid else {}
        self.jwk: dict[str, Any] = {**writer.to_jwk(self.private.public_key(), True), **named}
        self.private_jwk = {**writer.to_jwk(self.private, True), **named}
        for written in (self.jwk, self.private_jwk):
            written.pop("key_ops", None)

    def sign(self, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token that is valid for a minute, unless `claims` has another `exp`."""
        payload = {"exp": int(time()) + 60, "scope": "users:read", "sub": "ann", **claims}
        payload = {name: value for name, value in payload.items() if value is not None}
        named = {"kid": self.kid} if self.kid else {}
        return jwt.encode(payload, self.private, self.algorithm, {**named, **(header or {})})


def key_set(*keys: SigningKey | dict[str, Any]) -> bytes:
    """The JSON Web Key Set of the keys."""
    return json.dumps({"keys": [k.jwk if isinstance(k, SigningKey) else k for k in keys]}).encode()


class Issuer(ThreadingHTTPServer):
    """Publishes `body` over https, and counts the requests."""

    daemon_threads = True

    def __init__(self, certificate: Path) -> None:
        super().__init__(("127.0.0.1", 0), KeySetHandler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server_address[1]}/keys"
        self.body = b""
        self.status = 200
        self.headers: dict[str, str] = {}
        self.requests = 0
        self.received: list[dict[str, str]] = []

    def handle_error(self, *_: Any) -> None:
        """Ignores clients that close the connection."""


class KeySetHandler(BaseHTTPRequestHandler):
    server: Issuer

    def do_GET(self) -> None:
        self.server.requests += 1
        self.server.received.append({name.lower(): value for name, value in self.headers.items()})
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: Any) -> None:
        """Writes nothing to the terminal."""


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of 127.0.0.1, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = tmp_path_factory.mktemp("issuer") / "certificate.pem"
    file.write_bytes(certificate.public_bytes(pem) + key.private_bytes(pem, *plain))
    return file


@pytest.fixture
def untrusted_issuer(certificate: Path) -> Iterator[Issuer]:
    with Issuer(certificate) as issuer:
        thread = Thread(target=issuer.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield issuer
        issuer.shutdown()
        thread.join()


@pytest.fixture
def issuer(untrusted_issuer: Issuer, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Issuer:
    """An issuer whose certificate is trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    return untrusted_issuer


@pytest.fixture(scope="session")
def signing_key() -> Callable[..., SigningKey]:
    return SigningKey


@pytest.fixture(scope="session")
def key_set_of() -> Callable[..., bytes]:
    return key_set


@pytest.fixture(scope="session")
def rs256() -> SigningKey:
    return SigningKey("RS256", "rsa")


@pytest.fixture(scope="session")
def es256() -> SigningKey:
    return SigningKey("ES256", "ec")


@pytest.fixture(scope="session")
def eddsa() -> SigningKey:
    return SigningKey("EdDSA", "ed")


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()
