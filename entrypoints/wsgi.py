"""`app`, for another WSGI server.

Migrate the database first (`roster db upgrade`). The server must limit the time of bodies and of
idle connections. It must import this module in each worker process, not before it forks. The
import starts the threads that send emails and delete expired data.
"""

import os

from entrypoints import logs
from entrypoints.access import check_keys
from entrypoints.background import start_background_work
from entrypoints.container import Container
from entrypoints.settings import ACCESS_CONTROL, BadSetting, Settings
from entrypoints.signing_keys import open_signing_keys
from entrypoints.start_errors import exit_on_errors


def _checked(settings: Settings) -> Settings:
    if settings.is_open and not settings.allow_open:
        raise BadSetting(
            "ROSTER_ALLOW_OPEN",
            "must be 1 to serve without access control: anyone who can reach the service can read "
            f"and change all users. Or set {ACCESS_CONTROL}",
        )
    if settings.accounts and settings.has_default_mail_folder:
        raise BadSetting(
            "ROSTER_MAIL_FOLDER",
            "must be set to serve without ROSTER_SMTP_URL: emails are otherwise written to the "
            "folder roster-mail",
        )
    check_keys(settings, may_be_unreachable=True)
    if settings.accounts:
        open_signing_keys(settings)
    return settings


with exit_on_errors():
    _settings = _checked(Settings.of(os.environ))
    logs.configure(_settings.log_format)
    container = Container(settings=_settings)
    app = container.app()
    start_background_work(container, _settings, address=None)
