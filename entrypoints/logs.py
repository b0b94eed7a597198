"""Configures logging: the format of log entries, and where they are written."""

import json
import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict, Processor

_STAMPED: list[Processor] = [
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_as_text = structlog.dev.ConsoleRenderer(
    colors=False, exception_formatter=structlog.dev.plain_traceback
)


class _Output(structlog.PrintLogger):
    """Standard output. An entry that cannot be written is lost.

    Otherwise a full disk or a closed pipe would make every request fail, even after its commit. It
    would also end threads that log.
    """

    def msg(self, message: str) -> None:
        with suppress(OSError):
            super().msg(message)

    log = debug = info = warn = warning = msg
    fatal = failure = err = error = critical = exception = msg


def _output(*_: object) -> _Output:
    return _Output()


def configure(log_format: str) -> None:
    """Writes each log entry to standard output, as a line of JSON or as text for people.

    The format is json, text or auto: text if standard output is a terminal, JSON otherwise.
    """
    structlog.configure(
        processors=[*_STAMPED, _renderer(log_format)],
        logger_factory=_output,
        cache_logger_on_first_use=True,
    )


def request_logger(log_format: str) -> Callable[[dict[str, object]], None]:
    """Returns a function that writes the log entry of a request, in the configured format.

    JSON is written without structlog, whose processors take a tenth of the time of a short request.
    """
    if _is_text(log_format):
        log = structlog.get_logger("roster.request")
        return lambda line: log.info("request", **line)
    standard_output = sys.stdout.fileno()

    def log_request(line: dict[str, object]) -> None:
        stamp = {"event": "request", "level": "info", "timestamp": _now()}
        entry = orjson.dumps(line | stamp, option=orjson.OPT_APPEND_NEWLINE)
        with suppress(OSError):  # as for the other entries
            os.write(standard_output, entry)  # one write, so that lines of threads are not mixed

    return log_request


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def server_logging(log_format: str) -> dict[str, Any]:
    """The logging configuration for granian and libraries, in the same format."""
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _renderer(log_format),
        ],
        "foreign_pre_chain": _STAMPED,
    }
    return {
        "formatters": {"generic": formatter, "access": formatter},
        "root": {"handlers": ["console"], "level": "WARNING"},
    }


def _is_text(log_format: str) -> bool:
    if log_format == "auto":
        return sys.stdout is not None and sys.stdout.isatty()
    return log_format == "text"


def _renderer(log_format: str) -> Processor:
    if _is_text(log_format):
        return _render_text
    return structlog.processors.JSONRenderer(_json)


def _render_text(log: Any, name: str, event: EventDict) -> str:
    """Formats an entry as one line, and indents the lines of its traceback.

    Characters that control a terminal or are invisible become escapes.
    """
    first, *others = _as_text(log, name, event).splitlines()
    return "\n".join([_escape(first), *(f"    {_escape(line)}" for line in others)])


def _escape(line: str) -> str:
    """Replaces characters that are not printable with escapes, which are also valid in JSON."""
    if line.isprintable():
        return line
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in line)


def _json(event: object, **_: object) -> str:
    """Returns an entry as JSON. Bytes that are not UTF-8, as in names of files, become U+FFFD."""
    try:
        text = orjson.dumps(event, default=str).decode()
    except orjson.JSONEncodeError:
        text = _LONE_SURROGATE.sub("\ufffd", json.dumps(event, default=str, ensure_ascii=False))
    return _escape(text)
