"""Many commands as one unit of work: all of them happen, or none.

What the commands are about is not known here: each type of thing comes in with its own verbs.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from application.ports import Context, Unavailable, UnitOfWork, UnitRunner
from application.units import nested
from domain.errors import RosterError


class Entity(Protocol):
    """What a command leaves behind."""

    @property
    def id(self) -> int: ...

    @property
    def version(self) -> int: ...


class Commands(Protocol):
    """What can be done to the things of one type. Each raises the refusals of its type."""

    def create(self, new: Any, context: Context, /) -> Entity: ...

    def change(
        self,
        key: int,
        changes: Any,
        context: Context,
        /,
        *,
        expected: Container[int] | None = None,
    ) -> Entity: ...

    def delete(
        self, key: int, context: Context, /, *, expected: Container[int] | None = None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class CreatedBy:
    """What an earlier operation creates, by that operation's position."""

    operation: int


Results = Sequence[Entity | None]


def _key(which: int | CreatedBy, results: Results) -> int:
    if isinstance(which, int):
        return which
    made = results[which.operation]
    assert made is not None, "only what creates can be referred to"
    return made.id


@dataclass(frozen=True, slots=True)
class Create:
    """Creates a thing of the type."""

    type: str
    new: Any

    def perform(self, commands: Commands, context: Context, _: Results) -> Entity:
        return commands.create(self.new, context)


@dataclass(frozen=True, slots=True)
class Change:
    """Changes a thing of the type, if it stands at an expected version; None means any."""

    type: str
    which: int | CreatedBy
    changes: Any
    expected: Container[int] | None = None

    def perform(self, commands: Commands, context: Context, earlier: Results) -> Entity:
        key = _key(self.which, earlier)
        return commands.change(key, self.changes, context, expected=self.expected)


@dataclass(frozen=True, slots=True)
class Delete:
    """Removes a thing of the type, if it stands at an expected version; None means any."""

    type: str
    which: int | CreatedBy
    expected: Container[int] | None = None

    def perform(self, commands: Commands, context: Context, earlier: Results) -> None:
        commands.delete(_key(self.which, earlier), context, expected=self.expected)


Operation = Create | Change | Delete


class OperationRefused(Exception):
    """An operation was refused, and so nothing of any happened."""

    def __init__(self, position: int, refusal: RosterError) -> None:
        super().__init__(f"operation {position}: {refusal.detail}")
        self.position = position
        self.refusal = refusal


@contextmanager
def _tag_position(position: int) -> Iterator[None]:
    """Says of a refusal which operation met it. What may be tried again stays as it is."""
    try:
        yield
    except Unavailable:
        raise
    except RosterError as error:
        raise OperationRefused(position, error) from error


class Operations:
    """Performs operations in their order, with the commands of each type."""

    def __init__(self, commands: Mapping[str, Callable[[UnitRunner], Commands]]) -> None:
        self._commands = commands

    def __call__(
        self, operations: Sequence[Operation], run: UnitRunner, context: Context
    ) -> Results:
        """What each of them left behind; None where it removed something.

        One unit of work. OperationRefused for the first that is refused.
        """

        def unit(work: UnitOfWork) -> Results:
            joined = nested(work)
            commands = {name: bind(joined) for name, bind in self._commands.items()}
            results: list[Entity | None] = []
            for position, operation in enumerate(operations):
                with _tag_position(position):
                    did = operation.perform(commands[operation.type], context, results)
                    results.append(did)
            return results

        return run(context, unit)
