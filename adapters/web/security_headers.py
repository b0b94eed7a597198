"""The headers common to all responses: security headers, and CORS for other origins.

CORS follows the Fetch standard (fetch.spec.whatwg.org, HTTP-CORS protocol). Credentials that a
browser adds itself are never allowed: scripts send tokens in a header.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Headers = list[tuple[str, str]]

ANYONE: Final = "*"
_POLICY: Final = ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
_ALWAYS: Final = (
    ("Server", "roster"),  # otherwise granian sends its own name
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
NO_STORE: Final[Mapping[str, str]] = {"Cache-Control": "no-store"}
"""For responses that are only valid when they are sent (RFC 9111 section 5.2.2.5)."""
_ONLY_HTTPS: Final = ("Strict-Transport-Security", "max-age=31536000")
_EXPOSED: Final = "Allow, ETag, Location, Retry-After, WWW-Authenticate, X-Request-ID"
_ALLOWED: Final = (
    "Accept, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, "
    "X-Request-ID, traceparent, tracestate"
)
_PREFLIGHT_SECONDS: Final = "7200"
_MAX_REQUESTED_LENGTH: Final = 2048
_MAX_REQUESTED: Final = 64
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
"""The name of a header (RFC 9110 section 5.1)."""


class ResponseHeaders:
    """Adds the headers common to all responses.

    Scripts of `origins` may read the responses; ANYONE allows all origins. With `https`, browsers
    use only https for a year. Scripts may also read the headers `exposed`.
    """

    def __init__(
        self, *, https: bool = False, origins: Iterable[str] = (), exposed: Iterable[str] = ()
    ) -> None:
        self._origins = frozenset(origins)
        self._exposed = ", ".join((_EXPOSED, *exposed))
        vary = "Accept, Origin" if self._origins else "Accept"
        self._always = (*_ALWAYS, ("Vary", vary), *([_ONLY_HTTPS] if https else []))
        vary = f"{vary}, Access-Control-Request-Headers"
        self._preflight = (*_ALWAYS, ("Vary", vary), *([_ONLY_HTTPS] if https else []))

    def __call__(self, environ: "WSGIEnvironment", headers: Headers) -> None:
        """Adds the common headers to those of a response."""
        for name, _ in headers:
            if name == _POLICY[0]:  # HTML pages set their own policy
                break
        else:
            headers.append(_POLICY)
        if self._origins:
            headers += self._cors(environ, headers)
            if _is_preflight(environ):
                headers += self._preflight
                return
        headers += self._always

    def _cors(self, environ: "WSGIEnvironment", headers: Headers) -> Headers:
        origin = environ.get("HTTP_ORIGIN")
        if origin is None or not ({origin, ANYONE} & self._origins):
            return []
        allowed = ("Access-Control-Allow-Origin", ANYONE if ANYONE in self._origins else origin)
        if not _is_preflight(environ):
            return [allowed, ("Access-Control-Expose-Headers", self._exposed)]
        methods = next((value for name, value in headers if name == "Allow"), "")
        requested = environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "")
        return [
            allowed,
            ("Access-Control-Allow-Methods", methods),
            ("Access-Control-Allow-Headers", allowed_headers(requested)),
            ("Access-Control-Max-Age", _PREFLIGHT_SECONDS),
        ]


def _is_preflight(environ: "WSGIEnvironment") -> bool:
    """Returns True for a CORS preflight: only OPTIONS is one (Fetch, section 3.3.2)."""
    return (
        environ["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ
    )


@lru_cache(64)
def _allowed_headers(requested: str) -> str:
    known = set(_ALLOWED.lower().split(", "))
    parts = requested.split(",", _MAX_REQUESTED)[:_MAX_REQUESTED]
    names = [name.strip(" \t") for name in parts]
    valid = dict.fromkeys(name for name in names if _NAME.fullmatch(name))
    return ", ".join((_ALLOWED, *(name for name in valid if name.lower() not in known)))


def allowed_headers(requested: str) -> str:
    """The headers that a preflight allows: those that Roster reads, and the requested ones.

    Scripts of an allowed origin may send any header: instrumentation adds its own, and a single
    disallowed header would block the request. If the request is too long, it adds no headers.
    """
    return _allowed_headers(requested) if len(requested) <= _MAX_REQUESTED_LENGTH else _ALLOWED
