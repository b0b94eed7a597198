"""Many commands as one unit of work: all of them happen, or none.

What the commands are about is not known here: each type of thing comes in with its own verbs.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Protocol

from application.ports import Context, Unavailable, UnitOfWork, UnitRunner
from application.relationship_commands import LINKS_AT_ONCE, RelatedIds, RelationshipCommands
from application.relationships import ToMany, ToOne
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

    def create(self, new: Any, context: Context, /, *, related: RelatedIds = ...) -> Entity: ...

    def change(
        self,
        key: int,
        changes: Any,
        context: Context,
        /,
        *,
        expected: Container[int] | None = None,
        related: RelatedIds = ...,
    ) -> Entity: ...

    def set_reference(
        self,
        key: int,
        reference: ToOne,
        related_id: int | None,
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


Related = Mapping[str, Sequence[int | CreatedBy]]
"""The complete new lists of to-many relationships, by name."""
References = Mapping[str, CreatedBy]
"""The to-one relationships to what earlier operations create, by name."""


def _ids(which: Iterable[int | CreatedBy], results: Results) -> list[int]:
    return [_key(each, results) for each in which]


def _lists(related: Related, results: Results) -> dict[str, list[int]]:
    return {name: _ids(ids, results) for name, ids in related.items()}


@dataclass(frozen=True, slots=True)
class Create:
    """Creates an entity of the type, with its relationships."""

    type: str
    new: Any
    related: Related = field(default_factory=dict)
    references: References = field(default_factory=dict)

    def perform(self, commands: Commands, context: Context, earlier: Results) -> Entity:
        new = self.new
        if self.references:
            its = {name: _key(each, earlier) for name, each in self.references.items()}
            new = replace(new, **its)
        related = {"related": _lists(self.related, earlier)} if self.related else {}
        return commands.create(new, context, **related)


@dataclass(frozen=True, slots=True)
class Change:
    """Changes an entity of the type, if it is at an expected version; None accepts any."""

    type: str
    which: int | CreatedBy
    changes: Any
    expected: Container[int] | None = None
    related: Related = field(default_factory=dict)
    references: References = field(default_factory=dict)

    def perform(self, commands: Commands, context: Context, earlier: Results) -> Entity:
        changes, key = self.changes, _key(self.which, earlier)
        if self.references:
            its = {name: _key(each, earlier) for name, each in self.references.items()}
            changes = replace(changes, attributes={**changes.attributes, **its})
        related = {"related": _lists(self.related, earlier)} if self.related else {}
        return commands.change(key, changes, context, expected=self.expected, **related)


@dataclass(frozen=True, slots=True)
class SetReference:
    """Changes a to-one relationship of an entity, if it is at an expected version."""

    type: str
    which: int | CreatedBy
    reference: ToOne
    related: int | CreatedBy | None
    expected: Container[int] | None = None

    def perform(self, commands: Commands, context: Context, earlier: Results) -> None:
        related_id = None if self.related is None else _key(self.related, earlier)
        key = _key(self.which, earlier)
        commands.set_reference(key, self.reference, related_id, context, expected=self.expected)


class LinkAction(Enum):
    """What an operation does to a to-many relationship."""

    ADD = "add"
    REMOVE = "remove"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class ChangeLinks:
    """Changes a to-many relationship of an entity."""

    type: str
    which: int | CreatedBy
    relationship: ToMany
    action: LinkAction
    ids: Sequence[int | CreatedBy]

    def perform(self, commands: RelationshipCommands, context: Context, earlier: Results) -> None:
        key, ids = _key(self.which, earlier), _ids(self.ids, earlier)
        if self.action is LinkAction.REPLACE:
            commands.replace(key, ids, context, limit=LINKS_AT_ONCE)
        elif self.action is LinkAction.ADD:
            commands.add(key, ids, context)
        else:
            commands.remove(key, ids, context)


@dataclass(frozen=True, slots=True)
class Delete:
    """Removes a thing of the type, if it stands at an expected version; None means any."""

    type: str
    which: int | CreatedBy
    expected: Container[int] | None = None

    def perform(self, commands: Commands, context: Context, earlier: Results) -> None:
        commands.delete(_key(self.which, earlier), context, expected=self.expected)


Operation = Create | Change | Delete | SetReference | ChangeLinks


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

    def __init__(
        self,
        commands: Mapping[str, Callable[[UnitRunner], Commands]],
        relate: Callable[[ToMany, UnitRunner], RelationshipCommands] = RelationshipCommands,
    ) -> None:
        self._commands = commands
        self._relate = relate

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
                    if isinstance(operation, ChangeLinks):
                        links = self._relate(operation.relationship, joined)
                        operation.perform(links, context, results)
                        results.append(None)
                        continue
                    did = operation.perform(commands[operation.type], context, results)
                    results.append(did)
            return results

        return run(context, unit)
