"""The description of a resource that the suite tests."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Relationship:
    """A relationship of a resource."""

    resource: str
    """The file that describes the related resource, next to the description of this one."""
    many: bool
    """False if at most one resource is related."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource of a server. Paths are below the server's base URL.

    In strings of `new`, `changes` and `group_value`, `{n}` becomes a number that was never used.
    """

    type: str
    collection: str
    """The path of the collection."""
    operations: str
    """The path of the atomic operations."""
    new: Mapping[str, Any]
    """The attributes of a resource that can be created.

    The first text that is not unique must be an attribute that accepts any text.
    """
    required: Sequence[str]
    """The attributes that a new resource requires."""
    changes: Mapping[str, Any]
    """Attributes that can be changed, with values that differ from those of `new`."""
    bad: Mapping[str, Sequence[Any]]
    """Invalid values of attributes."""
    unique: str
    """An attribute whose values are unique."""
    read_only: Mapping[str, Any]
    """Attributes that only the server sets, with values that they don't have."""
    group: str
    """An attribute that many resources can share, by which lists are sorted and filtered."""
    group_value: str
    group_filter: str
    """The query parameter that selects the resources whose `group` has its value."""
    sortable: Sequence[str]
    """The attributes that sort a list in the order of Python's strings and numbers."""
    default_size: int
    """The number of resources on a page if the client does not request another."""
    largest_size: int
    """The maximum number of resources on a page."""
    relationships: Mapping[str, Relationship]

    @property
    def text(self) -> str:
        """An attribute that accepts any text, and whose values need not be unique."""
        return next(n for n, v in self.new.items() if isinstance(v, str) and n != self.unique)

    @classmethod
    def of(cls, path: Path) -> "Resource":
        """Reads the description in a TOML file."""
        described = tomllib.loads(path.read_text("utf-8"))
        relationships = {
            name: Relationship(**found)
            for name, found in described.pop("relationships", {}).items()
        }
        return cls(relationships=relationships, **described)
