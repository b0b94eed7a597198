"""Sends emails to a mail server with SMTP (RFC 5321, 6409, 8314)."""

import os
import re
import smtplib
import socket
import ssl
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from adapters.deadline_sockets import Deadline, PlainSocket, TlsSocket, connect, wrap
from adapters.mail.message import Composer, mailbox
from application.ports import Mailer, MailFailed, OutgoingEmail

SECONDS: Final = 30.0
"""The time limit of an attempt. It is less than the lease of an email."""
_QUIT_SECONDS: Final = 1.0
_PORTS: Final = {"smtp": 587, "smtps": 465}
_CONTINUE_AUTH: Final = 334
_START_INPUT: Final = 354
_TIMED_OUT: Final = "the server did not respond in time"
_ENHANCED_CODE: Final = re.compile(rb"[245]\.[0-9]{1,3}\.[0-9]{1,3}(?= |\Z)")


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """A mail server. With `implicit_tls`, TLS starts with the connection."""

    host: str
    port: int
    implicit_tls: bool
    user: str | None = None
    password: str = field(default="", repr=False)


def parse_smtp_url(url: str) -> SmtpServer:
    """Returns the server of smtp://USER:PASSWORD@HOST:PORT or smtps://. Raises ValueError.

    The message of the error does not contain the password.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    default = _PORTS.get(parts.scheme)
    has_rest = parts.path not in ("", "/") or parts.query or parts.fragment
    is_text = url.isascii() and url.isprintable()
    if default is None or not host or port == 0 or has_rest or not is_text:
        raise ValueError(
            "must be smtp://USER:PASSWORD@HOST:587 or smtps://USER:PASSWORD@HOST:465; "
            "percent-encode special characters in the user and the password, such as %2F for /"
        )
    if bool(parts.username) != (parts.password is not None):
        raise ValueError("must contain both a user and a password, or neither")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return SmtpServer(host, port or default, parts.scheme == "smtps", user or None, password)


class SmtpMailer(Mailer):
    """Sends each email to the server on a connection of its own.

    The certificate of the server is verified by the system's authorities or those of SSL_CERT_FILE.
    """

    def __init__(self, composer: Composer, server: SmtpServer, *, seconds: float = SECONDS) -> None:
        self._composer = composer
        self._server = server
        self._seconds = seconds
        self._tls = ssl.create_default_context()
        self._tls.sslsocket_class = TlsSocket

    def send(self, email: OutgoingEmail) -> None:
        message = self._composer.compose(email)
        sender = self._composer.sender.addr_spec
        recipient = mailbox(email.address).addr_spec
        utf8 = not (sender.isascii() and recipient.isascii())
        content = bytes(message)
        progress, deadline = _Progress(), Deadline(self._seconds)
        try:
            with _Client(self._server, self._tls, deadline) as client:
                client.prepare()
                client.deliver(sender, recipient, content, utf8=utf8, progress=progress)
        except _Refused as error:
            raise MailFailed(error.reason, is_certain=True) from None
        except (OSError, smtplib.SMTPException, ValueError) as error:
            reason = _TIMED_OUT if deadline.is_over else _reason(error)
            raise MailFailed(reason, is_certain=not progress.content_sent) from None


@dataclass(slots=True)
class _Progress:
    """How far an attempt has come. `content_sent`: the server may have the whole email."""

    content_sent: bool = False


class _Refused(Exception):
    """The server refused a command, or the connection does not meet the requirements."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Client(smtplib.SMTP):
    """A connection to a server, with one deadline."""

    def __init__(self, server: SmtpServer, tls: ssl.SSLContext, deadline: Deadline) -> None:
        self._server = server
        self._tls = tls
        self._deadline = deadline
        # An explicit name, because the default queries DNS without a time limit.
        super().__init__(local_hostname="localhost")
        try:
            self._check(self.connect(server.host, server.port), "the connection")
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()

    def _get_socket(self, host: str, port: int, timeout: Any) -> socket.socket:  # noqa: ARG002
        connection = connect(host, port, self._deadline)
        try:
            # The address is a name that every server accepts (RFC 5321, section 4.1.3).
            address = _address(connection.getsockname())
            literal = f"IPv6:{address}" if address.version == 6 else str(address)
            self.local_hostname = f"[{literal}]"
            self._is_loopback = _address(connection.getpeername()).is_loopback
            if self._server.implicit_tls:
                return wrap(connection, self._tls, host)
        except BaseException:
            connection.close()
            raise
        return connection

    def prepare(self) -> None:
        """Starts TLS and logs in. Raises _Refused if the connection is not secure enough."""
        self.ehlo_or_helo_if_needed()
        if not self._server.implicit_tls:
            self._start_tls()
        if self._server.user is not None:
            self._log_in(self._server.user, self._server.password)

    def _start_tls(self) -> None:
        if not self.has_extn("starttls"):
            if self._is_loopback:
                return
            raise _Refused("the server does not offer STARTTLS")
        self._check(self.docmd("STARTTLS"), "STARTTLS")
        assert isinstance(self.sock, PlainSocket)
        self.sock = wrap(self.sock, self._tls, self._server.host)
        # Data from before TLS are not trusted (RFC 3207, section 4.2).
        self.file = None
        self.helo_resp = self.ehlo_resp = None
        self.esmtp_features = {}
        self.does_esmtp = False
        self.ehlo_or_helo_if_needed()

    def _log_in(self, user: str, password: str) -> None:
        mechanisms = self.esmtp_features.get("auth", "").upper().split()
        if "PLAIN" in mechanisms:  # RFC 4616: UTF-8
            response = b64encode(f"\0{user}\0{password}".encode()).decode()
            self._check(self.docmd("AUTH", f"PLAIN {response}"), "AUTH")
        elif "LOGIN" in mechanisms:
            reply = self.docmd("AUTH", "LOGIN")
            for each in (user, password):
                if reply[0] == _CONTINUE_AUTH:
                    reply = self.docmd(b64encode(each.encode()).decode())
            self._check(reply, "AUTH")
        else:
            raise _Refused("the server offers neither AUTH PLAIN nor AUTH LOGIN")

    def deliver(
        self, sender: str, recipient: str, content: bytes, *, utf8: bool, progress: _Progress
    ) -> None:
        """Sends the email. Raises _Refused if the server did not accept it."""
        options = []
        if utf8:
            if not self.has_extn("smtputf8"):
                raise _Refused("the server does not accept internationalized addresses")
            self.command_encoding = "utf-8"
            options = ["SMTPUTF8", "BODY=8BITMIME"]
        self._check(self.mail(sender, options), "MAIL")
        self._check(self.rcpt(recipient), "RCPT")
        code, text = self.docmd("DATA")
        if code != _START_INPUT:
            raise _Refused(_refusal((code, text), "DATA"))
        progress.content_sent = True
        self.send(_dot_stuffed(content))
        self._check(self.getreply(), "the email")
        with suppress(OSError, smtplib.SMTPException):
            self._deadline.shorten(_QUIT_SECONDS)  # the email has been accepted
            self.quit()

    def _check(self, reply: tuple[int, bytes], command: str) -> None:
        if not 200 <= reply[0] < 300:
            raise _Refused(_refusal(reply, command))


def _dot_stuffed(content: bytes) -> bytes:
    """The content with CRLF line ends, doubled dots and the end mark (RFC 5321, section 4.5.2)."""
    lines = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").removesuffix(b"\n").split(b"\n")
    stuffed = (b"." + line if line.startswith(b".") else line for line in lines)
    return b"\r\n".join((*stuffed, b".", b""))


def _address(name: Any) -> IPv4Address | IPv6Address:
    address = ip_address(name[0].partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def _refusal(reply: tuple[int, bytes], command: str) -> str:
    """The reason without the text of the server, which may contain the address."""
    code, text = reply
    enhanced = _ENHANCED_CODE.match(text)
    detail = f" ({enhanced[0].decode()})" if enhanced else ""
    return f"the server refused {command}: {code}{detail}"


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return _TIMED_OUT
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of the server is not valid: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {(error.reason or 'unknown reason').replace('_', ' ').lower()}"
    if isinstance(error, socket.gaierror):
        return f"the host cannot be resolved: {error.strerror}"
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return "the server closed the connection"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"the server responded with {error.smtp_code}"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return f"the email cannot be sent: {type(error).__name__}"
