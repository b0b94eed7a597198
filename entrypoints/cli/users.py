"""roster users: the same use cases, searches and documents as over HTTP."""

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from application.ports import Unavailable
from entrypoints.cli import lists, output
from entrypoints.cli.actor import actor_option
from entrypoints.cli.confirmation import confirm, yes_option
from entrypoints.cli.directory import Services, connected, open_services
from entrypoints.cli.lists import as_document

if TYPE_CHECKING:
    from domain.users import User


_ERASE_SECONDS = 600.0
"""A long history takes longer than a request may."""


class RemnantsLeft(Unavailable):
    """The values are erased from the tables, but not from the file of SQLite."""

    code = "remnants_left"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The database file still contains erased values: {reason} The service removes them "
            "within a minute, or when it starts; or repeat the command."
        )


@click.group()
def users() -> None:
    """Look after the users."""


@users.command("list")
@lists.options
def list_users(**asked: Any) -> None:
    """List users, by id unless sorted otherwise.

    \b
    roster users list --filter role=admin,owner --sort -creation_time
    roster users list --filter 'name[contains]=ann' --all --json
    """
    from adapters.resources.users import USERS

    wanted = lists.ListOptions(**asked)
    with open_services() as directory:
        question = directory.question(USERS, wanted.query(USERS.type))
        lists.show(wanted, USERS, question, directory.reader.page, directory.writer)


@users.command()
@click.argument("user", metavar="ID_OR_EMAIL")
@lists.options
def history(user: str, **asked: Any) -> None:
    """Show what happened to a user, also to one that is gone (by its id).

    \b
    roster users history 7
    roster users history ann@example.org --sort -id --limit 5 --json
    """
    from adapters.resources.events import EVENTS

    wanted = lists.ListOptions(**asked)
    with open_services() as directory:
        user_id = directory.id_of(user)
        its = directory.history.about(user_id)
        question = directory.question(EVENTS, wanted.query(EVENTS.type), within=its)
        writer = directory.history_writer(user_id)
        lists.show(wanted, EVENTS, question, partial(directory.history.page, user_id), writer)


@users.command()
@click.argument("user", metavar="ID_OR_EMAIL")
@as_document
def show(user: str, as_json: bool) -> None:
    """Show a user.

    \b
    roster users show 7
    roster users show ann@example.org --json
    """
    with open_services() as directory:
        _show(directory, directory.find(user), as_json=as_json)


def attributes(command: Any) -> Any:
    """The options that set what people set about a user."""
    for option in (
        click.option("--role", help="Its role."),
        click.option(
            "--active/--inactive", "is_active", default=None, help="Whether it is active."
        ),
        click.option("--name", help="Its name."),
        click.option("--email", help="Its email."),
    ):
        command = option(command)
    return command


@users.command()
@attributes
@actor_option
@as_document
def create(as_json: bool, **given: Any) -> None:
    """Create a user, inactive and of the role "user" unless said otherwise.

    \b
    roster users create --email ann@example.org --name 'Ann Example' --active
    """
    from adapters.resources.users import USERS
    from domain.users import NewUser

    with open_services() as directory:
        new = NewUser.of(*USERS.load(_given(given), partial=False))
        user = directory.commands.create(new, directory.context)
        _show(directory, user, as_json=as_json)


@users.command()
@click.argument("user", metavar="ID_OR_EMAIL")
@attributes
@actor_option
@as_document
def update(user: str, as_json: bool, **given: Any) -> None:
    """Change what is given of a user; the rest stays.

    \b
    roster users update 7 --role admin
    roster users update ann@example.org --email ann@example.com --inactive
    """
    from adapters.resources.users import USERS
    from domain.users import UserChanges

    with open_services() as directory:
        changes = UserChanges(*USERS.load(_given(given), partial=True))
        user_id = directory.find(user).id
        changed = directory.commands.change(user_id, changes, directory.context)
        _show(directory, changed, as_json=as_json)


@users.command()
@click.argument("user", metavar="ID_OR_EMAIL")
@click.option(
    "--erase",
    is_flag=True,
    help="Erase the user's personal values from the audit log and from stored responses as well.",
)
@click.option(
    "--subject",
    "subjects",
    multiple=True,
    metavar="SUBJECT",
    help="With --erase: also erase this token subject from the audit log. Can be repeated.",
)
@yes_option
@actor_option
def delete(user: str, erase: bool, subjects: tuple[str, ...], yes: bool) -> None:
    """Delete a user. The user's history stays.

    With --erase, the personal values in the history are erased. The events and their order stay.
    A user that was deleted before is erased by its id. An actor is erased from the audit log if it
    is the email or the name of the user, or the SUBJECT that --subject names.

    \b
    roster users delete ann@example.org
    roster users delete 7 --erase --subject auth0|1807
    """
    if erase:
        _erase(user, subjects, yes=yes)
        return
    if subjects:
        raise click.UsageError("--subject requires --erase.")
    with open_services() as directory:
        found = directory.find(user)
        directory.commands.delete(found.id, directory.context)
        click.echo(f"Removed user {found.id}.")


def _erase(user: str, subjects: tuple[str, ...], *, yes: bool) -> None:
    from application.deadlines import deadline

    with connected() as (settings, directory):
        with deadline(settings.request_seconds):
            user_id = directory.id_of(user)
            count = directory.event_count(user_id)
        events = f"{count} {'event' if count == 1 else 'events'}"
        confirm(
            f"This deletes user {user_id} and erases the personal values in {events} and in "
            "stored responses. It can't be undone.",
            yes=yes,
        )
        with deadline(_ERASE_SECONDS):
            directory.commands.erase(user_id, directory.context, subjects=subjects)
        click.echo(f"Erased user {user_id}.")
        with deadline(_ERASE_SECONDS):
            _purge(directory)


def _purge(directory: Services) -> None:
    try:
        directory.store.purge()
    except Unavailable as error:
        raise RemnantsLeft(error.detail) from error


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _show(directory: Services, user: "User", *, as_json: bool) -> None:
    if as_json:
        output.document(directory.writer.single(user))
    else:
        from adapters.resources.users import USERS

        output.table(USERS, [user])
