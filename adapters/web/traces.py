"""Parses W3C Trace Context (w3.org/TR/trace-context)."""

import re
from typing import Final

_TRACEPARENT: Final = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
    r"(?P<rest>-.*)?"
)


def trace_id(traceparent: str) -> str | None:
    """The trace id in a traceparent; None if it is invalid."""
    match = _TRACEPARENT.fullmatch(traceparent.strip(" \t"))
    if not match or (match["rest"] and match["version"] == "00"):  # later versions may be longer
        return None
    return match["trace"]
