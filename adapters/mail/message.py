"""Composes the messages of emails (RFC 5322, 6532)."""

import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime, parseaddr
from typing import Final

from adapters.mail.links import LinkUrls
from adapters.mail.templates import MailTemplates, RenderedEmail
from application.ports import MailFailed, OutgoingEmail
from domain.accounts import Purpose
from domain.text import email, email_key

_MAX_LINE_LENGTH: Final = 998
"""The maximum length of a line without its end (RFC 5322, section 2.1.1)."""
_MAX_ADDRESS_LENGTH: Final = 250
_CONTROLS: Final = ("Cc", "Cs", "Zl", "Zp")
"""The categories of control characters, lone surrogates and line breaks."""
_ENCODED_WORD: Final = "=?"
"""The start of an encoded word (RFC 2047), such as =?utf-8?q?Ann?=."""
_MAX_PLAIN_SUBJECT_LENGTH: Final = 78 - len("Subject: ")
"""The maximum length of a subject on one line (RFC 5322, section 2.1.1)."""


@dataclass(frozen=True, slots=True)
class _WrittenHeader:
    """A header that is written as it is.

    In all other values, also in addresses, the library decodes encoded words, and writes what it
    has decoded. So a value could add recipients, or lines with other headers.
    """

    name: str
    value: str

    def fold(self, *, policy: EmailPolicy) -> str:
        """Returns the lines of the header, for the library."""
        return f"{self.name}: {self.value}{policy.linesep}"


def parse_sender(text: str) -> Address:
    """Returns the sender in a setting: ADDRESS or NAME <ADDRESS>. Raises ValueError."""
    name, address = parseaddr(text) if text.isprintable() else ("", "")
    if email(address, max_length=_MAX_ADDRESS_LENGTH) or text not in _forms(name, address):
        raise ValueError("must be an email address, or NAME <ADDRESS>")
    return mailbox(address, name)


def _forms(name: str, address: str) -> tuple[str, ...]:
    """The accepted forms of an address with a name."""
    return address, f"{name} <{address}>", f'"{name}" <{address}>', f"<{address}>"


def mailbox(address: str, name: str = "") -> Address:
    """Returns an address with its domain in ASCII. Raises ValueError if it has control characters.

    With an ASCII domain, servers without SMTPUTF8 accept every address whose local part is ASCII.
    """
    if any(unicodedata.category(c) in _CONTROLS for c in address):
        raise ValueError("an address must not contain control characters or line breaks")
    local, _, domain = address.rpartition("@")
    if not domain.isascii():
        domain = email_key(f"a@{domain}").rpartition("@")[2]
    return Address(display_name=name, username=local, domain=domain)


class Composer:
    """Composes messages from `sender`, with links of `links`."""

    def __init__(self, templates: MailTemplates, links: LinkUrls, sender: Address) -> None:
        self._templates = templates
        self._links = links
        self.sender = sender

    def compose(self, outgoing: OutgoingEmail, *, allow_8bit: bool = False) -> EmailMessage:
        """Returns the message. With `allow_8bit`, text that is not ASCII is written unencoded.

        Raises MailFailed if the template fails or the address cannot be in a header.
        """
        # An email without a token links to the page on which its user can choose a new password.
        purpose = outgoing.template.purpose or Purpose.RECOVERY
        link = self._links(purpose, outgoing.token)
        try:
            rendered = self._templates.render(outgoing.template, link, outgoing.user)
            return self._message(outgoing, rendered, allow_8bit)
        except Exception as error:  # noqa: BLE001 (a template can contain any expression)
            # The error may contain the link.
            reason = f"{outgoing.template} cannot be composed: {type(error).__name__}"
            raise MailFailed(reason, is_certain=True) from None

    def _message(
        self, outgoing: OutgoingEmail, rendered: RenderedEmail, allow_8bit: bool
    ) -> EmailMessage:
        recipient = mailbox(outgoing.address)
        ascii_only = recipient.addr_spec.isascii() and self.sender.addr_spec.isascii()
        message = EmailMessage(policy.SMTP if ascii_only else policy.SMTPUTF8)
        message["From"] = self.sender
        message["To"] = _WrittenHeader("To", recipient.addr_spec)
        message["Subject"] = _WrittenHeader("Subject", _encoded(rendered.subject))
        message["Date"] = format_datetime(datetime.now(UTC))
        message["Message-ID"] = f"<{self._message_id(outgoing)}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834, section 5
        message.set_content(rendered.text, cte=_encoding(rendered.text, allow_8bit))
        message.add_alternative(
            rendered.html, subtype="html", cte=_encoding(rendered.html, allow_8bit)
        )
        return message

    def _message_id(self, outgoing: OutgoingEmail) -> str:
        """Returns the id with a domain (RFC 5322, section 3.6.4)."""
        return f"{outgoing.message_id}@{self.sender.domain}"


def _encoded(subject: str) -> str:
    """Returns the value of the header, which readers decode to the subject."""
    is_plain = subject.isascii() and _ENCODED_WORD not in subject
    if is_plain and len(subject) <= _MAX_PLAIN_SUBJECT_LENGTH:
        return subject
    return Header(subject, "utf-8", header_name="Subject").encode(linesep="\r\n")


def _encoding(text: str, allow_8bit: bool) -> str:
    """Returns the Content-Transfer-Encoding. Unencoded text stays readable in the message."""
    if all(len(line.encode()) <= _MAX_LINE_LENGTH for line in text.splitlines()):
        if text.isascii():
            return "7bit"
        if allow_8bit:
            return "8bit"
    return "quoted-printable"
