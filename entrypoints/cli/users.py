"""roster users: the same use cases, searches and documents as over HTTP."""

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from entrypoints.cli import lists, output
from entrypoints.cli.actor import actor_option
from entrypoints.cli.directory import Directory, opened
from entrypoints.cli.lists import as_document

if TYPE_CHECKING:
    from domain.users import User


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

    wanted = lists.Asked(**asked)
    with opened() as directory:
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

    wanted = lists.Asked(**asked)
    with opened() as directory:
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
    with opened() as directory:
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
    from domain.users import NewUser

    with opened() as directory:
        user = directory.commands.create(NewUser.of(_given(given)), directory.context)
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
    from domain.users import UserChanges

    with opened() as directory:
        changes = UserChanges(_given(given))
        user_id = directory.find(user).id
        changed = directory.commands.change(user_id, changes, directory.context)
        _show(directory, changed, as_json=as_json)


@users.command()
@click.argument("user", metavar="ID_OR_EMAIL")
@click.option("--erase", is_flag=True, help="Take its email and names out of its history, too.")
@actor_option
def delete(user: str, erase: bool) -> None:
    """Remove a user for good. Its history stays.

    With --erase who it was is removed from its history as well, also of one that is gone (by its
    id): that something happened, and when, stays.
    """
    with opened() as directory:
        if erase:
            user_id = directory.id_of(user)
            directory.commands.erase(user_id, directory.context)
            click.echo(f"Erased user {user_id}.")
            return
        found = directory.find(user)
        directory.commands.delete(found.id, directory.context)
        click.echo(f"Removed user {found.id}.")


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _show(directory: Directory, user: "User", *, as_json: bool) -> None:
    if as_json:
        output.document(directory.writer.single(user))
    else:
        from adapters.resources.users import USERS

        output.table(USERS, [user])
