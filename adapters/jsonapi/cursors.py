"""Cursors: where an item stands in an ordering, as opaque text
(jsonapi.org/profiles/ethanresnick/cursor-pagination/#concepts-cursors).

A cursor carries a digest of itself and of the list that it was made for, so that a damaged one,
or one of another sort or filter, is told from a good one. The digest is no secret keeper: what a
cursor says is only ever a place in a list.
"""

from base64 import urlsafe_b64decode
from binascii import b2a_base64
from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any

import orjson

from adapters.jsonapi.resource import Kind, Resource, read_instant, write_instant
from application.search import Condition, Key, Order, Value, tuple_getter

_DIGEST_BYTES = 9


class Cursors:
    """Makes and reads the cursors of any list; servers of one service share the secret."""

    def __init__(self, secret: str) -> None:
        self._key = blake2b(secret.encode(), digest_size=32).digest()

    def of(
        self, resource: Resource, conditions: tuple[Condition, ...], ordering: tuple[Order, ...]
    ) -> "ListCursors":
        """The cursors of one list: a resource under conditions and an ordering."""
        asked = sorted((c.attribute, c.op.value, sorted(map(repr, c.values))) for c in conditions)
        order = [(o.attribute, o.descending) for o in ordering]
        bound = blake2b(key=self._key, digest_size=_DIGEST_BYTES)
        bound.update(repr((resource.type, asked, order)).encode())
        kinds = tuple(resource.sortable[o.attribute].kind for o in ordering)
        return ListCursors(bound, ordering, kinds)


class ListCursors:
    """The cursors of one list."""

    def __init__(self, bound: Any, ordering: tuple[Order, ...], kinds: tuple[Kind, ...]) -> None:
        self._bound = bound
        self._ordering = ordering
        self._kinds = kinds
        self._instants = tuple(n for n, kind in enumerate(kinds) if kind is Kind.INSTANT)
        self.key: Callable[[Any], Key] = tuple_getter([order.attribute for order in ordering])
        """Where an item stands."""

    def of(self, items: Iterable[object]) -> list[str]:
        """The cursors of the items."""
        return self._written(map(self.key, items))

    def write(self, key: Key) -> str:
        """The cursor that falls on the key."""
        return self._written([key])[0]

    def _written(self, keys: Iterable[Key]) -> list[str]:
        return self._texts(map(orjson.dumps, map(self._told, keys) if self._instants else keys))

    def _told(self, key: Key) -> list[Any]:
        """The values of a key as JSON has them."""
        values: list[Any] = list(key)
        for position in self._instants:
            values[position] = write_instant(values[position])
        return values

    def _texts(self, payloads: Iterable[bytes]) -> list[str]:
        """Payloads under their digests, as URLs can hold them (RFC 4648 section 5, unpadded)."""
        begun, lines = self._bound.copy, []
        for payload in payloads:
            digest = begun()
            digest.update(payload)
            lines.append(b2a_base64(digest.digest() + payload))
        return b"".join(lines).translate(_OF_URLS, b"=").decode("ascii").split()

    def beside(self, key: Key, *, beyond: bool) -> Key:
        """The place right behind a key, or right before it, with nothing between the two.

        Ids are whole numbers and come last in every ordering, so that the next number will do.
        """
        step = 1 if beyond is not self._ordering[-1].descending else -1
        last = key[-1]
        assert isinstance(last, int), "the last attribute of an ordering is the id"
        return (*key[:-1], last + step)

    def read(self, cursor: str) -> Key | None:
        """The key on which the cursor falls; None if it is damaged or was made for another list."""
        try:
            raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
            values = orjson.loads(payload := raw[_DIGEST_BYTES:])
        except ValueError:
            return None
        # A cursor is one text: other spellings of the same bytes are damage too.
        return self._checked(values) if self._texts([payload]) == [cursor] else None

    def _checked(self, values: object) -> Key | None:
        """The values, if they are of the kinds that the list is sorted by.

        The secret may be known, so that a good digest does not prove our own writing.
        """
        if not isinstance(values, list) or len(values) != len(self._kinds):
            return None
        key = tuple(_value(kind, value) for kind, value in zip(self._kinds, values, strict=True))
        return None if None in key else key  # type: ignore[return-value]


_OF_URLS = bytes.maketrans(b"+/", b"-_")


def _value(kind: Kind, value: object) -> Value | None:
    if kind is Kind.INSTANT:
        return read_instant(value) if isinstance(value, str) else None
    if kind is Kind.TEXT:
        return value if isinstance(value, str) and "\0" not in value else None
    if kind is Kind.TRUTH:
        return value if isinstance(value, bool) else None
    is_key = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    return value if is_key else None  # type: ignore[return-value]
