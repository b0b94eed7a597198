"""Checks that the file of an SQLite database exists. Most commands do not create it."""

from typing import TYPE_CHECKING

from application.ports import Unavailable

if TYPE_CHECKING:
    from pathlib import Path

    from entrypoints.settings import Settings


class NoDatabase(Unavailable):
    """The file of the database does not exist."""

    code = "no_database"

    def __init__(self, file: "Path") -> None:
        folder = file.parent
        create = "" if folder.exists() else f"Create the folder {folder} first. "
        super().__init__(
            f"The database {file} does not exist. {create}Run roster db upgrade to create it, or "
            "check ROSTER_DATABASE_URL."
        )


def require_database(settings: "Settings") -> None:
    """Raises NoDatabase if the database is a file that does not exist.

    SQLite would create it: a command in the wrong directory would use an empty database.
    """
    if settings.database != "sqlite":
        return
    from adapters.sql.sqlite_file import missing_file

    if file := missing_file(settings.database_url):
        raise NoDatabase(file)
