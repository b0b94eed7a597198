"""What every answer bears beside its own headers: for browsers, and for scripts of other origins.

Cross-origin requests go by the Fetch standard (fetch.spec.whatwg.org, HTTP-CORS protocol). None
is ever allowed credentials that a browser adds by itself: a token is a header of the script's.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Headers = list[tuple[str, str]]

ANYONE: Final = "*"
_POLICY: Final = ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
_ALWAYS: Final = (
    ("Server", "roster"),  # or the server would name itself
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
_ONLY_HTTPS: Final = ("Strict-Transport-Security", "max-age=31536000")
_EXPOSED: Final = "Allow, ETag, Location, Retry-After, WWW-Authenticate, X-Request-ID"
_ALLOWED: Final = (
    "Accept, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, "
    "X-Request-ID, traceparent, tracestate"
)
_PREFLIGHT_SECONDS: Final = "7200"


class Dress:
    """Puts on an answer what all of them bear.

    `origins` are those whose scripts may read answers: none, some, or ANYONE. `https` is for a
    service that is reached by https only, which browsers then remember for a year.
    """

    def __init__(self, *, https: bool = False, origins: Iterable[str] = ()) -> None:
        self._origins = frozenset(origins)
        vary = "Accept, Origin" if self._origins else "Accept"
        self._always = (*_ALWAYS, ("Vary", vary), *([_ONLY_HTTPS] if https else []))

    def __call__(self, environ: "WSGIEnvironment", headers: Headers) -> None:
        """Add to the headers of the answer to a request."""
        if all(name != _POLICY[0] for name, _ in headers):  # pages for people have their own
            headers.append(_POLICY)
        if self._origins:
            headers += self._shared(environ, headers)
        headers += self._always

    def _shared(self, environ: "WSGIEnvironment", headers: Headers) -> Headers:
        origin = environ.get("HTTP_ORIGIN")
        if origin is None or not ({origin, ANYONE} & self._origins):
            return []
        allowed = ("Access-Control-Allow-Origin", ANYONE if ANYONE in self._origins else origin)
        if "HTTP_ACCESS_CONTROL_REQUEST_METHOD" not in environ:
            return [allowed, ("Access-Control-Expose-Headers", _EXPOSED)]
        methods = next((value for name, value in headers if name == "Allow"), "")
        return [
            allowed,
            ("Access-Control-Allow-Methods", methods),
            ("Access-Control-Allow-Headers", _ALLOWED),
            ("Access-Control-Max-Age", _PREFLIGHT_SECONDS),
        ]
