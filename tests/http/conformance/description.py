"""What the suite must know of a server to judge it: one resource, described."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource of a server. Paths are below the server's base URL.

    Strings in `new`, `changes` and `group_value` may hold `{n}`, which is a number that was never
    used before.
    """

    type: str
    collection: str
    """The path of the collection."""
    operations: str
    """The path that takes atomic operations."""
    new: Mapping[str, Any]
    """The attributes of a resource that can be created."""
    required: Sequence[str]
    """Those that a new one can't lack."""
    changes: Mapping[str, Any]
    """Attributes that can be changed, with values that differ from those of `new`."""
    bad: Mapping[str, Sequence[Any]]
    """Values that attributes can't have."""
    unique: str
    """The attribute in which no two resources are alike."""
    read_only: Mapping[str, Any]
    """Attributes that only the server sets, with values that they don't have."""
    group: str
    """An attribute that many resources can share, by which lists are sorted and filtered."""
    group_value: str
    group_filter: str
    """The query parameter that selects the resources whose `group` has its value."""
    sortable: Sequence[str]
    """What a list can be sorted by, in the order of Python's strings and numbers."""
    default_size: int
    """How many resources a page has at most if the client doesn't say."""
    largest_size: int
    """How many it can have at most."""

    @classmethod
    def of(cls, path: Path) -> "Resource":
        """The description in a TOML file."""
        return cls(**tomllib.loads(path.read_text("utf-8")))
