"""Sends traces, as the standard variables of OpenTelemetry (OTEL_…) configure."""

import os
from importlib.metadata import version
from multiprocessing.util import Finalize

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Tracer

from adapters.https_client import user_agent
from entrypoints.settings import trimmed


def check_variables() -> None:
    """Raises ValueError if OpenTelemetry rejects one of its variables."""
    _make_provider().shutdown()


def make_tracer() -> Tracer:
    """Creates the tracer. A thread sends its spans to the collector; the last ones at exit."""
    provider = _make_provider()
    # Unlike atexit, this also runs at the end of processes that multiprocessing forks.
    Finalize(None, provider.shutdown, exitpriority=0)
    return provider.get_tracer("roster")


def _make_provider() -> TracerProvider:
    _trim_environment()
    name = os.environ.get("OTEL_SERVICE_NAME", "roster")
    provider = TracerProvider(
        resource=Resource.create({"service.name": name}), shutdown_on_exit=False
    )
    exporter = OTLPSpanExporter(headers={"User-Agent": _user_agent()})
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _trim_environment() -> None:
    """Removes the whitespace around the variables that OpenTelemetry itself reads."""
    for name, value in os.environ.items():
        if name.startswith("OTEL_"):
            os.environ[name] = trimmed(value)


def _user_agent() -> str:
    """Roster's user agent, followed by that of OpenTelemetry's OTLP exporter."""
    package = version("opentelemetry-exporter-otlp-proto-http")
    return f"{user_agent()} OTel-OTLP-Exporter-Python/{package}"
