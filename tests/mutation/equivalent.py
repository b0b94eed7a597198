"""The known mutants that behave like the original, each with the reason."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from mutation.mutants import Mutant

LIST = Path(__file__).with_name("equivalent.toml")


@dataclass(frozen=True)
class Equivalent:
    """A change of a line, wherever the line is in its file. Without `mutant`, any change of it."""

    file: str
    code: str
    reason: str
    mutant: str | None = None

    def matches(self, mutant: Mutant, source: bytes) -> bool:
        diff = mutant.diff(source)
        is_code = mutant.path == self.file and stripped(diff, "-") == self.code
        return is_code and self.mutant in (None, stripped(diff, "+"))


def stripped(diff: list[str], sign: str) -> str:
    """The removed or the added lines in one line, without their indentation."""
    return " ".join(line[1:].strip() for line in diff if line.startswith(sign))


def known_equivalents(path: Path = LIST) -> list[Equivalent]:
    entries = tomllib.loads(path.read_text()).get("mutants", [])
    return [Equivalent(**entry) for entry in entries]
