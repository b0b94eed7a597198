"""The header with the position of a change, for a store that also reads from replicas."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from adapters.web.security_headers import Headers
from application.ports import Positions, RequestPosition

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

POSITION: Final = "Roster-Position"
"""The header of a response to a change, which the client may send with its next reads."""
_KEY: Final = "roster.position"
_ENVIRON_NAME: Final = "HTTP_ROSTER_POSITION"
_SUCCESS: Final = "2"


class TrackedPositions:
    """Wraps the application: responses to changes have the position that they have reached."""

    def __init__(self, app: "WSGIApplication", positions: Positions) -> None:
        self._app = app
        self._positions = positions

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        def starting(status: str, headers: Headers, *exc_info: Any) -> Any:
            if position.reached is not None and status.startswith(_SUCCESS):
                headers.append((POSITION, position.reached))
            return start_response(status, headers, *exc_info)

        with self._positions.track() as position:
            environ[_KEY] = position
            return self._app(environ, starting)


def position_of(environ: "WSGIEnvironment") -> RequestPosition | None:
    """Returns the position of the request. None if the store has no replicas."""
    position: RequestPosition | None = environ.get(_KEY)
    return position


def sent_position(environ: "WSGIEnvironment") -> str | None:
    """Returns the position that the client has sent, if any."""
    value: str | None = environ.get(_ENVIRON_NAME)
    return None if value is None else value.strip(" \t")
