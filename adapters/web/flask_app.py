"""Flask's way from a request to its answer, without what Roster has none of.

There are no sessions, subdomains, redirects, signals and asynchronous views here. Whatever is
registered (before_request, after_request, teardown, error handlers) is called as Flask does it.
docs/decisions/0032-short-dispatch.md says what this saves.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import flask
from flask.globals import request, request_ctx
from flask.sessions import NullSession, SessionInterface
from werkzeug.exceptions import BadHost
from werkzeug.routing import MapAdapter

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# RFC 9112 section 3.2 wants all else refused, as it does requests without one and with two.
_HOST: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
_KNOWN_HOSTS: Final = 256
_LONGEST_HOST: Final = 300
"""No host name with its port is longer (RFC 1035 section 2.3.4)."""
_LINES: Final = {status.value: f"{status} {status.phrase.upper()}" for status in HTTPStatus}
_BODILESS: Final = frozenset((HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED))


class Request(flask.Request):
    """A request that is read as far as somebody asks: most ask for its method and environ."""

    def __init__(
        self, environ: "WSGIEnvironment", populate_request: bool = True, shallow: bool = False
    ) -> None:
        self.environ = environ
        self.method = environ["REQUEST_METHOD"].upper()
        self.shallow = shallow
        if populate_request:
            environ["werkzeug.request"] = self

    def __getattr__(self, name: str) -> Any:
        """All the rest, as soon as any of it is asked for."""
        if "headers" in vars(self):
            raise AttributeError(name)
        super().__init__(self.environ, populate_request=False, shallow=self.shallow)
        return getattr(self, name)


def current_request() -> Request:
    """The request that is being answered: itself, which costs less to ask than its proxy."""
    return request._get_current_object()  # type: ignore[attr-defined,no-any-return]


class PreparedResponse(flask.Response):
    """A response in its final form, whose headers nobody needs to look at again.

    Once somebody does ask for a part of it, it becomes a response like any other.
    """

    default_mimetype = None

    def __init__(self, body: bytes, status: int, headers: Iterable[tuple[str, str]]) -> None:
        self._ready = body, status, [*headers]

    def __getattr__(self, name: str) -> Any:
        if "headers" in vars(self):
            raise AttributeError(name)
        super().__init__(*self._ready)
        return getattr(self, name)

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        if "headers" in vars(self):
            return super().__call__(environ, start_response)
        body, status, headers = self._ready
        if status not in _BODILESS:
            headers.append(("Content-Length", str(len(body))))
        start_response(_LINES[status], headers)
        return () if environ["REQUEST_METHOD"] == "HEAD" else (body,)


class _NoSessions(SessionInterface):
    _none = NullSession()

    def open_session(self, *_: object) -> NullSession:
        return self._none


class App(flask.Flask):
    """Flask, by a shorter way."""

    request_class = Request
    session_interface = _NoSessions()

    def __init__(self, name: str) -> None:
        super().__init__(name, static_folder=None, template_folder=None)
        self._server_name = lru_cache(_KNOWN_HOSTS)(self._checked)
        self._registered = lru_cache(None)(self._hooks_for)  # for good: see full_dispatch_request

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function itself; Flask would look at each of them at each request."""
        return func

    def create_url_adapter(self, request: flask.Request | None) -> MapAdapter | None:
        """What routes the request, by its path alone. BadHost where its Host can be none."""
        if request is None:
            return None
        environ = request.environ
        host = environ.get("HTTP_HOST", "")
        if not host and environ["SERVER_PROTOCOL"] == "HTTP/1.1":
            raise BadHost
        return MapAdapter(
            self.url_map,
            self._server_name(host),
            environ.get("SCRIPT_NAME", ""),
            self.url_map.default_subdomain,
            environ["wsgi.url_scheme"],
            _decoded(environ["PATH_INFO"]),
            request.method,
        )

    def _checked(self, host: str) -> str:
        """The host as Werkzeug has it. BadHost; two lines of it arrive with a comma between."""
        if len(host) > _LONGEST_HOST or not _HOST.fullmatch(host):  # what is valid is remembered
            raise BadHost
        environ = {"HTTP_HOST": host, "wsgi.url_scheme": "http", "REQUEST_METHOD": "GET"}
        return self.url_map.bind_to_environ(environ).server_name

    def full_dispatch_request(self) -> flask.Response:
        """From what comes before any route to what comes after."""
        self._got_first_request = True  # Flask then lets nobody register anything more
        try:
            answer = self.preprocess_request()
            if answer is None:
                answer = self.dispatch_request()
        except Exception as error:  # noqa: BLE001 (which is anyone's who registered for it)
            answer = self.handle_user_exception(error)
        return self.process_response(self.make_response(answer))

    def preprocess_request(self) -> Any:
        """What comes before any route, until one of them has the answer."""
        before, _ = self._registered(current_request().endpoint)
        for first in before:
            if (answer := first()) is not None:
                return answer
        return None

    def _hooks_for(self, _: str | None) -> tuple[list[Callable[[], Any]], bool]:
        """What comes before a route, and whether anything comes after it."""
        names = (None, *reversed(current_request().blueprints))
        before = [each for name in names for each in self.before_request_funcs.get(name, ())]
        return before, any(map(self.after_request_funcs.get, names))

    def dispatch_request(self) -> Any:
        """The route's own answer."""
        request = current_request()
        if request.routing_exception is not None:
            self.raise_routing_exception(request)
        assert request.url_rule is not None
        return self.view_functions[request.url_rule.endpoint](**(request.view_args or {}))

    def process_response(self, response: flask.Response) -> flask.Response:
        """What comes after any route, if anything does."""
        _, after = self._registered(current_request().endpoint)
        if after or request_ctx._after_request_functions:
            return super().process_response(response)
        return response

    def do_teardown_request(self, exc: BaseException | None = None) -> None:
        """What comes at the very end of a request, if anything does."""
        if self.teardown_request_funcs:
            super().do_teardown_request(exc)

    def do_teardown_appcontext(self, exc: BaseException | None = None) -> None:
        """What comes after that."""
        if self.teardown_appcontext_funcs:
            super().do_teardown_appcontext(exc)


def _decoded(path: str) -> str:
    """A path as WSGI hands it over, as text (PEP 3333 has its bytes for characters)."""
    return path if path.isascii() else path.encode("latin-1").decode(errors="replace")
