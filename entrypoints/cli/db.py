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

    from adapters.sql.email_keys import SharedMailboxes


class NoSuchRevision(NotFound):
    """There is no such revision, or none in that direction."""

    code = "no_such_revision"


class Differs(Conflict):
    """The database isn't what this release needs."""

    code = "schema_differs"


class MailboxesShared(Conflict):
    """Users have the mailbox of another user, as releases before 0008 allowed."""

    code = "mailboxes_shared"

    def __init__(self, shared: "SharedMailboxes") -> None:
        named = [f"user {user} (mailbox of user {other})" for user, other in shared.users]
        if more := shared.count - len(named):
            named.append(f"and {more} more")
        first = shared.users[0][0]
        super().__init__(
            "The tables are upgraded, but these users have the mailbox of another user, so that "
            f"they are not found by email: {', '.join(named)}. For each, set another email "
            f"(roster users update {first} --email …) or delete the user (roster users delete "
            f"{first}), then run roster db upgrade again."
        )


@click.group()
def db() -> None:
    """Look after the tables in ROSTER_DATABASE_URL."""


@db.command()
@click.argument("revision", default="head")
def upgrade(revision: str) -> None:
    """Upgrade the tables to REVISION, by default this release's.

    Also updates the keys of emails that the release before stored. Run it again after the last
    process of that release has stopped. Exit status 1 if several users have the same mailbox.
    """
    from adapters.sql import schema

    with _database() as engine, _known(revision):
        shared = schema.upgrade(engine, revision)
        click.echo(schema.current(engine))
    if shared and shared.count:
        raise MailboxesShared(shared)


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
    """Fail unless the tables, and the keys of emails in them, are those of this release."""
    from adapters.sql import schema

    with _database() as engine:
        revision = schema.current(engine)
        if revision != schema.REVISION:
            found = revision or "base"
            raise Differs(f"The database is at {found}, this release at {schema.REVISION}.")
        if differences := schema.drift(engine):
            raise Differs(f"The tables differ: {'; '.join(differences)}")
        if outdated := schema.count_outdated_keys(engine):
            users = "1 user has" if outdated == 1 else f"{outdated} users have"
            raise Differs(f"{users} an outdated email key: run roster db upgrade.")
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
