"""roster accounts: passwords, invitations and sessions of users."""

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from domain.english import counted
from entrypoints.cli import lists, output
from entrypoints.cli.account_services import AccountCommands, open_accounts
from entrypoints.cli.actor import actor_option
from entrypoints.cli.lists import as_document
from entrypoints.cli.passwords import check_source, password_options, read_password

if TYPE_CHECKING:
    from adapters.jsonapi.resource import Resource
    from domain.users import User

_USER = "ID_OR_EMAIL"


@click.group()
def accounts() -> None:
    """Manage passwords, invitations and sessions.

    The commands work with ROSTER_ACCOUNTS on or off.
    """


_user = click.argument("which", metavar=_USER)


def _sessions() -> "Resource":
    from adapters.resources.accounts import SESSIONS

    return SESSIONS


@accounts.command()
@click.argument("email")
@click.option(
    "--name", help="The name of the user.  [default: the local part of EMAIL for a new user]"
)
@password_options
@actor_option
@as_document
def admin(email: str, name: str | None, from_stdin: bool, generate: bool, as_json: bool) -> None:
    """Create an administrator with a password.

    If there is a user with EMAIL, this user becomes an administrator. An administrator is active
    and has the role admin. The command prompts for the password twice, unless --stdin or --generate
    is set. Setting the password ends all sessions of the user.

    \b
    roster accounts admin ann@example.org
    roster accounts admin ann@example.org --name "Ann Example" --generate
    """
    check_source(from_stdin=from_stdin, generate=generate)
    with open_accounts() as opened:
        opened.administrators.check(email, name)
        password = _read(opened, from_stdin=from_stdin, generate=generate)
        with opened.one_request():
            user, created = opened.administrators.appoint(
                email, password, opened.context, name=name
            )
        done = "Created administrator" if created else "Made an administrator of"
        _show_result(opened, user, done, password if generate else None, as_json=as_json)


@accounts.command("set-password")
@_user
@password_options
@actor_option
@as_document
def set_password(which: str, from_stdin: bool, generate: bool, as_json: bool) -> None:
    """Set the password of a user.

    The command prompts for the password twice, unless --stdin or --generate is set. Setting the
    password ends all sessions of the user, invalidates their links, and ends a lockout.

    \b
    roster accounts set-password ann@example.org
    roster accounts set-password 7 --generate
    pass show roster/ann | roster accounts set-password ann@example.org --stdin
    """
    check_source(from_stdin=from_stdin, generate=generate)
    with open_accounts() as opened:
        with opened.one_request():
            user = opened.find(which)
        password = _read(opened, from_stdin=from_stdin, generate=generate)
        with opened.one_request():
            user = opened.passwords.set(user.email, password, opened.context)
        done = "Set the password of"
        _show_result(opened, user, done, password if generate else None, as_json=as_json)


def _read(opened: AccountCommands, *, from_stdin: bool, generate: bool) -> str:
    return read_password(
        from_stdin=from_stdin, generate=generate, min_length=opened.settings.password_length
    )


def _show_result(
    opened: AccountCommands, user: "User", done: str, generated: str | None, *, as_json: bool
) -> None:
    """Prints what was done. A generated password is the only line on standard output."""
    sentence = f"{done} {user.id}, {user.email}."
    if as_json:
        _show_document(opened, user, generated)
    elif generated is None:
        output.line(output.printable(sentence))
    else:
        lists.note(output.printable(sentence))
        output.line(generated)


def _show_document(opened: AccountCommands, user: "User", generated: str | None) -> None:
    if generated is None:
        output.document(opened.users.writer.single(user))
        return
    output.meta({"user": str(user.id), "email": user.email, "password": generated})


@accounts.command()
@click.argument("which", metavar=f"{_USER}...", nargs=-1, required=True)
@click.option(
    "--print",
    "print_links",
    is_flag=True,
    help="Print the links on standard output instead of sending emails.",
)
@actor_option
@as_document
def invite(which: tuple[str, ...], print_links: bool, as_json: bool) -> None:
    """Invite users: each gets a link to set a password.

    The emails are stored, and a running server with ROSTER_ACCOUNTS=on sends them. With --print, no
    email is sent: one link is printed for each user, in the order of the arguments.

    \b
    roster accounts invite 7 8
    roster accounts invite ann@example.org --print
    """
    with open_accounts() as opened:
        with opened.one_request():
            ids = opened.users.ids_of(which)
            if not print_links:
                opened.links.invite_all(ids, opened.context)
        if print_links:
            _print_links(opened, ids, as_json=as_json)
        elif as_json:
            output.meta({"invited": len(ids)})
        else:
            output.line(f"Invited {counted(len(ids), 'user')}.")
            lists.note(
                "A running server with ROSTER_ACCOUNTS=on sends the emails. Use --print to get "
                "the links instead."
            )


