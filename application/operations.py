"""Several commands in one unit of work: all of them happen, or none."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import chain
from typing import Any, TypeAlias

from application.commands import Commands
from application.entities import Entity
from application.ports import Context, Unavailable, UnitOfWork, UnitRunner
from application.relationship_commands import LINKS_AT_ONCE, RelationshipCommands
from application.relationships import ToMany, ToOne
from application.units import nested
from domain.errors import RosterError

AnyCommands: TypeAlias = Commands[Any, Any]


@dataclass(frozen=True, slots=True)
class CreatedBy:
    """The entity that an earlier operation creates. `operation` is its position, from 0."""

    operation: int


Results = Sequence[Entity | None]
"""The entity that each operation created or changed, or None."""


def _target_id(target: int | CreatedBy, results: Results) -> int:
    if isinstance(target, int):
        return target
    created = results[target.operation]
    assert created is not None, "the operation must create an entity"
    return created.id


RelatedTargets = Mapping[str, Sequence[int | CreatedBy]]
"""The complete new lists of to-many relationships, by name."""
ReferenceTargets = Mapping[str, CreatedBy]
"""The to-one relationships to entities that earlier operations create, by name."""


def _ids(targets: Iterable[int | CreatedBy], results: Results) -> list[int]:
    return [_target_id(each, results) for each in targets]


def _lists(related: RelatedTargets, results: Results) -> dict[str, list[int]]:
    return {name: _ids(targets, results) for name, targets in related.items()}


def _referred_ids(references: ReferenceTargets, results: Results) -> dict[str, int]:
    return {name: _target_id(target, results) for name, target in references.items()}


@dataclass(frozen=True, slots=True)
class Create:
    """Creates an entity of the type, with its relationships."""

    type: str
    new: Any
    related: RelatedTargets = field(default_factory=dict)
    references: ReferenceTargets = field(default_factory=dict)

    def perform(self, commands: AnyCommands, context: Context, earlier: Results) -> Entity:
        """Creates the entity, and returns it. `earlier` are the results of earlier operations."""
        new = self.new
        if self.references:
            new = replace(new, **_referred_ids(self.references, earlier))
        created: Entity = commands.create(new, context, related=_lists(self.related, earlier))
        return created


@dataclass(frozen=True, slots=True)
class Change:
    """Changes an entity of the type if its version is expected; None accepts any version."""

    type: str
    target: int | CreatedBy
    changes: Any
    expected: Container[int] | None = None
    related: RelatedTargets = field(default_factory=dict)
    references: ReferenceTargets = field(default_factory=dict)

    def perform(self, commands: AnyCommands, context: Context, earlier: Results) -> Entity:
        """Changes the entity, and returns it. `earlier` are the results of earlier operations."""
        changes = self.changes
        if self.references:
            ids = _referred_ids(self.references, earlier)
            changes = replace(changes, attributes={**changes.attributes, **ids})
        changed: Entity = commands.change(
            _target_id(self.target, earlier),
            changes,
            context,
            expected=self.expected,
            related=_lists(self.related, earlier),
        )
        return changed


@dataclass(frozen=True, slots=True)
class SetReference:
    """Changes a to-one relationship of an entity if its version is expected."""

    type: str
    target: int | CreatedBy
    reference: ToOne
    related: int | CreatedBy | None
    expected: Container[int] | None = None

    def perform(self, commands: AnyCommands, context: Context, earlier: Results) -> None:
        """Changes the relationship. `earlier` are the results of earlier operations."""
        related_id = None if self.related is None else _target_id(self.related, earlier)
        entity_id = _target_id(self.target, earlier)
        commands.set_reference(
            entity_id, self.reference, related_id, context, expected=self.expected
        )


class LinkAction(Enum):
    """The action of an operation on a to-many relationship."""

    ADD = "add"
    REMOVE = "remove"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class ChangeLinks:
    """Changes a to-many relationship of an entity."""

    type: str
    target: int | CreatedBy
    relationship: ToMany
    action: LinkAction
    ids: Sequence[int | CreatedBy]

    def perform(self, commands: RelationshipCommands, context: Context, earlier: Results) -> None:
        """Changes the relationship. `earlier` are the results of earlier operations."""
        source_id, ids = _target_id(self.target, earlier), _ids(self.ids, earlier)
        if self.action is LinkAction.REPLACE:
            commands.replace(source_id, ids, context, limit=LINKS_AT_ONCE)
        elif self.action is LinkAction.ADD:
            commands.add(source_id, ids, context)
        else:
            commands.remove(source_id, ids, context)


@dataclass(frozen=True, slots=True)
class Delete:
    """Deletes an entity of the type if its version is expected; None accepts any version."""

    type: str
    target: int | CreatedBy
    expected: Container[int] | None = None

    def perform(self, commands: AnyCommands, context: Context, earlier: Results) -> None:
        """Deletes the entity. `earlier` are the results of earlier operations."""
        commands.delete(_target_id(self.target, earlier), context, expected=self.expected)


Operation = Create | Change | Delete | SetReference | ChangeLinks


def _locked_id(operation: Operation) -> int | None:
    """Returns the id of the entity that the operation locks, if it exists before all operations."""
    if isinstance(operation, Create):
        return None
    if isinstance(operation, ChangeLinks) and operation.action is not LinkAction.REPLACE:
        return None
    return operation.target if isinstance(operation.target, int) else None


def _related_ids(operation: Operation) -> Iterator[int]:
    """Yields the ids, of any type, of the existing entities that the operation relates."""
    targets: list[int | CreatedBy] = []
    if isinstance(operation, ChangeLinks):
        if operation.action is not LinkAction.REMOVE:
            targets = [operation.target, *operation.ids]
    elif isinstance(operation, Create | Change):
        targets = [*chain.from_iterable(operation.related.values())]
    return (each for each in targets if isinstance(each, int))


class OperationRefused(Exception):
    """An operation failed, so that no operation had an effect.

    `position` is the position of the operation, from 0. `error` is the error that it raised.
    `earlier` are the results of the operations before it, which had no effect either.
    """

    def __init__(self, position: int, error: RosterError, earlier: Results) -> None:
        super().__init__(f"operation {position}: {error.detail}")
        self.position = position
        self.error = error
        self.earlier = earlier


@contextmanager
def _tag_position(position: int, earlier: Results) -> Iterator[None]:
    """Raises OperationRefused instead of a RosterError, except for Unavailable."""
    try:
        yield
    except Unavailable:
        raise
    except RosterError as error:
        raise OperationRefused(position, error, earlier) from error


class Operations:
    """Performs operations in their order.

    `commands` maps each type to a function that returns its commands for a UnitRunner.
    """

    def __init__(
        self,
        commands: Mapping[str, Callable[[UnitRunner], AnyCommands]],
        relate: Callable[[ToMany, UnitRunner], RelationshipCommands] = RelationshipCommands,
    ) -> None:
        self._commands = commands
        self._relate = relate

    def __call__(
        self, operations: Sequence[Operation], run: UnitRunner, context: Context
    ) -> Results:
        """Performs the operations in one unit of work.

        Returns the entity that each operation created or changed. The result of a deletion, and of
        a change of a relationship, is None. Raises OperationRefused if an operation fails, and
        Unavailable.
        """

        def unit(work: UnitOfWork) -> Results:
            runner = nested(work)
            commands = {name: bind(runner) for name, bind in self._commands.items()}
            _lock_targets(operations, commands, context)
            results: list[Entity | None] = []
            for position, operation in enumerate(operations):
                with _tag_position(position, results):
                    if isinstance(operation, ChangeLinks):
                        links = self._relate(operation.relationship, runner)
                        operation.perform(links, context, results)
                        results.append(None)
                    else:
                        result = operation.perform(commands[operation.type], context, results)
                        results.append(result)
            return results

        return run(context, unit)


def _lock_targets(
    operations: Sequence[Operation], commands: Mapping[str, AnyCommands], context: Context
) -> None:
    """Locks the existing entities that the operations change, in the same order in all units.

    Units that lock the same entities in different orders would wait for each other. So would a unit
    that first relates an entity, which locks it weakly, and one that waits to lock it. Does nothing
    if the operations themselves lock the entities in this order, by type and then by id, and relate
    none of them before.
    """
    positions = {name: position for position, name in enumerate(commands)}
    targets: dict[tuple[int, int], None] = {}
    related: set[int] = set()
    is_ordered = True
    for each in operations:
        if (target_id := _locked_id(each)) is not None:
            is_ordered &= target_id not in related
            targets[positions[each.type], target_id] = None
        related.update(_related_ids(each))
    if is_ordered and [*targets] == sorted(targets):
        return
    for name, position in positions.items():
        if ids := [target_id for of_type, target_id in targets if of_type == position]:
            commands[name].lock(ids, context)
