"""What an operator counts: requests, and whatever else is asked to be measured, for Prometheus.

Names follow OpenTelemetry's conventions for HTTP servers and database clients. No label holds
anything that a client can choose freely, so that there are only so many series.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from threading import Lock, Thread
from time import sleep
from typing import TYPE_CHECKING, Final

from flask import Blueprint, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector
from werkzeug.exceptions import NotFound

from adapters.web.recent import CachedResult
from adapters.web.security_headers import NO_STORE

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

ROUTE: Final = "roster.route"
"""Where the WSGI environment holds the rule by which the request was routed, if one was."""
UNKNOWN: Final = "_OTHER"
"""The method of a request, or its route, that is none of ours."""
_METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_BETWEEN_SAMPLES: Final = 1.0


class Metrics:
    """The metrics of this process, counted together with those of its sisters.

    `directory` is where the processes of one service keep what they count (see `share`); None
    for a process on its own.
    """

    def __init__(self, directory: str | None = None) -> None:
        self._directory = directory
        self._registry = CollectorRegistry()
        self._samples: list[Callable[[], None]] = []
        self._sampling = Lock()
        self._children: dict[tuple[str, str, int], Histogram] = {}
        self._requests = Histogram(
            "http_server_request_duration_seconds",
            "How long requests took, from the end of their head to their answer.",
            ["http_route", "http_request_method", "http_response_status_code"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._active: set[int] = set()
        self.gauge(
            "http_server_active_requests",
            "How many requests are being answered.",
            lambda: len(self._active),
        )

    def request_started(self, environ: "WSGIEnvironment") -> None:
        """A request is there to be answered."""
        self._active.add(id(environ))

    def request_finished(self, environ: "WSGIEnvironment", status: int, seconds: float) -> None:
        """A request that `began` has its answer."""
        self._active.discard(id(environ))
        route, method = environ.get(ROUTE, UNKNOWN), known_method(environ)
        key = (route, method, status)
        child = self._children.get(key)
        if child is None:  # labels() takes longer than all the rest
            child = self._children[key] = self._requests.labels(
                route_template(route), method, status
            )
        child.observe(seconds)

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Tell what `read` gives, the sum of it over all processes."""
        gauge = Gauge(name, text, multiprocess_mode="livesum", registry=self._registry)
        self._samples.append(lambda: gauge.set(read()))

    def counter(
        self, name: str, text: str, label: str, read: Callable[[], Mapping[str, int]]
    ) -> None:
        """Tell how often each thing happens from now on, of which `read` gives the count."""
        counter = Counter(name, text, [label], registry=self._registry)
        counted = dict(read())  # by the process that started this one

        def sample() -> None:
            for kind, count in read().items():
                counter.labels(kind).inc(count - counted.get(kind, 0))
                counted[kind] = count

        self._samples.append(sample)

    def watch(self) -> None:
        """Keep telling the other processes, as long as this one lives, how it stands here."""
        if self._directory:
            Thread(target=self._watch, name="metrics", daemon=True).start()

    def _watch(self) -> None:
        while True:
            self._sample()
            sleep(_BETWEEN_SAMPLES)

    def _sample(self) -> None:
        with self._sampling:
            for sample in self._samples:
                sample()

    def text(self) -> bytes:
        """All of them, in Prometheus' format."""
        self._sample()
        if self._directory is None:
            return generate_latest(self._registry)
        together = CollectorRegistry()
        MultiProcessCollector(together, self._directory)  # type: ignore[no-untyped-call]
        return generate_latest(together)


def known_method(environ: "WSGIEnvironment") -> str:
    """The method of a request, if it is one that HTTP knows."""
    method: str = environ["REQUEST_METHOD"]
    return method if method in _METHODS else UNKNOWN


@lru_cache
def route_template(route: str) -> str:
    """/users/<key:user_id> as /users/{user_id}."""
    return re.sub(r"<(?:[^:>]*:)?([^>]*)>", r"{\1}", route)


def metrics(collected: Metrics | None) -> Blueprint:
    """/metrics; 404 if none are collected.

    Anyone may request it, and the text takes milliseconds to compute: it holds for a second.
    """
    text = CachedResult(collected.text) if collected else None
    blueprint = Blueprint("metrics", __name__)

    @blueprint.get("/metrics")
    def show() -> Response:
        if text is None:
            raise NotFound
        return Response(text(), headers=NO_STORE, content_type=CONTENT_TYPE_PLAIN_0_0_4)

    return blueprint
