"""Traces, as a collector gets them."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span

Serve = Callable[..., Any]

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def test_a_request_continues_the_trace_that_it_names(serve: Serve, collector: Any) -> None:
    server = serve(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    server.post(server.user())
    traced = {"traceparent": TRACEPARENT}
    answer = server.get("/api/v1/users/1?fields[users]=name", headers=traced)
    server.process.terminate()
    assert server.process.wait(10) == 0  # what isn't sent yet is sent at the end
    (user_agent,) = collector.user_agents
    assert user_agent.startswith(f"Roster/{version('roster-directory')} OTel-OTLP-Exporter-Python/")
    of_trace = [span for span in collector.spans() if span.trace_id.hex() == TRACE]
    (request,) = (span for span in of_trace if span.kind == Span.SPAN_KIND_SERVER)
    (database,) = (span for span in of_trace if span.kind == Span.SPAN_KIND_CLIENT)
    assert request.name == "GET /api/v1/users/{user_id}"
    assert request.parent_span_id.hex() == "b7ad6b7169203331"
    assert answer.headers["traceresponse"] == f"00-{TRACE}-{request.span_id.hex()}-01"
    attributes = {each.key: each.value for each in request.attributes}
    assert attributes["http.response.status_code"].int_value == 200
    assert database.name == "sqlite"
    assert database.parent_span_id == request.span_id
    assert TRACE in {line.get("trace_id") for line in server.lines("request")}


def test_every_request_is_a_trace_of_its_own_otherwise(serve: Serve, collector: Any) -> None:
    server = serve(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    for sent in ("", "00-0-0-01", f"00-{TRACE}-{'0' * 16}-01"):
        server.get("/api/v1/users", headers={"traceparent": sent})
    server.process.terminate()
    server.process.wait(10)
    traces = [span.trace_id.hex() for span in collector.spans() if "users" in span.name]
    assert len(set(traces)) == 3
    assert TRACE not in traces
    assert set(traces) <= {line["trace_id"] for line in server.lines("request")}


def test_a_collector_that_is_away_keeps_nobody_waiting(serve: Serve, collector: Any) -> None:
    collector.close()
    server = serve(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    assert server.post(server.user()).status_code == 201
    server.process.terminate()
    assert server.process.wait(15) == 0
    assert server.lines("listening")


def test_without_a_collector_the_log_tells_the_trace_all_the_same(serve: Serve) -> None:
    server = serve()
    server.get("/api/v1/users", headers={"traceparent": TRACEPARENT})
    server.get("/api/v1", headers={"traceparent": f"{TRACEPARENT}-more"})
    told = {line["route"]: line.get("trace_id") for line in server.lines("request")}
    assert told == {"/api/v1/users": TRACE, "/api/v1": None, "/readyz": None}
