"""roster db: the schema of the database."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from domain.errors import Conflict, NotFound
from entrypoints.settings import BadSetting, Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine


class NoSuchRevision(NotFound):
    """There is no such revision, or none in that direction."""

    code = "no_such_revision"


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
        schema.upgrade(engine, revision)
        click.echo(schema.current(engine))


@db.command()
@click.argument("revision")
def downgrade(revision: str) -> None:
    """Take the tables back to REVISION; "base" removes them, with all users."""
    from adapters.sql import schema

    with _database() as engine, _known(revision):
        schema.downgrade(engine, revision)
        click.echo(schema.current(engine) or "base")


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
