"""Checks of the file of an SQLite database.

Most commands do not create it, and no command overwrites it.
"""

import os
from typing import TYPE_CHECKING

import click

from application.ports import Unavailable
from entrypoints.cli.files import STANDARD
from entrypoints.cli.output import printable
from entrypoints.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


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


def require_database(settings: Settings) -> None:
    """Raises NoDatabase if the database is a file that does not exist.

    SQLite would create it: a command in the wrong directory would use an empty database.
    """
    if settings.database != "sqlite":
        return
    from adapters.sql.sqlite_file import missing_file

    if file := missing_file(settings.database_url):
        raise NoDatabase(file)


def reject_database_file(name: str) -> None:
    """Raises UsageError if the file is part of the database, which it would overwrite."""
    settings = Settings.of(os.environ)
    if name == STANDARD or not settings.embedded:
        return
    from adapters.sql.sqlite_file import is_part_of_database

    if is_part_of_database(name, settings.database_url):
        raise click.UsageError(f"{printable(name)} is a file of the database. Choose another name.")
