"""The SMTP client, with a mail server that accepts emails."""

import email
import ssl
from asyncio import Server as AsyncioServer
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword
from aiosmtpd.smtp import Session as SmtpSession

from adapters.mail.smtp import SmtpMailer, SmtpServer, parse_smtp_url
from application.ports import MailFailed

from .conftest import compose, outgoing

PASSWORD = "p@ss/wörd%"
QUOTED = "p%40ss%2Fw%C3%B6rd%25"


class Inbox:
    """Stores the emails that a server accepts."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.sessions: list[SmtpSession] = []
        self.replies: dict[str, str] = {}

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self, server: Any, session: SmtpSession, envelope: Envelope, address: str, options: Any
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self.replies.get("RCPT", "250 OK")

    async def handle_DATA(  # noqa: N802 (aiosmtpd's name)
        self, server: Any, session: SmtpSession, envelope: Envelope
    ) -> str:
        self.envelopes.append(envelope)
        self.sessions.append(session)
        return self.replies.get("DATA", "250 OK")

    def message(self) -> EmailMessage:
        (envelope,) = self.envelopes
        content = envelope.content
        assert isinstance(content, bytes)
        message = email.message_from_bytes(content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        return message


Serve = Callable[..., SmtpServer]


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def serve(inbox: Inbox) -> Iterator[Serve]:
    """Starts a mail server on loopback."""

    class FreePort(Controller):
        """A server on a port that the system chooses."""

        def _trigger_server(self) -> None:
            assert isinstance(self.server, AsyncioServer)
            self.port = self.server.sockets[0].getsockname()[1]
            super()._trigger_server()

    with ExitStack() as stack:

        def start(
            *,
            url: str = "smtp://",
            starttls: ssl.SSLContext | None = None,
            tls: ssl.SSLContext | None = None,
            **options: Any,
        ) -> SmtpServer:
            controller = FreePort(
                inbox,
                hostname="127.0.0.1",
                port=0,
                ssl_context=tls,
                tls_context=starttls,
                **options,
            )
            controller.start()
            stack.callback(controller.stop)
            return parse_smtp_url(f"{url}127.0.0.1:{controller.port}")

        yield start


def authenticator(*arguments: Any) -> AuthResult:
    credentials = arguments[-1]
    assert isinstance(credentials, LoginPassword)
    known = credentials == LoginPassword(b"roster", PASSWORD.encode())
    return AuthResult(success=known, handled=known)


def send(server: SmtpServer, address: str = "ann@example.org") -> None:
    SmtpMailer(compose(), server, seconds=20).send(outgoing(address=address))


def failure(server: SmtpServer, address: str = "ann@example.org") -> MailFailed:
    with pytest.raises(MailFailed) as caught:
        send(server, address)
    return caught.value


def test_sends_an_email(serve: Serve, inbox: Inbox) -> None:
    send(serve())
    assert inbox.envelopes[0].mail_from == "roster@example.com"
    assert inbox.envelopes[0].rcpt_tos == ["ann@example.org"]
    assert inbox.message()["to"] == "ann@example.org"
    assert inbox.message()["from"] == "Roster <roster@example.com>"
    text = inbox.message().get_body(("plain",))
    assert text
    assert "rlt_" in text.get_content()


@pytest.mark.parametrize("command", ["RCPT", "DATA"])
@pytest.mark.parametrize("reply", ["451 4.7.1 ann@example.org is greylisted", "550 5.1.1 ann?"])
def test_a_rejection_is_certain_and_has_no_text_of_the_server(
    serve: Serve, inbox: Inbox, command: str, reply: str
) -> None:
    inbox.replies[command] = reply
    error = failure(serve())
    assert error.is_certain
    assert reply[:3] in str(error)
    assert reply[4:9] in str(error)
    assert "ann" not in str(error)


def test_tls_is_used_if_it_is_offered(
    serve: Serve,
    inbox: Inbox,
    server_tls: ssl.SSLContext,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    send(serve(starttls=server_tls))
    assert inbox.sessions[0].ssl is not None


def test_smtps_starts_with_tls(
    serve: Serve,
    inbox: Inbox,
    server_tls: ssl.SSLContext,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    send(serve(url="smtps://", tls=server_tls))
    assert len(inbox.envelopes) == 1


@pytest.mark.parametrize("url", ["smtp://", "smtps://"])
def test_a_certificate_that_is_not_trusted_is_rejected(
    serve: Serve, inbox: Inbox, server_tls: ssl.SSLContext, url: str
) -> None:
    which = {"starttls": server_tls} if url == "smtp://" else {"tls": server_tls}
    error = failure(serve(url=url, **which))
    assert "certificate" in str(error)
    assert error.is_certain
    assert not inbox.envelopes


def test_a_certificate_of_another_host_is_rejected(
    serve: Serve,
    inbox: Inbox,
    server_tls: ssl.SSLContext,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = serve(starttls=server_tls)
    named = parse_smtp_url(f"smtp://localhost:{server.port}")
    assert "certificate" in str(failure(named))
    assert not inbox.envelopes


def test_logs_in(
    serve: Serve,
    inbox: Inbox,
    server_tls: ssl.SSLContext,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    for excluded in (["LOGIN"], ["PLAIN"]):
        send(
            serve(
                url=f"smtp://roster:{QUOTED}@",
                starttls=server_tls,
                authenticator=authenticator,
                auth_required=True,
                auth_exclude_mechanism=excluded,
            )
        )
    assert len(inbox.envelopes) == 2


def test_a_wrong_password_is_not_in_the_error(serve: Serve, inbox: Inbox) -> None:
    error = failure(
        serve(
            url="smtp://roster:wrong@",
            authenticator=authenticator,
            auth_require_tls=False,
        )
    )
    assert str(error) == "the server refused AUTH: 535 (5.7.8)"
    assert not inbox.envelopes


def test_a_server_without_authentication_gets_no_password(serve: Serve) -> None:
    error = failure(serve(url="smtp://roster:secret@"))
    assert str(error) == "the server offers neither AUTH PLAIN nor AUTH LOGIN"


@pytest.mark.parametrize(
    ("address", "recipient"),
    [
        ("jörg@example.org", "jörg@example.org"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("jörg@bücher.example", "jörg@xn--bcher-kva.example"),
    ],
)
def test_sends_to_internationalized_addresses(
    serve: Serve, inbox: Inbox, address: str, recipient: str
) -> None:
    send(serve(enable_SMTPUTF8=True), address)
    assert inbox.envelopes[0].rcpt_tos == [recipient]
    assert inbox.message()["to"] == recipient


def test_a_server_without_smtputf8_accepts_only_ascii(serve: Serve, inbox: Inbox) -> None:
    server = serve(enable_SMTPUTF8=False)
    send(server, "ann@bücher.example")
    error = failure(server, "jörg@example.org")
    assert str(error) == "the server does not accept internationalized addresses"
    assert error.is_certain
    assert len(inbox.envelopes) == 1


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail.example.org",
        "http://mail.example.org",
        "smtp://",
        "smtp://roster@mail.example.org",
        "smtp://mail.example.org:0",
        "smtp://mail.example.org:x",
        "smtp://[::1",
        "smtp://mail.example.org/inbox",
        "smtp://roster:secret/word@mail.example.org",
        "smtp://roster:secret@mail.example.org?tls=no",
    ],
)
def test_invalid_urls_are_rejected_without_the_password(url: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_smtp_url(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("password", ["secret/word", "secret#word", "secret?word", "[secret"])
def test_a_url_that_a_special_character_breaks_gets_the_remedy(password: str) -> None:
    with pytest.raises(ValueError, match="percent-encode special characters"):
        parse_smtp_url(f"smtp://roster:{password}@mail.example.org")
    server = parse_smtp_url(f"smtp://roster:{quote(password, safe='')}@mail.example.org")
    assert (server.host, server.password) == ("mail.example.org", password)


def test_each_scheme_has_a_default_port() -> None:
    assert parse_smtp_url("smtp://mail.example.org").port == 587
    server = parse_smtp_url("smtps://a:secret@[2001:db8::1]")
    assert (server.host, server.port) == ("2001:db8::1", 465)
    assert "secret" not in repr(server)
