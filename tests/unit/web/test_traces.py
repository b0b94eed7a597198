"""The trace id in the header traceparent."""

import pytest

from adapters.web.traces import trace_id

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


@pytest.mark.parametrize(
    "sent",
    [f"00-{TRACE}-{SPAN}-01", f" 00-{TRACE}-{SPAN}-00\t", f"cc-{TRACE}-{SPAN}-01-what-comes-later"],
)
def test_returns_the_trace_id_of_a_valid_traceparent(sent: str) -> None:
    assert trace_id(sent) == TRACE


@pytest.mark.parametrize(
    "sent",
    [
        "",
        TRACE,
        f"X00-{TRACE}-{SPAN}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01more",
        f"cc-{TRACE}-{SPAN}-01more",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01",
    ],
)
def test_returns_none_for_an_invalid_traceparent(sent: str) -> None:
    assert trace_id(sent) is None
