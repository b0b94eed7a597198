"""W3C Trace Context (w3.org/TR/trace-context): which trace a request is a part of."""

import re
from typing import Final

_TRACEPARENT: Final = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
    r"(?P<more>-.*)?"
)


def trace_id(traceparent: str) -> str | None:
    """The trace's id in a traceparent; None if that isn't valid."""
    found = _TRACEPARENT.fullmatch(traceparent.strip(" \t"))
    if not found or (found["more"] and found["version"] == "00"):  # later versions may hold more
        return None
    return found["trace"]
