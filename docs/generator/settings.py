"""The settings in the code -> docs/settings.md."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Final

from entrypoints.settings import Settings

_BEGINNING: Final = """# Settings

Set these as environment variables, or in a file of `NAME=VALUE` lines: `roster --env-file FILE`.
Without that option, Roster reads the file `.env` in the current directory, if there is one.
[The command line](command-line.md#settings) describes the format of the file.

`roster settings` prints every setting with its value and its source.
An invalid setting stops the start with exit status 2 and a line that names the setting.
[Deploying](operations/deploying.md#settings) lists the settings that every deployment changes.

`make docs` generates this table from `entrypoints/settings.py`.

| setting | default | meaning |
| --- | --- | --- |
"""


def page() -> str:
    """The page, with a row for each setting."""
    return f"{_BEGINNING}{''.join(_rows())}"


def _rows() -> Iterator[str]:
    for setting in (each.metadata for each in fields(Settings)):
        default = f"`{setting['default']}`" if setting["default"] else "none"
        yield f"| `{setting['name']}` | {default} | {setting['meaning']} |\n"
