"""The requests that this process works on: when each began, and which are still being read."""

from time import monotonic
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class Progress:
    """Records requests by their environment. Times are those of the monotonic clock."""

    def __init__(self) -> None:
        self._began: dict[int, float] = {}
        self._reading: dict[int, float] = {}

    def begin(self, environ: "WSGIEnvironment") -> None:
        """Record that the head of a request has arrived."""
        self._began[id(environ)] = monotonic()

    def end(self, environ: "WSGIEnvironment") -> None:
        """Forget a request whose response is complete."""
        self._began.pop(id(environ), None)

    def begin_reading(self, environ: "WSGIEnvironment") -> None:
        """Record that the body of a request is being read."""
        self._reading[id(environ)] = monotonic()

    def end_reading(self, environ: "WSGIEnvironment") -> None:
        """Record that nothing of the body is being read any more."""
        self._reading.pop(id(environ), None)

    def read_since(self) -> list[float]:
        """When the reading of each body that is still incomplete began."""
        return list(self._reading.values())

    def processed_since(self) -> list[float]:
        """When each request began of which nothing is being read any more."""
        began = self._began.copy()  # one step: other threads add and remove entries
        for key in list(self._reading):
            began.pop(key, None)
        return list(began.values())


PROGRESS: Final = Progress()
"""The requests of this process."""
