"""roster db: the schema of the database."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from domain.english import counted
from domain.errors import Conflict, NotFound
from entrypoints.cli import output
from entrypoints.cli.confirmation import confirm, yes_option
from entrypoints.cli.database_file import require_database
from entrypoints.cli.signals import exit_on_signals
from entrypoints.settings import BadSetting, Settings

_REVISION = re.compile(r"heads?(-[0-9]+)?|base(\+[0-9]+)?|[0-9]+([+-][0-9]+)?|[+-][0-9]+")
"""A revision, or a number of steps from one."""
_MAX_REVISION_LENGTH = 50
_DUMP_PROGRAMS = {"postgresql": "pg_dump", "mariadb": "mariadb-dump"}

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from adapters.sql.email_keys import SharedMailboxes


class NoSuchRevision(NotFound):
    """The revision does not exist, or is not in that direction."""

    code = "no_such_revision"


class NewerSchema(Conflict):
    """A newer release has migrated the database."""

    code = "newer_schema"


class SchemaDiffers(Conflict):
    """The tables are not those of this release."""

    code = "schema_differs"


class FileExists(Conflict):
    """The file for a backup exists, or belongs to the database."""

    code = "file_exists"


class MailboxesShared(Conflict):
    """Several users have the same mailbox, which was allowed before revision 0008."""

    code = "mailboxes_shared"

    def __init__(self, shared: "SharedMailboxes") -> None:
        named = [f"user {user} (mailbox of user {other})" for user, other in shared.users]
        if more := shared.count - len(named):
            named.append(f"and {counted(more, 'other')}")
        first = shared.users[0][0]
        super().__init__(
            "The tables are upgraded, but these users have the mailbox of another user, so they "
            f"cannot be found by email: {', '.join(named)}. For each, set another email "
            f"(roster users update {first} --email …) or delete the user (roster users delete "
            f"{first}), then run roster db upgrade again."
        )


@click.group()
def db() -> None:
    """Manage the tables of the database."""


@db.command()
@click.argument("revision", default="head")
def upgrade(revision: str) -> None:
    """Upgrade the tables to REVISION.

    The default is the revision of this release. The file of an SQLite database is created if it
    does not exist. The command also updates the keys of emails that the previous release stored:
    run it again after the last process of that release has stopped. The exit status is 1 if several
    users have the same mailbox.
    """
    from adapters.sql import schema
    from adapters.sql.email_keys import upgrade_database

    with _database(create=True) as engine, _existing(revision, "upgraded"):
        shared = upgrade_database(engine, revision, report=_report)
        reached = schema.current(engine)
    if schema.is_newer(reached):
        _report(
            f"A newer release has migrated the database. This release needs {schema.REVISION}, so "
            "there is nothing to do."
        )
    output.line(reached or "base")
    if shared and shared.count:
        raise MailboxesShared(shared)


@db.command()
@click.argument("revision")
@yes_option
def downgrade(revision: str, yes: bool) -> None:
    """Downgrade the tables to REVISION.

    "base" removes them with their contents. The command shows how many rows it deletes, and
    asks for confirmation. Only a backup can restore them.
    """
    from adapters.sql import schema
    from adapters.sql.revisions import number_of

    with _database() as engine, _existing(revision, "downgraded"):
        target, present = number_of(revision), schema.current(engine)
        if schema.is_newer(present):
            raise NewerSchema(
                f"A newer release has migrated the database to {present}. Downgrade it with that "
                "release."
            )
        if (target or "") > (present or ""):
            raise _no_such_revision(revision, f"downgraded from {present}")
        if target != present:
            confirm(_warning(engine, present, target), yes=yes)
            schema.downgrade(engine, target or "base", report=_report)
        output.line(schema.current(engine) or "base")


def _warning(engine: "Engine", present: str | None, target: str | None) -> str:
    """The message about the data that a downgrade deletes, with the numbers of rows."""
    from adapters.sql import schema

    lost = [f"the {what} ({counted(rows, 'row')})" for what, rows in schema.losses(engine, target)]
    what = ", ".join(lost) if lost else "no rows"
    return f"Downgrading from {present} to {target or 'base'} deletes {what}."


def _report(line: str) -> None:
    click.echo(line, err=True)


@db.command()
def current() -> None:
    """Show the revision of the tables."""
    from adapters.sql import schema

    with _database() as engine:
        output.line(schema.current(engine) or "base")


@db.command()
def check() -> None:
    """Check that the tables are those of this release.

    Also checks that the stored keys of emails are up to date.
    """
    from adapters.sql import schema
    from adapters.sql.email_keys import count_outdated_keys

    with _database() as engine:
        revision = schema.current(engine)
        if revision != schema.REVISION:
            remedy = "use a newer release" if schema.is_newer(revision) else "run roster db upgrade"
            raise SchemaDiffers(
                f"The database is at {revision or 'base'}, this release at {schema.REVISION}: "
                f"{remedy}."
            )
        if differences := schema.drift(engine):
            raise SchemaDiffers(f"The tables differ: {'; '.join(differences)}")
        if outdated := count_outdated_keys(engine):
            users = counted(outdated, "user has", "users have")
            raise SchemaDiffers(f"{users} an outdated email key: run roster db upgrade.")
    output.line(f"The database is at {revision}, as this release requires.")


@db.command()
@click.argument("file", type=click.Path())
def backup(file: str) -> None:
    """Copy an SQLite database to FILE, which must not exist.

    The service can run meanwhile. The copy is checked before it gets its name, and only its owner
    can read it.
    """
    from adapters.sql import schema
    from adapters.sql.failures import NotMigrated
    from adapters.sql.sqlite_backup import back_up
    from entrypoints.cli.files import STANDARD, FileFailed, require_name
    from entrypoints.cli.progress import Progress

    require_name(file)
    if file == STANDARD:
        raise click.UsageError("FILE must be the name of a file: SQLite can't write to a pipe.")
    settings = Settings.of(os.environ)
    _check_source(settings, file)
    with exit_on_signals(), _database() as engine, Progress("Copying pages") as progress:
        revision = schema.current(engine)
        if revision is None:
            raise NotMigrated("The file has no tables of Roster. Check ROSTER_DATABASE_URL.")
        try:
            size = back_up(engine, Path(file), report=progress.reach)
        except FileExistsError:
            raise FileExists(f"{file} exists already. Choose another name.") from None
        except OSError as error:
            raise FileFailed(file, error) from error
    output.line(f"Backed up to {file}: {size / 1e6:.1f} MB, at {revision}.")


def _check_source(settings: Settings, file: str) -> None:
    """Raises BadSetting if the database has no file, FileExists if FILE belongs to it."""
    from adapters.sql import sqlite_file

    if not settings.embedded:
        problem = "roster db backup is for SQLite"
        if program := _DUMP_PROGRAMS.get(settings.database):
            problem += f"; use {program} for this database"
        raise BadSetting("ROSTER_DATABASE_URL", problem)
    if sqlite_file.is_part_of_database(file, settings.database_url):
        raise FileExists(f"{file} belongs to the database. Choose another name.")
    if missing := sqlite_file.missing_file(settings.database_url):
        raise BadSetting("ROSTER_DATABASE_URL", f"the file {missing} does not exist")


@contextmanager
def _database(*, create: bool = False) -> Iterator["Engine"]:
    """The engine of the configured database, after a test query.

    Raises NoDatabase if the file of an SQLite database does not exist, unless `create` is set.
    Raises Unavailable if the database does not respond within the time of a request.
    """
    import entrypoints.resources  # noqa: F401 (they declare their tables)
    from adapters.sql import schema
    from adapters.sql.engine import make_engine
    from application.deadlines import deadline

    settings = Settings.of(os.environ)
    if settings.store == "memory":
        raise BadSetting("ROSTER_DATABASE_URL", "memory:// has no tables")
    if not create:
        require_database(settings)
    engine = make_engine(settings.database_url, pool_size=2)
    try:
        with deadline(settings.request_seconds):
            schema.current(engine)
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _existing(revision: str, migrated: str) -> Iterator[None]:
    """Raises NoSuchRevision if the text is not a revision, or the block does not find it.

    `migrated` is the verb of the message: upgraded or downgraded.
    """
    from alembic.util import CommandError

    if not _REVISION.fullmatch(revision):  # some of these would fail an assertion of Alembic
        raise _no_such_revision(revision, migrated)
    try:
        yield
    except CommandError as error:
        raise _no_such_revision(revision, migrated) from error


def _no_such_revision(revision: str, migrated: str) -> NoSuchRevision:
    from adapters.sql.schema import REVISION

    shown = revision[:_MAX_REVISION_LENGTH] or "an empty name"
    return NoSuchRevision(
        f"The tables can't be {migrated} to {shown}. The revisions are 0001 to {REVISION}, head "
        "and base."
    )
