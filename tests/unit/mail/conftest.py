"""Composers of emails, and the certificates of a mail server."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from adapters.mail.links import account_links
from adapters.mail.message import Composer, parse_sender
from adapters.mail.templates import MailTemplates
from application.ports import OutgoingEmail
from domain.accounts import Template
from domain.users import User

TIME = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
ANN = User(7, "ann@example.org", "Ann", True, "user", TIME, TIME, 1)
TOKEN = "rlt_" + "x" * 43


def outgoing(
    template: Template = Template.RECOVERY, address: str = "ann@example.org", user: User = ANN
) -> OutgoingEmail:
    """An email to a user, or to someone who signs up."""
    return OutgoingEmail(
        template,
        address,
        "20261122.abc",
        None if template is Template.SIGNUP else user,
        TOKEN if template.purpose else None,
    )


def compose(folder: Path | None = None, sender: str = "Roster <roster@example.com>") -> Composer:
    """A composer of emails from the templates of a folder."""
    links = account_links("https://users.example.com")
    return Composer(MailTemplates(folder), links, parse_sender(sender))


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the certificate and the private key of a server on 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A mail server")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("mail") / "server.pem"
    file.write_bytes(
        signed.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return file


@pytest.fixture(scope="session")
def server_tls(certificate: Path) -> ssl.SSLContext:
    """The TLS configuration of a server with the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
