"""Files of environment variables, such as .env (docs/decisions/0050-env-files.md).

Each line is NAME=VALUE. The format is the common subset of systemd's EnvironmentFile, Docker
Compose and shells. Syntax that they interpret differently is an error.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from entrypoints.settings import BadSetting, trimmed

DEFAULT: Final = ".env"
"""The file in the current directory that is read by default."""
MAX_BYTES: Final = 1024**2

_PREFIXES: Final = ("ROSTER_", "OTEL_")
"""The prefixes of the variables that are read. Other variables are ignored."""
_ASSIGNMENT: Final = re.compile(r"(?:export[ \t]+)?([^\s=#]+)=(.*)")
_READ_BY_OTHERS: Final = 0o044


@dataclass(frozen=True, slots=True)
class EnvFile:
    """The variables of a file that Roster reads."""

    name: str
    values: Mapping[str, str]
    readable_by_others: bool


def read(name: str) -> EnvFile:
    """Reads a file. Raises BadSetting, which names the file and the line, or OSError."""
    with Path(name).open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise BadSetting(name, f"must have at most {MAX_BYTES} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadSetting(name, "must be text in UTF-8") from None
    return EnvFile(name, dict(_assignments(name, text)), bool(mode & _READ_BY_OTHERS))


def is_foreign(name: str) -> bool:
    """Returns True if the file belongs neither to this user nor to root.

    The default file must be checked: in a directory such as /tmp, anyone can create it.
    """
    return Path(name).stat().st_uid not in (os.geteuid(), 0)


def _assignments(name: str, text: str) -> Iterator[tuple[str, str]]:
    lines = iter(enumerate(text.split("\n"), start=1))
    for number, line in lines:
        line = trimmed(line)
        if not line or line[0] in "#;":
            continue
        match = _ASSIGNMENT.fullmatch(line)
        if not match:
            raise BadSetting(f"{name}, line {number}", "must be NAME=VALUE, a comment or empty")
        variable, text = match.groups()
        if variable.startswith(_PREFIXES):
            try:
                yield variable, _value(text)
            except ValueError as error:
                raise BadSetting(f"{name}, line {number}: {variable}", str(error)) from None
        elif _is_continued(text):
            _skip_to(text[0], lines)


def _value(text: str) -> str:
    """Parses the text after =. Raises ValueError if it is invalid."""
    if "\0" in text:
        raise ValueError("must not contain a null character")
    value = trimmed(text)
    quote = value[:1]
    if quote in ("'", '"'):
        value = value[1:]
        if not value or value.find(quote) != len(value) - 1:
            raise ValueError(f"must have one {quote} at its end")
        if quote == '"' and "\\" in value:
            raise ValueError("must be in single quotes, because it contains a backslash")
        return value[:-1]
    if re.search(r"\s#", value):
        raise ValueError("must be in single quotes, because it contains # after a space")
    return value


def _is_continued(text: str) -> bool:
    """Returns True if a quoted value continues on the next line."""
    return text[:1] in ("'", '"') and text.find(text[0], 1) == -1


def _skip_to(quote: str, lines: Iterator[tuple[int, str]]) -> None:
    for _, line in lines:
        if quote in line:
            return
