"""The errors of a store that fails."""

from domain.errors import RosterError


class Unavailable(RosterError):
    """The store cannot do the work now. Nothing was changed, except perhaps with OutcomeUnknown.

    `reason` is the cause, if it is known, for the operator's terminal and log. The API never
    returns it.
    """

    code = "unavailable"
    reason: str | None = None

    def __init__(self, detail: str = "The directory is unavailable. Try again later.") -> None:
        super().__init__(detail)

    @property
    def explanation(self) -> str:
        """The message for the operator: the detail, and the reason if it is known."""
        if self.reason is None:
            return self.detail
        if type(self) is Unavailable:  # its detail adds nothing to the reason
            return self.reason
        return f"{self.detail.rstrip('.')}: {self.reason}"


class ConcurrentUpdate(Unavailable):
    """Another unit of work changed the same data first. Nothing was changed. A retry is safe."""

    code = "overtaken"

    def __init__(self) -> None:
        super().__init__(
            "Other requests kept changing the same data. Nothing was changed. Try again."
        )


class OutcomeUnknown(Unavailable):
    """The response to a commit was lost. Either all changes were applied or none."""

    code = "outcome_unknown"

    def __init__(self) -> None:
        super().__init__(
            "The database did not confirm the commit, so the change may or may not have been "
            "applied. Check before you try again."
        )
