"""Creates the mailer and the delivery of emails according to the settings."""

from pathlib import Path
from typing import Final

from adapters.mail.folder import BadFolder, FolderMailer
from adapters.mail.message import Composer, parse_sender
from adapters.mail.smtp import SmtpMailer, parse_smtp_url
from adapters.mail.templates import BadTemplate, MailTemplates
from adapters.tokens.random_tokens import SecureTokens
from application.accounts.config import AccountConfig
from application.accounts.counts import ResultCounts
from application.accounts.delivery import Delivery
from application.ports import Mailer, UnitRunner
from entrypoints.link_urls import make_link_urls
from entrypoints.settings import BadSetting, Settings

_DEFAULT_SENDER: Final = "Roster <roster@localhost.localdomain>"


def make_mailer(settings: Settings, address: str | None) -> Mailer:
    """Creates the mailer. `address` is the URL that the service listens on, if it is known.

    Raises BadSetting if the templates or the folder of emails cannot be used.
    """
    try:
        templates = MailTemplates(
            Path(settings.mail_templates) if settings.mail_templates else None
        )
    except BadTemplate as error:
        raise BadSetting("ROSTER_MAIL_TEMPLATES", str(error)) from None
    sender = parse_sender(settings.mail_from or _DEFAULT_SENDER)
    composer = Composer(templates, make_link_urls(settings, address), sender)
    if settings.smtp_url:
        return SmtpMailer(composer, parse_smtp_url(settings.smtp_url))
    try:
        return FolderMailer(composer, Path(settings.mail_folder))
    except BadFolder as error:
        raise BadSetting("ROSTER_MAIL_FOLDER", str(error)) from None


def make_delivery(
    settings: Settings,
    config: AccountConfig,
    run: UnitRunner,
    counts: ResultCounts,
    address: str | None,
) -> Delivery:
    """Creates the delivery of emails. `counts` are those of the attempts to send them.

    `address` is the URL that the service listens on, if it is known. Raises BadSetting.
    """
    mailer = make_mailer(settings, address)
    return Delivery(run, mailer, SecureTokens(), config.link_ttl, counts)
