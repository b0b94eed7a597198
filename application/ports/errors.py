"""The failures of a store."""

from domain.errors import RosterError


class Unavailable(RosterError):
    """The store can't do it now. Nothing happened, but for OutcomeUnknown.

    `reason` is the cause for the operator's terminal and log, if it is known. Clients of the API
    never see it.
    """

    code = "unavailable"
    reason: str | None = None

    def __init__(self, detail: str = "The directory can't be reached now; try again.") -> None:
        super().__init__(detail)

    @property
    def explanation(self) -> str:
        """The message for the operator: the detail, and the reason if it is known."""
        if self.reason is None:
            return self.detail
        if type(self) is Unavailable:  # its detail says no more than the reason
            return self.reason
        return f"{self.detail.rstrip('.')}: {self.reason}"


class ConcurrentUpdate(Unavailable):
    """Another unit of work changed the same thing first; nothing happened, and it may run again."""

    code = "overtaken"

    def __init__(self) -> None:
        super().__init__("Others kept changing the same thing; try again.")


class OutcomeUnknown(Unavailable):
    """The answer to a commit was lost: all of it happened, or nothing."""

    code = "outcome_unknown"

    def __init__(self) -> None:
        super().__init__("The answer of the database was lost: look whether it happened.")
