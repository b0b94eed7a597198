"""Every log entry begins a line, and has only printable text."""

import json
import logging
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import structlog

from entrypoints import logs

HOSTILE = "\x1b[2J\x9b31m\r\n2026-11-26T09:30:00Z [info     ] forged\x0b\x85\u2028\u202e\x00\x08"


@pytest.fixture(params=["json", "text"])
def log_format(request: pytest.FixtureRequest) -> Any:
    """Each of the formats. The configuration is restored after the test."""
    before = structlog.get_config()
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield request.param
    root.handlers[:], root.level = handlers, level
    structlog.configure(**before)


def log_all(log_format: str) -> None:
    """Logs hostile text in each part of an entry, from Roster and from a library."""
    logs.configure(log_format)
    log = structlog.get_logger()
    log.info("request", path=HOSTILE, method="\x1b[31mGET")
    log.info(HOSTILE)
    handler = logging.StreamHandler(sys.stdout)
    logged = logs.server_logging(log_format)["formatters"]["generic"]
    handler.setFormatter(logged.pop("()")(**logged))
    library = logging.Logger("library")
    library.addHandler(handler)
    for log_error in (log.error, library.error):
        try:
            raise ValueError(HOSTILE)
        except ValueError:
            log_error("fault", exc_info=True)
    library.warning(HOSTILE)


def test_every_event_begins_one_line(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    log_all(log_format)
    written = capsys.readouterr().out
    lines = written.split("\n")
    assert lines.pop() == ""
    assert lines == written.splitlines()  # splitlines also splits at separators other than \n
    assert all(line.isprintable() for line in lines)
    assert len([line for line in lines if not line.startswith("    ")]) == 5
    if log_format == "json":
        entries = [json.loads(line) for line in lines]
        assert [each["event"] for each in entries] == [
            "request",
            HOSTILE,
            "fault",
            "fault",
            HOSTILE,
        ]
        assert entries[0]["path"] == HOSTILE
    else:
        assert "    ValueError: \\u001b[2J" in written


@pytest.mark.parametrize("value", ["keys\udcff.json", ["keys\udcff.json"], 2**70])
def test_any_value_can_be_logged(
    log_format: str, capsys: pytest.CaptureFixture[str], value: object
) -> None:
    """Otherwise the request or the start that logs the name of a file would fail."""
    logs.configure(log_format)
    structlog.get_logger().warning("unreadable", file=value)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.isprintable()
    assert ("keys" if value != 2**70 else str(2**70)) in line
    if log_format == "json":
        assert json.loads(line)["event"] == "unreadable"


def test_an_entry_for_a_full_disk_is_lost(log_format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the request that is logged, or the thread that logs, would fail."""
    with (
        suppress(OSError),
        Path("/dev/full").open("w") as full,
        monkeypatch.context() as patched,
    ):
        patched.setattr(sys, "stdout", full)
        logs.configure(log_format)
        log_request = logs.request_logger(log_format)
        try:
            log_request({"status": 200})
            structlog.get_logger().warning("maintenance_failed")
        except OSError as error:
            pytest.fail(f"not lost: {error}")
