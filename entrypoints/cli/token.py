"""roster token."""

import os
from typing import Any

import click

from entrypoints.cli import output
from entrypoints.cli.actor import check_subject
from entrypoints.setting_types import ANY, duration_seconds
from entrypoints.settings import BadSetting, Settings

_MAX_SECONDS = 365 * 86400


class Duration(click.ParamType[int]):
    """Converts a duration such as 90s, 15m, 1h or 30d to seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        seconds = duration_seconds(value) or 0
        if not 0 < seconds <= _MAX_SECONDS:
            self.fail("must be a duration such as 90s, 15m, 1h or 30d, at most 365d", param, ctx)
        return seconds


class Scopes(click.ParamType[list[str]]):
    """Converts one scope, or several separated by spaces, to a list."""

    name = "scope"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[str]:
        from adapters.tokens.scopes import is_scope

        scopes: list[str] = value.split()
        if not scopes or not all(map(is_scope, scopes)):
            self.fail("must be scopes such as users:read, separated by spaces", param, ctx)
        return scopes


@click.command()
@click.option(
    "--scope",
    "scopes",
    type=Scopes(),
    multiple=True,
    required=True,
    shell_complete=lambda _, __, incomplete: _complete_scope(incomplete),
    help="A scope of the token, such as users:read or groups:write. Can be repeated.",
)
@click.option(
    "--expires",
    type=Duration(),
    default="1h",
    show_default=True,
    help="How long the token is valid, such as 90s or 30d.",
)
@click.option(
    "--subject",
    help="The user or the program that the token identifies. Required for a scope that permits "
    "changes.",
)
def token(scopes: tuple[list[str], ...], expires: int, subject: str | None) -> None:
    """Print a token for the API.

    ROSTER_JWT_SECRET signs the token, which has the first issuer of ROSTER_JWT_ISSUER and the first
    audience of ROSTER_JWT_AUDIENCE, if they are set and not *. Without a secret, but with
    ROSTER_ACCOUNTS=on, the first key of ROSTER_SIGNING_KEYS signs the token.
    """
    settings = Settings.of(os.environ)
    if settings.jwt_secret is None and (not settings.accounts or settings.store == "memory"):
        raise BadSetting(
            "ROSTER_JWT_SECRET", "must be set to sign tokens (or set ROSTER_ACCOUNTS=on)"
        )
    from adapters.tokens.issuer import sign

    named = list(dict.fromkeys(scope for each in scopes for scope in each))
    changing = [scope for scope in named if not _only_reads(scope)]
    if subject is None and changing:
        raise click.UsageError(
            f"--subject is required for the scope {changing[0]}: a change must name its author."
        )
    if subject is not None:
        check_subject(subject, "--subject")
    if settings.jwt_secret is None:
        from entrypoints.signing_keys import make_issuer, open_signing_keys

        issuer = make_issuer(settings, open_signing_keys(settings))
        output.line(issuer.issue_plain(named, seconds=expires, subject=subject))
        return
    output.line(
        sign(
            settings.jwt_secret,
            named,
            seconds=expires,
            subject=subject,
            issuer=_first(settings.jwt_issuer),
            audience=_first(settings.jwt_audience),
        )
    )


def _complete_scope(incomplete: str) -> list[str]:
    """Returns the scopes of the resources that begin with the text, also after a space."""
    from entrypoints.resources import RESOURCES

    before, space, last = incomplete.rpartition(" ")
    scopes = [
        f"{each.type.name}:{permission}"
        for each in RESOURCES
        for permission in _permissions(each.type.rules.personal)
    ]
    return [f"{before}{space}{scope}" for scope in scopes if scope.startswith(last)]


def _permissions(personal: frozenset[str]) -> tuple[str, ...]:
    """Returns the permissions of scopes. Only resources with personal attributes can be erased."""
    return ("read", "write", "erase") if personal else ("read", "write")


def _only_reads(scope: str) -> bool:
    """Returns True if the scope only permits reading."""
    return scope.rpartition(":")[2] == "read"


def _first(accepted: tuple[str, ...] | None) -> str | None:
    return None if accepted is None or accepted == ANY else accepted[0]
