"""Imports entities of a type from a stream of records, in one unit of work.

Memory does not grow with the length of the stream.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from typing import Any, Final, Generic, Protocol, TypeVar

from application.access import Action, Policy, ScopePolicy
from application.audit import EventAction, NewEvent
from application.deadlines import BULK_SECONDS, restart_deadline
from application.entities import E, EntityType, N, UniqueKey
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
from application.ports import Begin, ConcurrentUpdate, Context, Repository, UnitOfWork
from application.references import References
from application.relationships import NO_RELATIONSHIPS, RelatedNotFound, Relationships, ToOne
from domain.attributes import MISSING, EntityChanges, new_entity
from domain.english import with_article
from domain.errors import Conflict, Invalid, Problem, Violation
from domain.text import NOT_TEXT

T = TypeVar("T")

_NO_VALUES: Final[Mapping[int, Any]] = {}


class ExtraColumn(Protocol):
    """A column or member that is not an attribute, such as a secret that is stored elsewhere.

    Its values never appear in exports, in the audit log or in rejected records.
    """

    @property
    def name(self) -> str:
        """The name of the column or member."""

    def parse(self, value: object) -> Any:
        """Returns the value to store, or None for no value. Raises Invalid."""

    def store(self, work: UnitOfWork, values: Mapping[int, Any]) -> None:
        """Stores values by the ids of their entities."""


class NoUniqueKey(Conflict):
    """An import cannot change entities of a type that has no unique attribute."""

    code = "no_unique_attribute"

    def __init__(self, entity_type: EntityType[Any, Any]) -> None:
        super().__init__(
            f"An import cannot change {entity_type.name}, because they have no unique attribute."
        )


class Import(Generic[N, E]):
    """Imports records as entities of a type in one unit of work.

    The value of a reference is an id as text, or the value of the first unique key of its target.
    """

    def __init__(
        self,
        entity_type: EntityType[N, E],
        begin: Begin,
        policy: Policy = ScopePolicy(),  # noqa: B008 (it has no state)
        relationships: Relationships = NO_RELATIONSHIPS,
        extra: ExtraColumn | None = None,
    ) -> None:
        if extra is not None and not entity_type.unique:
            raise ValueError(f"{extra.name} requires a unique key, which finds its entities.")
        self._extra = extra
        self._type = entity_type
        self._begin = begin
        self._policy = policy
        self._to_one = relationships.to_one(entity_type)

    def __call__(
        self,
        records: Iterable[Record],
        context: Context,
        options: ImportOptions,
        report: Callable[[RejectedRecord], None],
    ) -> ImportSummary:
        """Imports the records in their order, and calls `report` with each rejected record.

        The unit must open within the current deadline, and then has BULK_SECONDS. Raises
        ImportRefused if a record is rejected, unless `skip_errors` is set; nothing is imported
        then. Raises NoUniqueKey for an update of a type without a unique key. Also raises the
        errors of the policy and of Begin.
        """
        for action in options.actions:
            self._policy.authorize(context.principal, action, self._type.name)
        updating = Action.CHANGE in options.actions
        if updating and not self._type.unique:
            raise NoUniqueKey(self._type)
        summary = ImportSummary()
        with suppress(DryRun), self._begin(context, for_update=updating) as work:
            restart_deadline(BULK_SECONDS)
            batches = _Batches(
                self._type, work, self._to_one, self._extra, update_only=options.update_only
            )
            import_batch = batches.update if updating else batches.add
            for batch in batches_of(records):
                result = import_batch(batch)
                for rejected in result.rejected_in_order():
                    report(rejected)
                summary = result.added_to(summary)
            if summary.bad and not options.skip_errors:
                raise ImportRefused(summary)
            if options.dry_run:
                raise DryRun
            work.audit.add(
                NewEvent(EventAction.IMPORTED.value, self._type.name, None, None, asdict(summary))
            )
        return summary


class _Batches(Generic[N, E]):
    """Imports batches of records in a unit of work."""

    def __init__(
        self,
        entity_type: EntityType[N, E],
        work: UnitOfWork,
        to_one: Iterable[ToOne],
        extra: ExtraColumn | None,
        *,
        update_only: bool,
    ) -> None:
        self._type = entity_type
        self._work = work
        self._extra = extra
        self._update_only = update_only
        self._references = [
            (each, References(work.repository(each.target), each.target, by_id=True))
            for each in to_one
        ]
        self._entities: Repository[N, E] = work.repository(entity_type)
        self._now = work.now

    def add(self, batch: Sequence[Record]) -> BatchResult:
        """Creates an entity for each record."""
        result = BatchResult()
        valid = self._parsed(result, batch, partial(new_entity, self._type.new))
        taken = self._entities.add_many([new for _, new in valid], at=self._now)
        created = _without_taken(result, valid, taken)
        result.created = len(created)
        self._store_extra(created)
        return result

    def update(self, batch: Sequence[Record]) -> BatchResult:
        """Changes the entities that have the unique keys of the records.

        Creates entities for the other records, or rejects them if `update_only` is set. If several
        records have the same key, the last one wins.
        """
        result = BatchResult()
        parsed = self._parsed(result, batch, self._changes)
        for part in _without_repeated_keys(self._type.unique, parsed):
            self._update_part(result, part)
        return result

    def _update_part(
        self, result: BatchResult, part: Sequence[tuple[Record, EntityChanges]]
    ) -> None:
        """Does the same as `update` for records with different keys."""
        unique = self._type.unique[0]
        values = [changes.attributes.get(unique.attribute) for _, changes in part]
        existing = self._entities.find_by_keys(unique, values)
        new = []
        extra: dict[int, Any] = {}
        for record, changes in part:
            value = changes.attributes.get(unique.attribute)
            entity = None if value is None else existing.get(unique.key_of(value))
            if entity is not None:
                is_stored = self._change(record, entity, changes, result)
                if is_stored and record.extra is not None:
                    extra[entity.id] = record.extra
            elif self._update_only:
                result.reject(record, self._not_found())
            else:
                new.append(record._replace(attributes=changes.attributes))
        valid = _valid(result, new, self._new)
        taken = self._entities.add_many([each for _, each in valid], at=self._now)
        if unique in taken.values():
            raise ConcurrentUpdate  # another unit added an entity after find_by_keys
        created = _without_taken(result, valid, taken)
        result.created += len(created)
        self._store_extra(created, extra)

    def _parsed(
        self, result: BatchResult, batch: Sequence[Record], parse: Callable[[Mapping[str, Any]], T]
    ) -> list[tuple[Record, T]]:
        """Returns the valid records with their parsed attributes, and rejects the others."""
        if self._has_extra(batch):
            batch = self._with_extra(result, batch, parse)
        if self._references:
            batch = self._with_references(result, batch, parse)
        return _valid(result, batch, parse)

    def _has_extra(self, batch: Sequence[Record]) -> bool:
        extra = self._extra
        return extra is not None and any(extra.name in each.attributes for each in batch)

    def _with_extra(
        self, result: BatchResult, batch: Sequence[Record], parse: Callable[[Any], object]
    ) -> list[Record]:
        """Returns the records with the parsed value of the extra column apart from the attributes.

        Rejects the records whose value is invalid, with all their errors.
        """
        assert self._extra is not None
        name, records = self._extra.name, []
        for record in batch:
            attributes = dict(record.attributes)
            value = attributes.pop(name, None)
            record = record._replace(attributes=attributes)
            try:
                records.append(record._replace(extra=self._extra.parse(value)))
            except Invalid as error:
                errors = [*_errors_of(record, parse), *map(_error, error.violations)]
                result.reject(record, *errors[:MAX_ERRORS])
        return records

    def _store_extra(
        self, created: Sequence[tuple[Record, N]], existing: Mapping[int, Any] = _NO_VALUES
    ) -> None:
        """Stores the values of the extra column of new entities and of existing ones."""
        if self._extra is None:
            return
        values = dict(existing)
        unique = self._type.unique[0]
        by_key = {
            unique.key_of(getattr(new, unique.attribute)): record.extra
            for record, new in created
            if record.extra is not None
        }
        if by_key:
            ids = self._entities.ids_by_keys(unique, by_key)
            values |= {ids[key]: value for key, value in by_key.items()}
        if values:
            self._extra.store(self._work, values)

    def _with_references(
        self, result: BatchResult, batch: Sequence[Record], parse: Callable[[Any], object]
    ) -> list[Record]:
        """Returns the records with ids as values of references.

        Rejects the records that refer to no entity, with all their errors.
        """
        records = [*batch]
        errors: dict[int, list[RecordError]] = {}
        for reference, references in self._references:
            name = reference.name
            values = {
                position: value
                for position, each in enumerate(records)
                if (value := each.attributes.get(name)) is not None
            }
            ids = references.ids(each for each in values.values() if isinstance(each, str))
            for position, value in values.items():
                existing_id = ids.get(value) if isinstance(value, str) else None
                if existing_id is None:
                    errors.setdefault(position, []).append(_bad_reference(reference, value))
                record = records[position]
                attributes = {**record.attributes, name: existing_id}
                records[position] = record._replace(attributes=attributes)
        for position, bad in errors.items():
            all_errors = [*_errors_of(records[position], parse), *bad]
            result.reject(batch[position], *all_errors[:MAX_ERRORS])
        return [each for position, each in enumerate(records) if position not in errors]

    def _changes(self, attributes: Mapping[str, Any]) -> EntityChanges:
        """Returns the changes of a record. Raises Invalid.

        A record without the key can only create an entity, so it must be a valid new entity.
        """
        key = self._type.unique[0].attribute
        if key not in attributes:
            if self._update_only:
                raise Invalid([Violation(key, MISSING)])
            new_entity(self._type.new, attributes)
        return self._type.changes(attributes)

    def _not_found(self) -> RecordError:
        error, key = self._type.not_found, self._type.unique[0].attribute
        return RecordError(key, error.code, f"there is no {error.noun} with this {key}")

    def _new(self, attributes: Mapping[str, Any]) -> N:
        """Returns the new entity of a record whose key does not exist. Raises Invalid.

        The key may be wrong, so the error of a missing attribute mentions it.
        """
        try:
            return new_entity(self._type.new, attributes)
        except Invalid as error:
            detail = f"{MISSING.detail}, because {self._not_found().detail}"
            missing = Problem(MISSING.code, detail)
            raise Invalid(
                Violation(each.attribute, missing if each.problem is MISSING else each.problem)
                for each in error.violations
            ) from error

    def _change(
        self, record: Record, entity: E, changes: EntityChanges, result: BatchResult
    ) -> bool:
        """Changes an entity. Returns False, and rejects the record, if a unique key is taken."""
        after = entity.with_changes(changes, at=self._now)
        if after is entity:
            result.unchanged += 1
            return True
        others = self._type.unique[1:]  # the record and the entity have the same first key
        if taken := [each for each in others if self._is_taken(each, entity, after)]:
            result.reject(record, *map(_conflict, taken))
            return False
        self._entities.save(after, before=entity)
        result.changed += 1
        return True

    def _is_taken(self, unique: UniqueKey, before: E, after: E) -> bool:
        """Returns True if a change takes the key of another entity."""
        value = getattr(after, unique.attribute)
        if value is None or value == getattr(before, unique.attribute):
            return False
        key = unique.key_of(value)
        return self._entities.ids_by_keys(unique, [key]).get(key, after.id) != after.id


def _valid(
    result: BatchResult, records: Sequence[Record], parse: Callable[[Mapping[str, Any]], T]
) -> list[tuple[Record, T]]:
    """Returns the valid records with their parsed attributes, and rejects the others."""
    valid = []
    for record in records:
        if problem := record.problem:
            result.reject(record, RecordError(None, problem.code, problem.detail))
            continue
        try:
            parsed = parse(record.attributes)
        except Invalid as error:
            result.reject(record, *_errors(record, error.violations))
            continue
        if record.problems:
            result.reject(record, *_errors(record))
        else:
            valid.append((record, parsed))
    return valid


def _errors_of(record: Record, parse: Callable[[Any], object]) -> list[RecordError]:
    """Returns the errors for which `_valid` would reject a record."""
    result = BatchResult()
    _valid(result, [record], parse)
    return [error for rejected in result.rejected for error in rejected.errors]


def _errors(record: Record, violations: Iterable[Violation] = ()) -> list[RecordError]:
    """Returns the errors of a record: those that its reader found, then the others."""
    found = [Violation(name, problem) for name, problem in record.problems.items()]
    found += (each for each in violations if each.attribute not in record.problems)
    return [*map(_error, found[:MAX_ERRORS])]


def _error(violation: Violation) -> RecordError:
    problem = violation.problem
    return RecordError(violation.attribute, problem.code, problem.detail)


def _bad_reference(reference: ToOne, value: object) -> RecordError:
    """Returns the error of a value that refers to no entity."""
    noun = reference.target.not_found.noun
    names = " or ".join(["id", *(key.attribute for key in (reference.target.text_key,) if key)])
    if isinstance(value, str):
        detail = f"there is no {noun} with this {names}"
        return RecordError(reference.name, RelatedNotFound.code, detail)
    return RecordError(
        reference.name, NOT_TEXT.code, f"must be text: the {names} of {with_article(noun)}"
    )


def _conflict(unique: UniqueKey) -> RecordError:
    error = unique.taken()
    return RecordError(unique.attribute, error.code, error.detail)


def _without_taken(
    result: BatchResult, valid: Sequence[tuple[Record, T]], taken: Mapping[int, UniqueKey]
) -> Sequence[tuple[Record, T]]:
    """Rejects the records at positions whose unique key is taken, and returns the others."""
    if not taken:
        return valid
    for position, unique in taken.items():
        result.reject(valid[position][0], _conflict(unique))
    return [each for position, each in enumerate(valid) if position not in taken]


def _without_repeated_keys(
    uniques: Sequence[UniqueKey], valid: Iterable[tuple[Record, EntityChanges]]
) -> Iterable[list[tuple[Record, EntityChanges]]]:
    """Splits the records before each repeated key, so that a part has each key at most once.

    A later record then changes the entity that an earlier one stored, or is rejected.
    """
    part: list[tuple[Record, EntityChanges]] = []
    seen: set[tuple[str, Any]] = set()
    for record, changes in valid:
        keys = {
            (unique.attribute, unique.key_of(value))
            for unique in uniques
            if (value := changes.attributes.get(unique.attribute)) is not None
        }
        if not seen.isdisjoint(keys):
            yield part
            part, seen = [], set()
        part.append((record, changes))
        seen |= keys
    yield part
