"""The common parts of imports: records, their errors, the options, and the summary."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from application.access import Action
from domain.errors import Conflict, Problem

MAX_ERRORS: Final = 20
"""The number of errors of one record that are reported."""

MAX_KINDS: Final = 50
"""The number of pairs of an attribute and a code that are counted separately."""
OTHER_ATTRIBUTES: Final = "(other attributes)"
"""The name under which the errors of all other attributes are counted."""

BATCH: Final = 1000
"""The number of records that are imported at a time."""


class Record(NamedTuple):
    """A record of a stream, before its validation. A tuple, because a stream can have millions.

    `line` is the number of the line on which the record begins, from 1. `item` is the position of
    the record in an array, from 1, or 0 if there is no array. All items can be on one line.
    `source` is the original record; only the reader of the stream interprets it. `problem` is the
    reason why the record cannot be read, if any. `extra` is the value of the ExtraColumn.
    `problems` are those of attributes that the reader of the stream left out.
    """

    line: int
    attributes: Mapping[str, Any]
    source: object = None
    problem: Problem | None = None
    item: int = 0
    extra: Any = None
    problems: Mapping[str, Problem] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RecordError:
    """An error of a record. `attribute` is the invalid attribute, if the error concerns one."""

    attribute: str | None
    code: str
    detail: str

    def __str__(self) -> str:
        text = f"{self.code}: {self.detail}"
        return f"{self.attribute}: {text}" if self.attribute is not None else text


@dataclass(frozen=True, slots=True)
class RejectedRecord:
    """A record that was not imported, and its errors: at most MAX_ERRORS."""

    record: Record
    errors: tuple[RecordError, ...]


class ErrorCounts:
    """Counts the errors of rejected records, by attribute and code, in constant memory."""

    def __init__(self) -> None:
        self.records = 0
        self._counts: Counter[tuple[str | None, str]] = Counter()

    def add(self, rejected: RejectedRecord) -> None:
        """Counts the errors of a record."""
        self.records += 1
        for error in rejected.errors:
            key = (error.attribute, error.code)
            if key not in self._counts and len(self._counts) >= MAX_KINDS:
                # A file can have any number of unknown attributes, but there are few codes.
                key = (OTHER_ATTRIBUTES, error.code)
            self._counts[key] += 1

    def by_kind(self) -> list[tuple[str, int]]:
        """Returns each attribute and code with its number of errors, the most frequent first."""
        return [
            (code if attribute is None else f"{attribute}: {code}", count)
            for (attribute, code), count in self._counts.most_common()
        ]


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """The number of records by outcome."""

    created: int = 0
    changed: int = 0
    unchanged: int = 0
    bad: int = 0

    @property
    def records(self) -> int:
        """The number of all records."""
        return self.created + self.changed + self.unchanged + self.bad


class ImportRefused(Conflict):
    """Records were rejected, so nothing was imported. `summary` counts only rejected records."""

    code = "import_refused"

    def __init__(self, summary: ImportSummary) -> None:
        are_bad = "is bad" if summary.bad == 1 else "are bad"
        super().__init__(
            f"{summary.bad:,} of {summary.records:,} records {are_bad}; nothing was imported."
        )
        self.summary = ImportSummary(bad=summary.bad)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """The options of an import.

    - `update`: a record whose unique key exists changes that entity, and is not rejected.
    - `update_only`: like `update`, but a record whose unique key does not exist is rejected.
    - `skip_errors`: imports the valid records even if others are rejected.
    - `dry_run`: validates all records, and stores nothing.
    """

    update: bool = False
    update_only: bool = False
    skip_errors: bool = False
    dry_run: bool = False

    @property
    def actions(self) -> tuple[Action, ...]:
        """The actions that the principal must be allowed to take."""
        if self.update_only:
            return (Action.CHANGE,)
        return (Action.CREATE, Action.CHANGE) if self.update else (Action.CREATE,)


class DryRun(Exception):
    """Rolls back the unit of work of a dry run."""


def batches_of(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Yields the records in lists of at most BATCH."""
    source = iter(records)
    while batch := list(islice(source, BATCH)):
        yield batch


@dataclass(slots=True)
class BatchResult:
    """The outcome of one batch."""

    created: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: list[RejectedRecord] = field(default_factory=list)

    def reject(self, record: Record, *errors: RecordError) -> None:
        """Adds a rejected record."""
        self.rejected.append(RejectedRecord(record, errors))

    def rejected_in_order(self) -> list[RejectedRecord]:
        """Returns the rejected records in the order of the stream."""
        return sorted(self.rejected, key=lambda each: (each.record.line, each.record.item))

    def added_to(self, summary: ImportSummary) -> ImportSummary:
        """Returns the summary of this batch and all earlier ones."""
        return replace(
            summary,
            created=summary.created + self.created,
            changed=summary.changed + self.changed,
            unchanged=summary.unchanged + self.unchanged,
            bad=summary.bad + len(self.rejected),
        )
