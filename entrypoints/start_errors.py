"""The errors that stop a server before it serves."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from application.ports import Unavailable
from domain.errors import RosterError
from entrypoints.settings import BadSetting

_FAILED = 1
_INVALID_SETTING = 2


@contextmanager
def exit_on_errors() -> Iterator[None]:
    """Prints the reason of an error that the operator can remove, and exits.

    The exit status is 2 for an invalid setting, and otherwise 1.
    """
    try:
        yield
    except BadSetting as error:
        problem, status = str(error), _INVALID_SETTING
    except Unavailable as error:
        problem, status = f"{error.code}: {error.explanation}", _FAILED
    except RosterError as error:
        problem, status = f"{error.code}: {error.detail}", _FAILED
    except OSError as error:
        file = f": {error.filename}" if error.filename else ""
        problem, status = f"system_error: {error.strerror or error}{file}", _FAILED
    else:
        return
    sys.stderr.write(f"Error: {problem}\n")
    raise SystemExit(status)


@contextmanager
def rejected_variables() -> Iterator[None]:
    """Raises BadSetting if OpenTelemetry rejects one of its own variables in the block.

    The block imports OpenTelemetry, whose modules read some of the variables when they are
    imported.
    """
    try:
        yield
    except ValueError as error:
        problem = f"OpenTelemetry rejects another variable that begins with OTEL_: {error}"
        raise BadSetting("OTEL_EXPORTER_OTLP_ENDPOINT", problem) from None
