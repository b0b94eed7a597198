"""Writes emails to a folder instead of sending them."""

import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from adapters.mail.message import Composer
from application.ports import Mailer, MailFailed, OutgoingEmail

_OWNER_ONLY_FOLDER: Final = 0o700
_OWNER_ONLY_FILE: Final = 0o600
_GROUP_AND_OTHERS: Final = 0o077


class BadFolder(Exception):
    """The folder cannot be used. The message states the reason."""


def prepare_folder(folder: Path) -> None:
    """Creates the folder if it does not exist. Only its owner can access it.

    Raises BadFolder if the folder cannot be created, or others have a permission on it.
    """
    try:
        with suppress(FileExistsError):
            folder.mkdir(mode=_OWNER_ONLY_FOLDER)
        status = folder.stat()
        if not folder.is_dir():
            raise BadFolder(f"{folder} is not a folder")
    except OSError as error:
        raise BadFolder(f"{folder} cannot be created or read: {error.strerror}") from None
    if status.st_mode & _GROUP_AND_OTHERS:
        raise BadFolder(
            f"{folder} is accessible to other users, and emails contain secret links; "
            f"remove their permissions: chmod 700 {folder}"
        )
    if status.st_uid != os.geteuid():
        raise BadFolder(f"{folder} belongs to another user")


class FolderMailer(Mailer):
    """Writes each email to a file. Its name starts with the time, so names sort by age.

    Creates the folder. Raises BadFolder.
    """

    def __init__(self, composer: Composer, folder: Path) -> None:
        self._composer = composer
        self._folder = folder
        prepare_folder(folder)

    def send(self, email: OutgoingEmail) -> None:
        content = bytes(self._composer.compose(email, allow_8bit=True))
        try:
            prepare_folder(self._folder)
            self._write(_name(email.message_id), content)
        except BadFolder as error:
            raise MailFailed(str(error), is_certain=True) from None
        except OSError as error:
            reason = f"the file of the email cannot be written: {error.strerror}"
            raise MailFailed(reason, is_certain=True) from None

    def _write(self, name: str, content: bytes) -> None:
        """Writes a file that appears in the folder only when it is complete."""
        temporary = self._folder / f".{name}.part"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            with open(os.open(temporary, flags, _OWNER_ONLY_FILE), "wb") as file:  # noqa: PTH123
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(self._folder / f"{name}.eml")
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _name(message_id: str) -> str:
    time = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    unique = message_id.partition("@")[0]
    return f"{time}-{''.join(c if c.isalnum() or c in '-_' else '_' for c in unique)}"
