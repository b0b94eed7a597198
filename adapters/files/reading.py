"""The options of all readers, and the names of columns and members."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from adapters.jsonapi.resource import Resource
from application.imports import Record, RejectedRecord
from domain.errors import shortened
from domain.text import strip_invisible

MAX_NAME_LENGTH: Final = 100
"""The number of characters that an error quotes of a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """The options for reading a file.

    `encoding` and `delimiter` are recognized if they are None. `columns` maps attributes to the
    headers of the columns, or the names of the members, that have their values. `ignore_unknown`
    skips unknown columns and members.
    """

    encoding: str | None = None
    delimiter: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    ignore_unknown: bool = False


DEFAULT_READ_OPTIONS: Final = ReadOptions()


class Records(Protocol):
    """The records of a file. Rejected records can be written to another file, with their errors."""

    def __iter__(self) -> Iterator[Record]: ...

    def header(self) -> bytes:
        """Returns the beginning of a file of rejected records."""

    def rejected_row(self, rejected: RejectedRecord) -> bytes:
        """Returns a rejected record with its line and errors, in the format of the file."""


class Names:
    """The names of columns and members, ignoring case and surrounding space.

    `mapped` maps the normalized headers of ReadOptions.columns to their attributes. `line` and
    `errors` are the first columns of a file of rejected records, which imports ignore. `text` is
    the member with a record that is not JSON. If an attribute has such a name, `_` precedes it.
    """

    def __init__(self, resource: Resource, options: ReadOptions) -> None:
        self.mapped = {normalize(header): name for name, header in options.columns.items()}
        self.line, self.errors, self.text = (
            f"_{name}" if name in resource.declared else name for name in ("line", "errors", "text")
        )
        self.ignored = frozenset((self.line, self.errors))
        known = {"id", *resource.declared, *self.ignored}
        self._known = {normalize(name): name for name in known} | self.mapped

    def attribute(self, header: str) -> str:
        """Returns the attribute or other known name of a header. Empty if the header is unknown."""
        return self._known.get(normalize(header), "")

    def count_known(self, headers: Iterable[str]) -> int:
        """Returns the number of the headers that are known."""
        return sum(1 for each in headers if self.attribute(each))


def secret_names(resource: Resource) -> frozenset[str]:
    """Returns the attributes that files of rejected records must not contain."""
    return frozenset(name for name, each in resource.settable.items() if each.secret)


def normalize(name: str) -> str:
    """Returns the form of a name that is compared. A line break in a header equals a space."""
    return " ".join(strip_invisible(name).split()).casefold()


def quote(name: str) -> str:
    """Returns a text of a file in quotes, shortened and with escapes for control characters."""
    return repr(shortened(name, MAX_NAME_LENGTH))
