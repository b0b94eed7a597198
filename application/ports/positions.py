"""Positions in the sequence of a store's changes, for a store that also reads from replicas.

A replica repeats the changes of the store a little later. A client that sends the position of its
last change reads its own changes.
"""

from contextlib import AbstractContextManager
from typing import Protocol

from application.access import Principal


class RequestPosition(Protocol):
    """The position that one request has reached, and the one that its reads must include."""

    reached: str | None
    """The position after the last change of the request. None if there is none."""

    def allow_replicas(self, principal: Principal | None, position: str | None) -> None:
        """Lets the reads of the request use replicas, as far as they are recent enough.

        A replica must include `position`, if it is not None, and the recent changes of the
        principal. Raises ValueError if the text is not a position of the store.
        """


class Positions(Protocol):
    """Tracks the position of each request."""

    def track(self) -> AbstractContextManager[RequestPosition]:
        """Returns a context for one request. Outside of it, nothing is read from replicas."""
