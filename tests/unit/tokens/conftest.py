"""An issuer of tokens: its keys, and an https server that shows them."""

import json
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from time import monotonic, sleep, time
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID
from hypothesis import settings
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


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
        """A token that is good for a minute, but for what the claims say."""
        told = {"exp": int(time()) + 60, "scope": "users:read", "sub": "ann", **claims}
        told = {name: value for name, value in told.items() if value is not None}
        named = {"kid": self.kid} if self.kid else {}
        return jwt.encode(told, self.private, self.algorithm, {**named, **(header or {})})


def key_set(*keys: SigningKey | dict[str, Any]) -> bytes:
    """The JSON Web Key Set of the keys."""
    return json.dumps({"keys": [k.jwk if isinstance(k, SigningKey) else k for k in keys]}).encode()


class Issuer(ThreadingHTTPServer):
    """Shows `body` over https; counts who asks."""

    daemon_threads = True

    def __init__(self, certificate: Path) -> None:
        super().__init__(("127.0.0.1", 0), Shown)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server_address[1]}/keys"
        self.body = b""
        self.status = 200
        self.headers: dict[str, str] = {}
        self.asked = 0
        self.received: list[dict[str, str]] = []

    def handle_error(self, *_: Any) -> None:
        """A client that goes away is no matter here."""


class Shown(BaseHTTPRequestHandler):
    server: Issuer

    def do_GET(self) -> None:
        self.server.asked += 1
        self.server.received.append({name.lower(): value for name, value in self.headers.items()})
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: Any) -> None:
        """Not on the terminal."""


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1, signed by itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
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
    file.write_bytes(made.public_bytes(pem) + key.private_bytes(pem, *plain))
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
    """Trusted, as an operator would have it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    return untrusted_issuer


@pytest.fixture(scope="session")
def signing_key() -> Callable[..., SigningKey]:
    return SigningKey


@pytest.fixture(scope="session")
def shown() -> Callable[..., bytes]:
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


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], None]:
    """Looks until it is true; fails if it does not become so in time."""

    def until(what: Callable[[], object]) -> None:
        end = monotonic() + 10
        while not what():
            assert monotonic() < end, "it did not come to be in time"
            sleep(0.01)

    return until


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()
