"""Where traces go, by the standard variables of OpenTelemetry (OTEL_…)."""

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


def make_tracer() -> Tracer:
    """What sends spans to the collector from a thread of its own, the last ones at the end."""
    _trim_environment()
    name = os.environ.get("OTEL_SERVICE_NAME", "roster")
    provider = TracerProvider(
        resource=Resource.create({"service.name": name}), shutdown_on_exit=False
    )
    exporter = OTLPSpanExporter(headers={"User-Agent": _user_agent()})
    provider.add_span_processor(BatchSpanProcessor(exporter))
    # Unlike atexit, this is called at the end of processes that multiprocessing forks, too.
    Finalize(None, provider.shutdown, exitpriority=0)
    return provider.get_tracer("roster")


def _trim_environment() -> None:
    """Remove the whitespace around the variables that OpenTelemetry itself reads."""
    for name, value in os.environ.items():
        if name.startswith("OTEL_"):
            os.environ[name] = trimmed(value)


def _user_agent() -> str:
    """Roster's own, and that of the exporter, as OpenTelemetry's OTLP exporters identify it."""
    package = version("opentelemetry-exporter-otlp-proto-http")
    return f"{user_agent()} OTel-OTLP-Exporter-Python/{package}"
