"""Records when each request of this process began, and which bodies are still being read."""

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
        """Records that the headers of a request have arrived."""
        self._began[id(environ)] = monotonic()

    def end(self, environ: "WSGIEnvironment") -> None:
        """Removes a request whose response is complete."""
        self._began.pop(id(environ), None)

    def begin_reading(self, environ: "WSGIEnvironment") -> None:
        """Records that the body of a request is being read."""
        self._reading[id(environ)] = monotonic()

    def end_reading(self, environ: "WSGIEnvironment") -> None:
        """Records that the body is no longer being read."""
        self._reading.pop(id(environ), None)

    def read_since(self) -> list[float]:
        """The time at which reading began, for each incomplete body."""
        return list(self._reading.values())

    def processed_since(self) -> list[float]:
        """The time at which the request began, for each request whose body is not being read."""
        began = self._began.copy()  # atomic: other threads add and remove entries
        for key in list(self._reading):
            began.pop(key, None)
        return list(began.values())


PROGRESS: Final = Progress()
"""The requests of this process."""
