"""Flask, without the features of requests and responses that Roster does not use.

There are no sessions, subdomains, redirects or asynchronous views here. Requests are dispatched
by Flask itself, through its public methods and hooks. Everything below is an extension point of
Flask: the classes of requests and responses, the session interface, `create_url_adapter` and
`ensure_sync`. docs/decisions/0044-frameworks-through-public-interfaces.md has the reasons.

Some of it relies on details that Flask and Werkzeug do not document.
tests/unit/web/test_flask_app.py fails when one of them changes:

- While Flask dispatches a request, it reads only `environ`, `method`, and attributes that Flask
  itself has set. Otherwise Request is still correct, but it parses everything and is slower.
- Flask does not read the attributes of the response of a view. Otherwise PreparedResponse is still
  correct, but slower.
- The constructors of Request and Response set the attribute `headers`.
- `werkzeug.routing.MapAdapter` has the parameters and attributes that `Map.bind_to_environ` sets.
"""

import re
from collections.abc import Callable, Iterable
from functools import cached_property, lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast

import flask
from flask.sessions import NullSession, SessionInterface
from werkzeug.exceptions import BadHost
from werkzeug.routing import MapAdapter

from application.access import Principal

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from werkzeug.local import LocalProxy

# RFC 9112 section 3.2: an invalid Host must be rejected, as must a missing or a repeated one.
_HOST: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
_KNOWN_HOSTS: Final = 256
MAX_HOST_LENGTH: Final = 300
"""The maximum length of a host name with its port (RFC 1035 section 2.3.4)."""
_LINES: Final = {status.value: f"{status} {status.phrase.upper()}" for status in HTTPStatus}
_BODILESS: Final = frozenset((HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED))


class Request(flask.Request):
    """A request that parses its environ only when an attribute needs it.

    An inbound adapter that needs more attributes derives a class, and passes it to `create_app`.
    """

    principal: Principal | None = None
    """The principal that makes the request; None until it is authenticated."""
    log_fields: dict[str, object] | None = None
    """Additional fields for the log entry of the request."""

    def __init__(
        self, environ: "WSGIEnvironment", populate_request: bool = True, shallow: bool = False
    ) -> None:
        self.environ = environ
        self.method = environ["REQUEST_METHOD"].upper()
        self.shallow = shallow
        if populate_request:
            environ["werkzeug.request"] = self

    @cached_property
    def blueprints(self) -> list[str]:
        """The blueprints of the route. Cached, because Flask reads them several times."""
        return super().blueprints

    if not TYPE_CHECKING:  # otherwise type checkers would accept every attribute

        def __getattr__(self, name: str) -> Any:
            """Parses the environ, which sets all missing attributes."""
            if "headers" in vars(self):
                raise AttributeError(name)
            super().__init__(self.environ, populate_request=False, shallow=self.shallow)
            return getattr(self, name)


current_request: Callable[[], Request] = cast(
    "LocalProxy[Request]", flask.request
)._get_current_object
"""Returns the request that is being handled.

It takes 0.1 µs; the proxies `flask.request` and `flask.g` take 1.1 µs for each attribute. Raises
RuntimeError outside a request.
"""


class PreparedResponse(flask.Response):
    """A response whose body and headers are sent unchanged.

    If one of its attributes is read, it becomes an ordinary response.
    """

    default_mimetype = None

    def __init__(self, body: bytes, status: int, headers: Iterable[tuple[str, str]]) -> None:
        self._prepared = body, status, [*headers]

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if "headers" in vars(self):
                raise AttributeError(name)
            super().__init__(*self._prepared)
            return getattr(self, name)

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        if "headers" in self.__dict__:
            return super().__call__(environ, start_response)
        body, status, headers = self._prepared
        if status not in _BODILESS:
            headers.append(("Content-Length", str(len(body))))
        start_response(_LINES[status], headers)
        return () if environ["REQUEST_METHOD"] == "HEAD" else (body,)


class _NoSessions(SessionInterface):
    _none = NullSession()

    def open_session(self, *_: object) -> NullSession:
        return self._none


class App(flask.Flask):
    """Flask with the classes above, and without sessions and asynchronous views."""

    session_interface = _NoSessions()

    def __init__(self, name: str, request_class: type[Request] = Request) -> None:
        super().__init__(name, static_folder=None, template_folder=None)
        self.request_class = request_class
        self._server_name = lru_cache(_KNOWN_HOSTS)(self._checked)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Returns the function itself. Flask would inspect it for each request."""
        return func

    def create_url_adapter(self, request: flask.Request | None) -> MapAdapter | None:
        """The adapter that routes the request by its path.

        Raises BadHost if Host is invalid, or missing in HTTP/1.1.
        """
        if request is None:
            return None
        environ = request.environ
        path = environ["PATH_INFO"]
        host = environ.get("HTTP_HOST", "")
        if not host and environ["SERVER_PROTOCOL"] == "HTTP/1.1":
            raise BadHost
        return MapAdapter(
            self.url_map,
            self._server_name(host),
            environ.get("SCRIPT_NAME", ""),
            self.url_map.default_subdomain,
            environ["wsgi.url_scheme"],
            path if path.isascii() else _decoded(path),
            request.method,
        )

    def _checked(self, host: str) -> str:
        """Normalizes a host with Werkzeug. Raises BadHost if it is invalid.

        Two Host headers arrive as one value with a comma.
        """
        if len(host) > MAX_HOST_LENGTH or not _HOST.fullmatch(host):
            raise BadHost
        environ = {"HTTP_HOST": host, "wsgi.url_scheme": "http", "REQUEST_METHOD": "GET"}
        return self.url_map.bind_to_environ(environ).server_name


def _decoded(path: str) -> str:
    """Decodes a path: WSGI passes its bytes as characters (PEP 3333)."""
    return path.encode("latin-1").decode(errors="replace")
