"""roster db: the schema of the database."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from domain.errors import Conflict, NotFound
from entrypoints.cli.confirmation import confirm, yes_option
from entrypoints.settings import BadSetting, Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine


class NoSuchRevision(NotFound):
    """There is no such revision, or none in that direction."""

    code = "no_such_revision"


class NewerSchema(Conflict):
    """A newer release has migrated the database."""

    code = "newer_schema"


class Differs(Conflict):
    """The database isn't what this release needs."""

    code = "schema_differs"


@click.group()
def db() -> None:
    """Look after the tables in ROSTER_DATABASE_URL."""


@db.command()
@click.argument("revision", default="head")
def upgrade(revision: str) -> None:
    """Bring the tables up to REVISION, by default this release's."""
    from adapters.sql import schema

    with _database() as engine, _known(revision):
        schema.upgrade(engine, revision, report=_report)
        reached = schema.current(engine)
    if schema.is_newer(reached):
        _report(
            f"A newer release has migrated the database; this one needs {schema.REVISION}. "
            "There is nothing to do."
        )
    click.echo(reached)


@db.command()
@click.argument("revision")
@yes_option
def downgrade(revision: str, yes: bool) -> None:
    """Take the tables back to REVISION; "base" removes them, with all users.

    Says how many rows it deletes, and asks for confirmation. Only a backup brings them back.
    """
    from adapters.sql import schema
    from adapters.sql.revisions import number_of

    with _database() as engine, _known(revision):
        target, present = number_of(revision), schema.current(engine)
        if schema.is_newer(present):
            raise NewerSchema(
                f"A newer release has migrated the database to {present}: downgrade it by that one."
            )
        if (target or "") > (present or ""):
            raise NoSuchRevision(f"The tables can't go down from {present} to {revision}.")
        if target != present:
            confirm(_warning(engine, present, target), yes=yes)
            schema.downgrade(engine, target or "base", report=_report)
        click.echo(schema.current(engine) or "base")


def _warning(engine: "Engine", present: str | None, target: str | None) -> str:
    """What a downgrade deletes, with the numbers of rows."""
    from adapters.sql import schema

    lost = [f"the {what} ({_rows(rows)})" for what, rows in schema.losses(engine, target)]
    what = ", ".join(lost) if lost else "no rows"
    return f"Downgrading from {present} to {target or 'base'} deletes {what}."


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _report(line: str) -> None:
    click.echo(line, err=True)


@db.command()
def current() -> None:
    """Show the revision at which the tables are."""
    from adapters.sql import schema

    with _database() as engine:
        click.echo(schema.current(engine) or "base")


@db.command()
def check() -> None:
    """Fail unless the tables are exactly those of this release."""
    from adapters.sql import schema

    with _database() as engine:
        revision = schema.current(engine)
        if revision != schema.REVISION:
            found = revision or "base"
            raise Differs(f"The database is at {found}, this release at {schema.REVISION}.")
        if differences := schema.drift(engine):
            raise Differs(f"The tables differ: {'; '.join(differences)}")
    click.echo(f"The database is at {revision}, as this release needs it.")


@contextmanager
def _database() -> Iterator["Engine"]:
    """The database of the settings, if it answers within the time of a request."""
    from adapters.sql import schema
    from adapters.sql.engine import make_engine
    from application.deadlines import within

    settings = Settings.of(os.environ)
    if settings.store == "memory":
        raise BadSetting("ROSTER_DATABASE_URL", "memory:// has no tables")
    engine = make_engine(settings.database_url, pool_size=2)
    try:
        with within(settings.request_seconds):
            schema.current(engine)
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _known(revision: str) -> Iterator[None]:
    from alembic.util import CommandError

    try:
        yield
    except CommandError as error:
        raise NoSuchRevision(f"The tables can't go to {revision}.") from error