def _print_links(opened: AccountCommands, ids: list[int], *, as_json: bool) -> None:
    from domain.accounts import Purpose

    links = []
    for user_id in ids:
        with opened.one_request():
            user = opened.users.queries.get(user_id, opened.users.principal)
            token = opened.links.create_invitation(user.email, opened.context)
        link = opened.link_urls(Purpose.INVITATION, token)
        if as_json:
            links.append({"user": str(user_id), "email": user.email, "link": link})
        else:
            output.line(link)
    if as_json:
        output.meta({"links": links})
    if not opened.has_link_setting:
        lists.note(
            "The links open the server on this computer, because neither ROSTER_PUBLIC_URL nor "
            "ROSTER_LINK_URL is set."
        )


@accounts.command()
@_user
@as_document
def show(which: str, as_json: bool) -> None:
    """Show the account of a user.

    The output has the time of the last change of the password, but never the password or its hash.

    \b
    roster accounts show 7
    roster accounts show ann@example.org --json
    """
    from adapters.resources.accounts import ACCOUNTS, AccountView, account_writer

    with open_accounts() as opened, opened.one_request():
        user = opened.find(which)
        shown = AccountView.of(*opened.overview.of(user.id, opened.users.principal))
    if as_json:
        output.document(account_writer(opened.users.urls).single(shown))
        return
    from entrypoints.cli import tables

    tables.show_one(ACCOUNTS, shown)


@accounts.command()
@_user
@lists.options(_sessions)
def sessions(which: str, **options: Any) -> None:
    """List the sessions of a user that have not ended.

    \b
    roster accounts sessions 7 --sort -use_time
    roster accounts sessions ann@example.org --json
    """
    from adapters.jsonapi.documents import DocumentWriter
    from adapters.resources.accounts import SESSIONS, SessionView
    from application.search import Page, Search

    chosen = lists.ListOptions(**options)
    with open_accounts() as opened, opened.one_request():
        user, queries, urls = opened.find(which), opened.session_queries, opened.users.urls

        def page(search: Search) -> Page[SessionView]:
            page = queries.page(user.id, search, opened.users.principal)
            shown = tuple(map(partial(SessionView.of, current_id=None), page.items))
            return Page(shown, page.more, page.total)

        query = opened.users.collection_query(
            SESSIONS, chosen.query(SESSIONS.type), within=queries.about(user.id)
        )
        url = f"{urls.root}/users/{user.id}/sessions"
        writer = DocumentWriter(SESSIONS, url, described_by=urls.openapi)
        lists.show(chosen, SESSIONS, query, page, writer, dropped_first=_DROPPED_FROM_SESSIONS)


_DROPPED_FROM_SESSIONS = ("is_current", "creation_time", "expiry_time")
"""The columns that a narrow terminal does not show, in the order of dropping."""


@accounts.command("end-sessions")
@_user
@actor_option
@as_document
def end_sessions(which: str, as_json: bool) -> None:
    """End all sessions of a user.

    Roster rejects their access tokens within 5 seconds. Other services accept them until they
    expire. The password of the user does not change.

    \b
    roster accounts end-sessions ann@example.org
    """
    with open_accounts() as opened, opened.one_request():
        ended = opened.session_termination.end_all(opened.find(which).id, opened.context)
    if as_json:
        output.meta({"ended": ended})
    else:
        output.line(f"Ended {counted(ended, 'session')}.")


@accounts.command()
@_user
@actor_option
@as_document
def unlock(which: str, as_json: bool) -> None:
    """Let a user log in again after too many wrong passwords.

    A network with too many wrong passwords for several addresses remains blocked.

    \b
    roster accounts unlock ann@example.org
    """
    with open_accounts() as opened, opened.one_request():
        user = opened.find(which)
        opened.lockouts.end(user.id, opened.context)
    if as_json:
        output.meta({"unlocked": str(user.id)})
    else:
        output.line(output.printable(f"Unlocked {user.id}, {user.email}."))
