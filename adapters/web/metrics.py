"""Metrics for Prometheus: requests, and others that are registered.

Names follow OpenTelemetry's conventions for HTTP servers and database clients. No label contains
text that a client chooses freely, so the number of series is bounded.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from threading import Lock, Thread
from time import sleep
from typing import TYPE_CHECKING, Final

from flask import Blueprint, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector
from werkzeug.exceptions import NotFound

from adapters.web.cached_result import CachedResult
from adapters.web.security_headers import NO_STORE

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

ROUTE: Final = "roster.route"
"""The key of the request's route in the WSGI environment. It is absent if no route matches."""
UNKNOWN: Final = "_OTHER"
"""The label for an unknown method or route."""
_METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SAMPLING_SECONDS: Final = 1.0


class Metrics:
    """The metrics of all processes of a service.

    `directory` is the directory in which the processes share their counts (see metrics_directory);
    None for a single process.
    """

    def __init__(self, directory: str | None = None) -> None:
        self._directory = directory
        self._registry = CollectorRegistry()
        self._samples: list[Callable[[], None]] = []
        self._sampling = Lock()
        self._children: dict[tuple[str, str, int], Histogram] = {}
        self._requests = Histogram(
            "http_server_request_duration_seconds",
            "Duration of requests, from the end of their headers to their response.",
            ["http_route", "http_request_method", "http_response_status_code"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._active: set[int] = set()
        self.gauge(
            "http_server_active_requests",
            "Requests that are being processed.",
            lambda: len(self._active),
        )

    def request_started(self, environ: "WSGIEnvironment") -> None:
        """Counts a request that is now processed."""
        self._active.add(id(environ))

    def request_finished(self, environ: "WSGIEnvironment", status: int, seconds: float) -> None:
        """Counts a response, and no longer counts the request as active."""
        self._active.discard(id(environ))
        route, method = environ.get(ROUTE, UNKNOWN), known_method(environ)
        key = (route, method, status)
        child = self._children.get(key)
        if child is None:  # cached, because labels() takes longer than everything else here
            try:
                child = self._requests.labels(route_template(route), method, status)
            except OSError:  # the disk is full
                return
            self._children[key] = child
        child.observe(seconds)

    def gauge(
        self, name: str, text: str, read: Callable[[], float], *, is_shared: bool = False
    ) -> None:
        """Reports the result of `read`, summed over all processes.

        With `is_shared`, all processes read the same number, and the most recent one is reported.
        """
        gauge = Gauge(
            name,
            text,
            multiprocess_mode="livemostrecent" if is_shared else "livesum",
            registry=self._registry,
        )
        self._samples.append(lambda: gauge.set(read()))

    def counter(
        self, name: str, text: str, label: str, read: Callable[[], Mapping[str, int]]
    ) -> None:
        """Reports how much the counts that `read` returns increase from now on."""
        counter = Counter(name, text, [label], registry=self._registry)
        counted = dict(read())  # counts of the parent process, if this one was forked

        def sample() -> None:
            for kind, count in read().items():
                counter.labels(kind).inc(count - counted.get(kind, 0))
                counted[kind] = count

        self._samples.append(sample)

    def watch(self) -> None:
        """Shares the values of this process regularly, in a daemon thread."""
        if self._directory:
            Thread(target=self._watch, name="metrics", daemon=True).start()

    def _watch(self) -> None:
        while True:
            self._sample()
            sleep(_SAMPLING_SECONDS)

    def _sample(self) -> None:
        with self._sampling:
            for sample in self._samples:
                with suppress(OSError):  # the disk is full
                    sample()

    def text(self) -> bytes:
        """The metrics of all processes in Prometheus' text format."""
        self._sample()
        if self._directory is None:
            return generate_latest(self._registry)
        all_processes = CollectorRegistry()
        MultiProcessCollector(all_processes, self._directory)  # type: ignore[no-untyped-call]
        return generate_latest(all_processes)


def known_method(environ: "WSGIEnvironment") -> str:
    """The method of a request, or UNKNOWN if it is not a method of HTTP."""
    method: str = environ["REQUEST_METHOD"]
    return method if method in _METHODS else UNKNOWN


@lru_cache
def route_template(route: str) -> str:
    """Converts a route such as /users/<key:user_id> to /users/{user_id}."""
    return re.sub(r"<(?:[^:>]*:)?([^>]*)>", r"{\1}", route)


def metrics(collected: Metrics | None) -> Blueprint:
    """The route /metrics, which is 404 if metrics are off.

    Anyone may request it, and the text takes milliseconds to compute. So it is cached for a second.
    """
    text = CachedResult(collected.text) if collected else None
    blueprint = Blueprint("metrics", __name__)

    @blueprint.get("/metrics")
    def show() -> Response:
        if text is None:
            raise NotFound
        return Response(text(), headers=NO_STORE, content_type=CONTENT_TYPE_PLAIN_0_0_4)

    return blueprint
