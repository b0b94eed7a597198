"""Who asks, and what they may do."""

from dataclasses import dataclass

from domain.errors import RosterError


class Unauthenticated(RosterError):
    """Nobody trusted says who asks."""


class MissingToken(Unauthenticated):
    """There is no token."""

    code = "missing_token"

    def __init__(self) -> None:
        super().__init__("A token is needed here: Authorization: Bearer TOKEN.")


class InvalidToken(Unauthenticated):
    """There is a token that nobody trusted has made, or not for this time and place."""

    code = "invalid_token"

    def __init__(self, detail: str = "The token is not valid here.") -> None:
        super().__init__(detail)


class InsufficientScope(RosterError):
    """It may be done, but not by the one who asks."""

    code = "insufficient_scope"

    def __init__(self, scope: str) -> None:
        super().__init__(f"The token lacks the scope {scope}.")
        self.scope = scope


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever asks: their name among all principals, if they have one, and their scopes."""

    subject: str | None
    scopes: frozenset[str]

    def must_hold(self, scope: str) -> None:
        """InsufficientScope without it. Scopes are compared whole."""
        if scope not in self.scopes:
            raise InsufficientScope(scope)
