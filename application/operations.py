"""Several commands in one unit of work: all of them happen, or none.

The commands are generic. Each type of entity supplies its own implementation of them.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from application.entities import Entity
from application.ports import Context, Unavailable, UnitOfWork, UnitRunner
from application.units import nested
from domain.errors import RosterError


class Commands(Protocol):
    """The commands on entities of one type, such as application.commands.Commands."""

    def create(self, new: Any, context: Context, /) -> Entity: ...

    def change(
        self,
        entity_id: int,
        changes: Any,
        context: Context,
        /,
        *,
        expected: Container[int] | None = None,
    ) -> Entity: ...

    def delete(
        self, entity_id: int, context: Context, /, *, expected: Container[int] | None = None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class CreatedBy:
    """The entity that an earlier operation creates. `operation` is its position, from 0."""

    operation: int


Results = Sequence[Entity | None]


def _target_id(target: int | CreatedBy, results: Results) -> int:
    if isinstance(target, int):
        return target
    created = results[target.operation]
    assert created is not None, "the operation must create an entity"
    return created.id


@dataclass(frozen=True, slots=True)
class Create:
    """Creates an entity of the type."""

    type: str
    new: Any

    def perform(self, commands: Commands, context: Context, _: Results) -> Entity:
        """Creates the entity, and returns it."""
        return commands.create(self.new, context)


@dataclass(frozen=True, slots=True)
class Change:
    """Changes an entity of the type if its version is expected; None accepts any version."""

    type: str
    target: int | CreatedBy
    changes: Any
    expected: Container[int] | None = None

    def perform(self, commands: Commands, context: Context, earlier: Results) -> Entity:
        """Changes the entity, and returns it. `earlier` are the results of earlier operations."""
        entity_id = _target_id(self.target, earlier)
        return commands.change(entity_id, self.changes, context, expected=self.expected)


@dataclass(frozen=True, slots=True)
class Delete:
    """Deletes an entity of the type if its version is expected; None accepts any version."""

    type: str
    target: int | CreatedBy
    expected: Container[int] | None = None

    def perform(self, commands: Commands, context: Context, earlier: Results) -> None:
        """Deletes the entity. `earlier` are the results of earlier operations."""
        commands.delete(_target_id(self.target, earlier), context, expected=self.expected)


Operation = Create | Change | Delete


class OperationRefused(Exception):
    """An operation failed, so that no operation had an effect.

    `position` is the position of the operation, from 0. `error` is the error that it raised.
    """

    def __init__(self, position: int, error: RosterError) -> None:
        super().__init__(f"operation {position}: {error.detail}")
        self.position = position
        self.error = error


@contextmanager
def _tag_position(position: int) -> Iterator[None]:
    """Raises OperationRefused instead of a RosterError, except for Unavailable."""
    try:
        yield
    except Unavailable:
        raise
    except RosterError as error:
        raise OperationRefused(position, error) from error


class Operations:
    """Performs operations in their order.

    `commands` maps each type to a function that returns its commands for a UnitRunner.
    """

    def __init__(self, commands: Mapping[str, Callable[[UnitRunner], Commands]]) -> None:
        self._commands = commands

    def __call__(
        self, operations: Sequence[Operation], run: UnitRunner, context: Context
    ) -> Results:
        """Performs the operations in one unit of work.

        Returns the entity of each operation, or None for a deletion. Raises OperationRefused if an
        operation fails, and Unavailable.
        """

        def unit(work: UnitOfWork) -> Results:
            runner = nested(work)
            commands = {name: bind(runner) for name, bind in self._commands.items()}
            results: list[Entity | None] = []
            for position, operation in enumerate(operations):
                with _tag_position(position):
                    result = operation.perform(commands[operation.type], context, results)
                    results.append(result)
            return results

        return run(context, unit)
