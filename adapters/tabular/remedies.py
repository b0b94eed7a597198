"""Problems of files that an option of the import solves.

The options have other names in each inbound adapter, so these problems do not name them.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from domain.errors import Problem

Option = Literal["format", "encoding", "delimiter", "column", "ignore_unknown"]


class Remedy(NamedTuple):
    """An option that may solve a problem.

    `value` is the likely value. It is empty if the value is unknown or the option has none. None
    means that the option must be omitted.
    """

    option: Option
    value: str | None = ""


@dataclass(frozen=True, slots=True)
class SolvableProblem(Problem):
    """A problem of a file, and the options that may solve it, the most likely first."""

    remedies: tuple[Remedy, ...]
