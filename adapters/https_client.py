"""Sends the HTTPS requests that Roster itself makes.

Each request has Roster's User-Agent and a single time limit, and an error states the reason of the
failure. The standard library's `urlopen` limits the time of each read instead: a server that sends
a byte occasionally can block it forever.
"""

import os
import re
import socket
import ssl
from base64 import b64encode
from functools import cache
from http import HTTPStatus
from http.client import (
    HTTP_PORT,
    HTTPS_PORT,
    HTTPException,
    HTTPResponse,
    HTTPSConnection,
    InvalidURL,
    RemoteDisconnected,
)
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

from adapters.deadline_sockets import Deadline, PlainSocket, TlsSocket, connect, wrap

_MAX_PROXY_HEADER_BYTES: Final = 16 * 1024
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r]")


class FetchError(Exception):
    """The request has no usable response. The message is the reason, for the operator."""


@cache
def user_agent() -> str:
    """The User-Agent of Roster's own requests (RFC 9110, section 10.1.5)."""
    from importlib.metadata import version

    return f"Roster/{version('roster-directory')}"


def get(url: str, *, accept: str, seconds: float, max_bytes: int) -> bytes:
    """Fetches an https URL. Returns the body, at most `max_bytes` + 1 bytes of it.

    The exchange takes at most `seconds` after the system has resolved the host. Certificates are
    verified by the system's authorities or those of SSL_CERT_FILE. Redirects are not followed.
    The http proxy of HTTPS_PROXY is used, except for the hosts of NO_PROXY. Raises FetchError if
    the status of the response is not 200, or if there is no response.
    """
    try:
        return _get(urlsplit(url), accept, Deadline(seconds), max_bytes)
    except TimeoutError:
        raise FetchError(f"timed out after {seconds:g} s") from None
    except (OSError, HTTPException, ValueError) as error:
        raise FetchError(_reason(error)) from error


class _Connection(HTTPSConnection):
    def __init__(self, host: str, port: int, deadline: Deadline) -> None:
        self._tls = ssl.create_default_context()
        self._tls.sslsocket_class = TlsSocket
        super().__init__(host, port, context=self._tls)
        self._deadline = deadline

    def connect(self) -> None:
        plain = _connect(self.host, self.port, self._deadline)
        try:
            self.sock = wrap(plain, self._tls, self.host)
        except BaseException:
            plain.close()
            raise


def _get(url: SplitResult, accept: str, deadline: Deadline, max_bytes: int) -> bytes:
    connection = _Connection(url.hostname or "", url.port or HTTPS_PORT, deadline)
    try:
        target = urlunsplit(("", "", url.path or "/", url.query, ""))
        headers = {"Accept": accept, "User-Agent": user_agent(), "Connection": "close"}
        connection.request("GET", target, headers=headers)
        with connection.getresponse() as response:
            if response.status != HTTPStatus.OK:
                raise FetchError(_status(response.status))
            return _body(response, max_bytes)
    finally:
        connection.close()


def _body(response: HTTPResponse, max_bytes: int) -> bytes:
    body = bytearray()
    while (left := max_bytes + 1 - len(body)) > 0 and (part := response.read1(left)):
        body += part
    return bytes(body)


def _connect(host: str, port: int, deadline: Deadline) -> PlainSocket:
    """Connects to the host, through the proxy if one is configured."""
    url = getproxies().get("https")
    if not url or proxy_bypass(host):
        return connect(host, port, deadline)
    proxy, proxy_host, proxy_port = _parse_proxy(url)
    try:
        connection = connect(proxy_host, proxy_port, deadline)
    except TimeoutError:
        raise
    except OSError as error:
        raise FetchError(f"cannot connect to the proxy of HTTPS_PROXY: {_reason(error)}") from error
    try:
        _tunnel(connection, proxy, host, port, deadline)
    except BaseException:
        connection.close()
        raise
    return connection


def _parse_proxy(url: str) -> tuple[SplitResult, str, int]:
    """Returns the URL of a proxy, its host and its port. Raises FetchError if it is invalid."""
    try:
        parts = urlsplit(url if "//" in url else f"//{url}")
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if not host or parts.scheme not in ("", "http"):  # the password would be sent unencrypted
        raise FetchError("HTTPS_PROXY must be an http URL such as http://proxy.example.org:3128")
    return parts, host, port or HTTP_PORT


def _tunnel(
    connection: PlainSocket, proxy: SplitResult, host: str, port: int, deadline: Deadline
) -> None:
    """Makes the proxy connect to the host (RFC 9110, section 9.3.6)."""
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}", f"User-Agent: {user_agent()}"]
    if proxy.username is not None:
        credentials = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
        lines.append(f"Proxy-Authorization: Basic {b64encode(credentials).decode()}")
    connection.settimeout(deadline.remaining())
    connection.sendall("\r\n".join((*lines, "", "")).encode("ascii"))
    head = b""
    while b"\r\n\r\n" not in head:
        connection.settimeout(deadline.remaining())
        part = connection.recv(4096)
        if not part or len(head) > _MAX_PROXY_HEADER_BYTES:
            raise FetchError("the response of the proxy is not valid HTTP")
        head += part
    status = _STATUS.match(head)
    if not status:
        raise FetchError("the response of the proxy is not valid HTTP")
    if not status[1].startswith(b"2"):
        raise FetchError(f"the proxy responded with {_status(int(status[1]))}")


def _status(status: int) -> str:
    """The status with its registered phrase. The server could choose any text as the phrase."""
    if 300 <= status < 400:
        return f"HTTP {status}: redirects are not followed"
    try:
        return f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {(error.reason or 'unknown reason').replace('_', ' ').lower()}"
    if isinstance(error, socket.gaierror):
        return f"cannot resolve the host: {error.strerror}"
    if isinstance(error, RemoteDisconnected):
        return "the connection was closed without a response"
    if isinstance(error, OSError):
        return os.strerror(error.errno) if error.errno else str(error)
    if isinstance(error, ValueError | InvalidURL):
        return "the URL is not valid"
    return "the response is not valid HTTP"
