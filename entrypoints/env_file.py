"""Files of environment variables, such as .env (docs/decisions/0050-env-files.md).

The format is what systemd's EnvironmentFile, Docker Compose and shells read alike: NAME=VALUE on
each line. What they would read differently is an error.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from entrypoints.settings import BadSetting, trimmed

DEFAULT: Final = ".env"
"""The file in the current directory that is read if no other is named."""
MAX_BYTES: Final = 1024**2

_PREFIXES: Final = ("ROSTER_", "OTEL_")
"""The variables that are read; others belong to other programs."""
_ASSIGNMENT: Final = re.compile(r"(?:export[ \t]+)?([^\s=#]+)=(.*)")
_READ_BY_OTHERS: Final = 0o044


@dataclass(frozen=True, slots=True)
class EnvFile:
    """The variables of a file that Roster reads."""

    name: str
    values: Mapping[str, str]
    readable_by_others: bool


def read(name: str) -> EnvFile:
    """Read a file. Raises BadSetting that names the file and the line, and OSError."""
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
    """Whether the file belongs to another user than this one and root.

    A file that is read without being named could otherwise come from anyone who can write to the
    current directory, such as /tmp.
    """
    return Path(name).stat().st_uid not in (os.geteuid(), 0)


def _assignments(name: str, text: str) -> Iterator[tuple[str, str]]:
    lines = iter(enumerate(text.split("\n"), start=1))
    for number, line in lines:
        line = trimmed(line)
        if not line or line[0] in "#;":
            continue
        found = _ASSIGNMENT.fullmatch(line)
        if not found:
            raise BadSetting(f"{name}, line {number}", "must be NAME=VALUE, a comment or empty")
        variable, written = found.groups()
        if variable.startswith(_PREFIXES):
            try:
                yield variable, _value(written)
            except ValueError as error:
                raise BadSetting(f"{name}, line {number}: {variable}", str(error)) from None
        elif _is_continued(written):
            _skip_to(written[0], lines)


def _value(written: str) -> str:
    """What a text after = means. Raises ValueError."""
    if "\0" in written:
        raise ValueError("must not contain a null character")
    value = trimmed(written)
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


def _is_continued(written: str) -> bool:
    """Whether a quoted value goes on in the next lines."""
    return written[:1] in ("'", '"') and written.find(written[0], 1) == -1


def _skip_to(quote: str, lines: Iterator[tuple[int, str]]) -> None:
    for _, line in lines:
        if quote in line:
            return
