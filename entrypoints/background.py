"""The work of a process next to its requests: maintenance, and sending emails."""

from typing import TYPE_CHECKING

from entrypoints.maintenance import Maintenance
from entrypoints.settings import Settings

if TYPE_CHECKING:
    from entrypoints.container import Container


def start_background_work(
    container: "Container", settings: Settings, *, address: str | None
) -> None:
    """Starts the daemon threads of this process. `address` is the URL of the service, if known.

    Raises BadSetting if emails cannot be sent with the settings.
    """
    Maintenance(container.store(), batch_seconds=settings.request_seconds).start()
    if accounts := container.accounts():
        from entrypoints.mail import make_delivery
        from entrypoints.mail_sender import MailSender

        run, counts = container.run(), accounts.emails
        MailSender(make_delivery(settings, accounts.config, run, counts, address)).start()
