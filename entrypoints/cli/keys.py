"""roster keys."""

import os
from collections.abc import Callable

import click

from adapters.tokens.algorithms import DEFAULT_ALGORITHM, SIGNING_ALGORITHMS
from entrypoints.cli import output
from entrypoints.cli.files import require_name
from entrypoints.cli.output import printable
from entrypoints.cli.signals import exit_on_signals
from entrypoints.settings import BadSetting, Settings


@click.group()
def keys() -> None:
    """Manage the private keys that sign access tokens.

    By default, FILE is the file that ROSTER_SIGNING_KEYS names or, on SQLite, the path of the
    database with .keys.json after it. The first key signs, and all are accepted. Private keys are
    never printed.

    \b
    roster keys new /var/lib/roster/keys.json
    roster keys rotate
    roster keys prune
    """


_file = click.argument("file", required=False, type=click.Path(dir_okay=False))
_algorithm = click.option(
    "--algorithm",
    type=click.Choice(SIGNING_ALGORITHMS),
    default=DEFAULT_ALGORITHM,
    show_default=True,
    help="Algorithm of the new key.",
)


@keys.command()
@_file
@_algorithm
def new(file: str | None, algorithm: str) -> None:
    """Create FILE with one key. FILE must not exist.

    Run the command as the user of the service: only the owner of FILE can read it.
    """
    from adapters.tokens.keys import UnusableKeySet
    from entrypoints.signing_keys import create_signing_keys

    path = _path(file)
    try:
        with exit_on_signals():
            is_new = create_signing_keys(path, algorithm)
    except UnusableKeySet as error:
        raise click.ClickException(_sentence(error)) from None
    if not is_new:
        raise click.ClickException(
            printable(f"The file {path} exists. Use `roster keys rotate` to add a key.")
        )
    _show(path)


@keys.command("list")
@_file
def list_keys(file: str | None) -> None:
    """Print the id and the algorithm of each key. The first one signs."""
    _show(_path(file))


@keys.command()
@_file
@_algorithm
def rotate(file: str | None, algorithm: str) -> None:
    """Put a new key first. The old ones are accepted until they are removed with prune.

    Running workers use the new key within a minute.
    """
    from adapters.tokens.signing_keys import SigningKey, read_signing_keys, write_signing_keys

    def change(text: bytes) -> bytes:
        return write_signing_keys([SigningKey.generate(algorithm), *read_signing_keys(text, path)])

    path = _path(file)
    _change(path, change)
    _show(path)


@keys.command()
@_file
@click.option(
    "--keep",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    help="Number of keys that remain, from the first one.",
)
def prune(file: str | None, keep: int) -> None:
    """Remove all keys except the first one. Tokens of removed keys are no longer accepted.

    Access tokens are valid for at most one hour, so wait one hour after rotate.
    """
    from adapters.tokens.signing_keys import read_signing_keys, write_signing_keys

    path = _path(file)
    _change(path, lambda text: write_signing_keys(read_signing_keys(text, path)[:keep]))
    _show(path)


def _path(file: str | None) -> str:
    if file is not None:
        require_name(file)
        return file
    from entrypoints.signing_keys import signing_keys_file

    if (path := signing_keys_file(Settings.of(os.environ))) is None:
        raise BadSetting("ROSTER_SIGNING_KEYS", "must be set, or add FILE to the command")
    return path


def _show(path: str) -> None:
    from adapters.tokens.key_files import read_private_file
    from adapters.tokens.keys import UnusableKeySet
    from adapters.tokens.signing_keys import read_signing_keys

    try:
        signing_keys = read_signing_keys(read_private_file(path), path)
    except UnusableKeySet as error:
        raise click.ClickException(_sentence(error)) from None
    for each in signing_keys:
        output.line(f"{each.kid} {each.algorithm}")


def _change(path: str, change: Callable[[bytes], bytes]) -> None:
    from adapters.tokens.key_files import replace_private_file
    from adapters.tokens.keys import UnusableKeySet

    try:
        with exit_on_signals():
            replace_private_file(path, change)
    except UnusableKeySet as error:
        raise click.ClickException(_sentence(error)) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise click.ClickException(
            printable(f"The file {path} cannot be changed: {reason}.")
        ) from None


def _sentence(error: Exception) -> str:
    text = printable(str(error))
    return f"{text[:1].upper()}{text[1:]}."
