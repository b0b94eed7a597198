"""The errors of accounts."""

from application.access import Unauthenticated
from domain.english import counted
from domain.errors import Forbidden, NotFound, RosterError


class InvalidCredentials(Unauthenticated):
    """The address and the password do not identify an active user."""

    code = "invalid_credentials"

    def __init__(self) -> None:
        super().__init__("The email or the password is wrong.")


class TooManyFailures(RosterError):
    """There were too many wrong passwords. `retry_after` is in seconds."""

    code = "too_many_failures"

    def __init__(self, retry_after: int) -> None:
        seconds = counted(retry_after, "second")
        super().__init__(f"Too many wrong passwords. Try again in {seconds}.")
        self.retry_after = retry_after


class WrongPassword(Forbidden):
    """The user's own password is wrong. `attribute` is the name of the attribute that has it."""

    code = "wrong_password"

    def __init__(self, attribute: str) -> None:
        super().__init__("The password is wrong.")
        self.attribute = attribute


class NotAUser(Forbidden):
    """The request requires the token of a session."""

    code = "not_a_user"

    def __init__(self) -> None:
        super().__init__("The request requires the access token of a session. Log in first.")


class LinkInvalid(Forbidden):
    """The token of the link is unknown, used or expired."""

    code = "link_invalid"
    attribute = "token"

    def __init__(self) -> None:
        super().__init__("The link is not valid: it was used, or has expired. Request a new one.")


class SignupClosed(Forbidden):
    """The service does not accept sign-ups."""

    code = "signup_closed"

    def __init__(self) -> None:
        super().__init__("Sign-up is not enabled on this service.")


class OwnAttribute(Forbidden):
    """Users cannot change these attributes of themselves: `attribute` and `others`."""

    code = "read_only"

    def __init__(self, attribute: str, *others: str) -> None:
        super().__init__(f"You can change only your name here, not {attribute}.")
        self.attribute = attribute
        self.others = tuple(map(OwnAttribute, others))


class SessionNotFound(NotFound):
    """The user has no session with that id."""

    code = "session_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such session.")


class InvalidGrant(RosterError):
    """The refresh token is unknown or was used before, or its session has ended (RFC 6749, 5.2)."""

    code = "invalid_grant"

    def __init__(self) -> None:
        super().__init__("The refresh token is not valid.")


class InvalidScope(RosterError):
    """The requested scope exceeds the scopes of the user (RFC 6749, section 5.2)."""

    code = "invalid_scope"

    def __init__(self) -> None:
        super().__init__("The user does not have all of the requested scopes.")
