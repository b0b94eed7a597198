"""Imports pairs of an association from a stream of records, in one unit of work.

Memory does not grow with the length of the stream.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from itertools import islice
from typing import Any, Final, NamedTuple

from application.access import Action, Policy, ScopePolicy
from application.audit import EventAction, NewEvent
from application.deadlines import BULK_SECONDS, restart_deadline
from application.entities import AnyType
from application.imports import (
    MAX_ERRORS,
    BatchResult,
    DryRun,
    ImportOptions,
    ImportRefused,
    ImportSummary,
    Record,
    RecordError,
    RejectedRecord,
    batches_of,
)
from application.ports import Begin, Context, UnitOfWork
from application.references import References
from application.relationships import Association, ToMany
from domain.attributes import MISSING, UNKNOWN
from domain.errors import NotFound
from domain.text import NOT_TEXT

Report = Callable[[RejectedRecord], None]

REFERENCE: Final = "reference"
"""The attribute of a record that refers to one entity."""


class UnknownReferences(NotFound):
    """Records refer to entities that do not exist, so nothing was changed."""

    def __init__(self, entity_type: AnyType, unknown: int, records: int) -> None:
        error = entity_type.not_found
        refer = "refers" if unknown == 1 else "refer"
        super().__init__(
            f"{unknown:,} of {records:,} lines {refer} to no {error.noun}; nothing was changed."
        )
        self.code = error.code  # type: ignore[misc]  # that of the type


class ListSummary(NamedTuple):
    """The number of entities by outcome: `changed` were added or removed."""

    changed: int
    unchanged: int


class LinkImport:
    """Imports pairs of an association.

    A record has an attribute for each of Association.columns. Its value is that of the unique key
    of the type. If not every entity has a unique text, it is an id.
    """

    def __init__(
        self,
        association: Association,
        begin: Begin,
        policy: Policy = ScopePolicy(),  # noqa: B008 (it has no state)
    ) -> None:
        self._association = association
        self._relationship = association.ends[0]
        self._begin = begin
        self._policy = policy

    def __call__(
        self,
        records: Iterable[Record],
        context: Context,
        options: ImportOptions,
        report: Report,
    ) -> ImportSummary:
        """Adds the pairs of the records, and calls `report` with each rejected record.

        A pair that exists is left unchanged. Records one event for each batch and entity. Otherwise
        works as an import of entities; see application.record_import. Raises ConcurrentUpdate if
        another unit deletes an entity that a record refers to, or adds the same pair.
        """
        self._authorize(context)
        summary = ImportSummary()
        with suppress(DryRun), self._begin(context) as work:
            restart_deadline(BULK_SECONDS)
            batches = _PairBatches(self._association, work)
            for batch in batches_of(records):
                result = batches.add(batch)
                for rejected in result.rejected_in_order():
                    report(rejected)
                summary = result.added_to(summary)
            if summary.bad and not options.skip_errors:
                raise ImportRefused(summary)
            if options.dry_run:
                raise DryRun
            if summary.created:
                action, name = EventAction.IMPORTED.value, self._association.name
                work.audit.add(NewEvent(action, name, None, None, asdict(summary)))
        return summary

    def change_list(
        self,
        source_id: int,
        records: Iterable[Record],
        context: Context,
        report: Report,
        *,
        remove: bool = False,
    ) -> ListSummary:
        """Adds the entities of the records to the list of the source, or removes them.

        The attribute REFERENCE of a record is an id, or the value of a unique key. Calls `report`
        with each record that refers to no entity. Raises UnknownReferences if there is such a
        record, and the NotFound of the source type; nothing is changed then.
        """
        self._authorize(context)
        relationship = self._relationship
        changed = count = unknown = 0
        with self._begin(context) as work:
            restart_deadline(BULK_SECONDS)
            work.repository(relationship.source).get(source_id)
            references = References(
                work.repository(relationship.target), relationship.target, by_id=True
            )
            links = work.links(relationship)
            for batch in batches_of(records):
                count += len(batch)
                ids, rejected = _resolve(batch, references, relationship)
                for each in rejected:
                    report(each)
                unknown += len(rejected)
                change = (
                    links.change(source_id, remove=ids)
                    if remove
                    else links.change(source_id, add=ids)
                )
                work.link_count.add(len(change.added) + len(change.removed))
                changed += len(change.added) + len(change.removed)
            if unknown:
                raise UnknownReferences(relationship.target, unknown, count)
        return ListSummary(changed, count - changed)

    def _authorize(self, context: Context) -> None:
        self._policy.authorize_relationship(context.principal, Action.CHANGE, self._relationship)


def _resolve(
    batch: Sequence[Record], references: References, relationship: ToMany
) -> tuple[list[int], list[RejectedRecord]]:
    """Returns the ids that the records refer to, and the records that refer to no entity."""
    existing = references.ids(each.attributes[REFERENCE] for each in batch if not each.problem)
    ids, rejected = [], []
    for record in batch:
        if problem := record.problem:
            error = RecordError(None, problem.code, problem.detail)
        elif (entity_id := existing.get(record.attributes[REFERENCE])) is not None:
            ids.append(entity_id)
            continue
        else:
            not_found = relationship.target.not_found
            detail = not_found(record.attributes[REFERENCE]).detail
            error = RecordError(None, not_found.code, detail)
        rejected.append(RejectedRecord(record, (error,)))
    return ids, rejected


class _PairBatches:
    """Adds the pairs of batches of records in a unit of work."""

    def __init__(self, association: Association, work: UnitOfWork) -> None:
        self._work = work
        self._links = work.links(association.ends[0])
        self._types = association.columns
        self._references = {
            name: References(work.repository(each), each, by_id=each.reference == "id")
            for name, each in self._types.items()
        }

    def add(self, batch: Sequence[Record]) -> BatchResult:
        """Adds the pairs that do not exist."""
        source, target = self._references
        source_ids, target_ids = (
            references.ids(
                {text for each in batch if type(text := each.attributes.get(name)) is str}
            )
            for name, references in self._references.items()
        )
        pairs = []
        result = BatchResult()
        for record in batch:
            attributes = record.attributes
            try:
                pair = source_ids[attributes[source]], target_ids[attributes[target]]
            except (KeyError, TypeError):  # TypeError if a value is a list or an object
                pair = None
            if pair is None or len(attributes) != 2 or record.problem:
                existing = {source: source_ids, target: target_ids}
                result.reject(record, *islice(self._errors(record, existing), MAX_ERRORS))
            else:
                pairs.append(pair)
        result.created = self._links.add_pairs(pairs) if pairs else 0
        result.unchanged = len(pairs) - result.created
        self._work.link_count.add(result.created)
        return result

    def _errors(self, record: Record, existing: Any) -> Iterator[RecordError]:
        """Yields the errors of a record that is invalid."""
        if problem := record.problem:
            yield RecordError(None, problem.code, problem.detail)
            return
        for name, entity_type in self._types.items():
            value = record.attributes.get(name, MISSING)
            if value is MISSING:
                yield RecordError(name, MISSING.code, MISSING.detail)
            elif not isinstance(value, str):
                yield RecordError(name, NOT_TEXT.code, NOT_TEXT.detail)
            elif value not in existing[name]:
                error = entity_type.not_found
                detail = f"there is no {error.noun} with this {entity_type.reference}"
                yield RecordError(name, error.code, detail)
        for name in record.attributes:
            if name not in self._types:
                yield RecordError(name, UNKNOWN.code, UNKNOWN.detail)
