"""Many rows at once, without a statement for each."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Connection, Table, bindparam, insert, select
from sqlalchemy.exc import IntegrityError

from adapters.sql.failures import violated
from adapters.sql.transactions import send
from application.ports import Overtaken

_ATTEMPTS = 4


class Bulk:
    """Adds rows to a table whose `key` is unique; `held` names that constraint in its databases.

    The keys that are held are looked up first, so that a violation can only come of another
    transaction that committed in between. It then looks again.
    """

    def __init__(self, table: Table, *, key: Column[Any], held: Collection[str]) -> None:
        self._insert = insert(table)
        self._taken = select(key).where(key.in_(bindparam("keys", expanding=True)))
        self._key = key.name
        self._held = held

    def add(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> Collection[int]:
        """Insert them in their order; the positions of those whose key was held are given back.

        Overtaken if others take keys again and again meanwhile.
        """
        firsts = self._firsts(rows)
        for _ in range(_ATTEMPTS):
            taken = self._held_of(connection, list(firsts))
            kept = [position for key, position in firsts.items() if key not in taken]
            if self._inserted(connection, [rows[position] for position in kept]):
                return sorted(set(range(len(rows))).difference(kept))
        raise Overtaken

    def _firsts(self, rows: Sequence[Mapping[str, Any]]) -> dict[Any, int]:
        """The position of the first row of each key."""
        found: dict[Any, int] = {}
        for position, row in enumerate(rows):
            found.setdefault(row[self._key], position)
        return found

    def _held_of(self, connection: Connection, keys: Sequence[Any]) -> Collection[Any]:
        return set(connection.execute(self._taken, {"keys": keys}).scalars())

    def _inserted(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> bool:
        """Whether they are in; if not, the transaction is as it was before."""
        if not rows:
            return True
        send(connection, "SAVEPOINT bulk")
        try:
            connection.execute(self._insert, rows)
        except IntegrityError as error:
            if violated(error) not in self._held:
                raise
            send(connection, "ROLLBACK TO SAVEPOINT bulk")
            return False
        send(connection, "RELEASE SAVEPOINT bulk")
        return True
