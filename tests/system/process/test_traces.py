"""Traces that the server sends to a collector."""

import os
import subprocess
import sys
from importlib.metadata import version
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from process.server import Serve
from roster_process import ROSTER, USERS

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def test_a_request_continues_the_trace_in_its_header(serve: Serve, collector: Any) -> None:
    server = serve(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    server.post(server.user())
    traced = {"traceparent": TRACEPARENT}
    response = server.get(f"{USERS}/1?fields[users]=name", headers=traced)
    server.terminate()  # the server sends the remaining spans when it ends
    (user_agent,) = collector.user_agents
    assert user_agent.startswith(f"Roster/{version('roster-directory')} OTel-OTLP-Exporter-Python/")
    of_trace = [span for span in collector.spans() if span.trace_id.hex() == TRACE]
    (request,) = (span for span in of_trace if span.kind == Span.SPAN_KIND_SERVER)
    (database,) = (span for span in of_trace if span.kind == Span.SPAN_KIND_CLIENT)
    assert request.name == "GET /api/v1/users/{user_id}"
    assert request.parent_span_id.hex() == "b7ad6b7169203331"
    assert response.headers["traceresponse"] == f"00-{TRACE}-{request.span_id.hex()}-01"
    attributes = {each.key: each.value for each in request.attributes}
    assert attributes["http.response.status_code"].int_value == 200
    assert database.name == "sqlite"
    assert database.parent_span_id == request.span_id
    assert TRACE in {line.get("trace_id") for line in server.logged("request")}


def test_a_request_without_a_valid_trace_begins_a_trace(serve: Serve, collector: Any) -> None:
    server = serve(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    for sent in ("", "00-0-0-01", f"00-{TRACE}-{'0' * 16}-01"):
        server.get(USERS, headers={"traceparent": sent})
    server.terminate()
    traces = [span.trace_id.hex() for span in collector.spans() if "users" in span.name]
    assert len(traces) == len(set(traces)) == 3
    assert TRACE not in traces
    assert set(traces) <= {line["trace_id"] for line in server.logged("request")}


def test_an_unreachable_collector_does_not_delay_the_server(serve: Serve, collector: Any) -> None:
    collector.close()
    server = serve(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    assert server.post(server.user()).status_code == 201
    server.terminate()
    assert len(server.logged("listening")) == 1


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("OTEL_BSP_SCHEDULE_DELAY", "-1", "schedule_delay_millis must be positive"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "many", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT must be"),
    ],
)
@pytest.mark.parametrize(
    "command",
    [(ROSTER, "serve", "--port", "0"), (sys.executable, "-c", "import entrypoints.wsgi")],
    ids=["serve", "wsgi"],
)
def test_a_variable_that_opentelemetry_rejects_stops_the_start(
    sqlite_url: str, command: tuple[str, ...], name: str, value: str, reason: str
) -> None:
    environment = {
        "ROSTER_DATABASE_URL": sqlite_url,
        "ROSTER_JWT_SECRET": "hush" * 8,
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
        name: value,
    }
    ended = subprocess.run(
        command,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("Error: OTEL_EXPORTER_OTLP_ENDPOINT: OpenTelemetry rejects")
    assert reason in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_log_has_the_trace_without_a_collector(serve: Serve) -> None:
    server = serve()
    server.get(USERS, headers={"traceparent": TRACEPARENT})
    server.get("/api/v1", headers={"traceparent": f"{TRACEPARENT}-more"})
    traces = {line["route"]: line.get("trace_id") for line in server.logged("request")}
    assert traces == {USERS: TRACE, "/api/v1": None, "/readyz": None}
