"""roster users: the same use cases, searches and documents as over HTTP."""

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import click

from entrypoints.cli import output
from entrypoints.cli.directory import Directory, opened

if TYPE_CHECKING:
    from adapters.jsonapi.parameters import Question
    from domain.users import User

as_document = click.option("--json", "as_json", is_flag=True, help="A JSON:API document.")


@click.group()
def users() -> None:
    """Look after the users."""


@users.command("list")
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="ATTR=VALUE",
    help="As filter[ATTR]=VALUE over HTTP, or 'ATTR[OP]=VALUE'; all of several must hold.",
)
@click.option("--sort", metavar="ATTR,-ATTR", help="By these; - for descending.")
@click.option("--fields", metavar="ATTR,ATTR", help="Show these only.")
@click.option("--limit", type=click.IntRange(1), default=25, show_default=True, help="How many.")
@click.option("--all", "everyone", is_flag=True, help="All of them.")
@as_document
def list_users(
    filters: tuple[str, ...],
    sort: str | None,
    fields: str | None,
    limit: int,
    everyone: bool,
    as_json: bool,
) -> None:
    """List users, by id unless sorted otherwise.

    \b
    roster users list --filter role=admin,owner --sort -creation_time
    roster users list --filter 'name[contains]=ann' --all --json
    """
    from adapters.jsonapi.parameters import LARGEST_SIZE

    with opened() as directory:
        one_page = not everyone and limit <= LARGEST_SIZE
        query = query_of(filters, sort, fields, limit if one_page else None)
        question = directory.question(query)
        if as_json and one_page:
            page = directory.reader.page(question.search)
            output.document(directory.writer.collection(page, question, query=query))
            return
        found = _found(directory, question, None if everyone else limit)
        if as_json:
            output.stream(directory.writer.everything(found, question, query=query))
        else:
            output.table(found, question.shown.fields)


def query_of(
    filters: tuple[str, ...], sort: str | None, fields: str | None, size: int | None
) -> str:
    """The query that asks the same over HTTP."""
    pairs = [_filter(text) for text in filters]
    if sort is not None:
        pairs.append(("sort", sort))
    if fields is not None:
        pairs.append(("fields[users]", fields))
    if size is not None:
        pairs.append(("page[size]", str(size)))
    return urlencode(pairs, errors="surrogateescape")


def _filter(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise click.BadParameter(f"'{text}' is not ATTR=VALUE.", param_hint="--filter")
    if name.startswith("filter["):
        return name, value
    attribute, bracket, op = name.partition("[")
    return f"filter[{attribute}]{bracket}{op}", value


def _found(directory: Directory, question: "Question", limit: int | None) -> "Iterator[User]":
    from application.search import walk

    return islice(walk(directory.reader.page, question.search), limit)


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
def delete(user: str) -> None:
    """Remove a user for good."""
    with opened() as directory:
        found = directory.find(user)
        directory.commands.delete(found.id, directory.context)
        click.echo(f"Removed user {found.id}.")


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _show(directory: Directory, user: "User", *, as_json: bool) -> None:
    if as_json:
        output.document(directory.writer.single(user))
    else:
        output.table([user])
