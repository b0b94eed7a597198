"""Creates a span for every request (opentelemetry.io, conventions for HTTP servers).

A span contains no personal data: neither the path nor the query nor error messages, but the route.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from adapters.web.metrics import ROUTE, UNKNOWN, known_method, route_template
from adapters.web.security_headers import Headers

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_CONTEXT = TraceContextTextMapPropagator()


class Traced:
    """Middleware that creates the span of each request.

    A request continues the trace in its traceparent. The application gets the traceparent of the
    span, and the response has it as traceresponse (W3C Trace Context Level 2).
    """

    def __init__(self, app: "WSGIApplication", tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        parent = _CONTEXT.extract({"traceparent": environ.get("HTTP_TRACEPARENT", "")})
        with self._tracer.start_as_current_span(
            "request",
            parent,
            SpanKind.SERVER,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            context: dict[str, str] = {}
            _CONTEXT.inject(context)
            environ["HTTP_TRACEPARENT"] = context["traceparent"]

            def starting(status: str, headers: Headers, *exc_info: Any) -> Any:
                _describe(span, environ, int(status[:3]))
                headers.append(("traceresponse", context["traceparent"]))
                return start_response(status, headers, *exc_info)

            return self._app(environ, starting)


def _describe(span: Span, environ: "WSGIEnvironment", status: int) -> None:
    method, route = known_method(environ), route_template(environ.get(ROUTE, UNKNOWN))
    span.update_name(f"{method} {route}")
    span.set_attribute("http.request.method", method)
    span.set_attribute("http.route", route)
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_attribute("error.type", str(status))
        span.set_status(Status(StatusCode.ERROR))
