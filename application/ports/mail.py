"""The rendering and the delivery of emails."""

from typing import NamedTuple, Protocol

from domain.accounts import Template


class MailFailed(Exception):
    """The mail server did not accept the email now.

    `is_certain`: the email was certainly not accepted. Otherwise it may have been sent.
    """

    def __init__(self, reason: str, *, is_certain: bool) -> None:
        super().__init__(reason)
        self.is_certain = is_certain


class Recipient(Protocol):
    """The user to whom an email is sent."""

    @property
    def id(self) -> int: ...

    @property
    def email(self) -> str: ...

    @property
    def name(self) -> str: ...


class OutgoingEmail(NamedTuple):
    """An email to be rendered and sent. `token` is that of its link; None if it has none.

    `user` is None for a sign-up, whose email contains no text that the client chose.
    """

    template: Template
    address: str
    message_id: str
    user: Recipient | None
    token: str | None


class Mailer(Protocol):
    """Renders and sends emails."""

    def send(self, email: OutgoingEmail) -> None:
        """Sends an email. Raises MailFailed."""
