"""Cursors: where an item stands in an ordering, as opaque text
(jsonapi.org/profiles/ethanresnick/cursor-pagination/#concepts-cursors).

A cursor is bound to its list: a damaged one, or one of another sort or filter, is detected. The
cursors of a list that is sorted by a personal attribute are encrypted, since proxies log the URLs
that contain them (docs/decisions/0041-cursor-encryption.md).
"""

from base64 import urlsafe_b64decode
from binascii import b2a_base64
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from hashlib import blake2b
from hmac import compare_digest
from typing import Any, Final, Protocol

import orjson
from marshmallow import ValidationError

from adapters.jsonapi.kinds import Kind
from adapters.jsonapi.resource import Resource
from application.keys import Keys
from application.search import (
    AnyOf,
    Condition,
    IsNull,
    Key,
    Not,
    Order,
    Related,
    Test,
    WordSearch,
    tuple_getter,
)

CURSOR: Final = "[A-Za-z0-9_-]+"
"""The pattern of a cursor."""
MAX_CURSOR_LENGTH: Final = 4096

_DIGEST_BYTES: Final = 9
_BLOCK: Final = 32
_PADDING: Final = [b" " * (-length % _BLOCK) for length in range(_BLOCK)]
"""What a payload is padded with, by its length: JSON allows white space at the end."""
_MAX_CACHED: Final = 64
_ENCRYPTION: Final = "cursor encryption"


class Cursors:
    """Makes and reads the cursors of any list. The same list has the same cursors."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._encryption_by = lru_cache(_MAX_CACHED)(_Encryption)  # the pages of a list share it

    def of(
        self, resource: Resource, conditions: tuple[Test, ...], ordering: tuple[Order, ...]
    ) -> "ListCursors":
        """The cursors of one list: a resource under conditions and an ordering."""
        filters = sorted(map(_binding, conditions))
        order = [(o.attribute, o.descending) for o in ordering]
        binding = repr((resource.type, filters, order)).encode()
        sorted_by = [resource.sortable[o.attribute] for o in ordering]
        seal = self._encryption if any(each.personal for each in sorted_by) else self._digests
        fields = tuple(each.field for each in sorted_by)
        return ListCursors(partial(seal, binding), ordering, fields)

    def _digests(self, binding: bytes) -> "_Digests":
        bound = blake2b(key=self._keys.cursor_digest_key(), digest_size=_DIGEST_BYTES)
        bound.update(binding)
        return _Digests(bound)

    def _encryption(self, binding: bytes) -> "_Encryption":
        key = self._keys.derive(_ENCRYPTION, size=64)
        return self._encryption_by(blake2b(binding, key=key, digest_size=64).digest())


def _binding(test: Test) -> tuple[str, str, list[str]]:
    """What the cursors of a list are bound to of a test. The order of its parts does not matter."""
    match test:
        case Condition():
            return test.attribute, test.op.value, sorted(map(repr, test.values))
        case WordSearch():
            return ",".join(test.attributes), "words", sorted(map(repr, test.words))
        case IsNull():
            return test.attribute, "null", []
        case Related():
            return test.relationship, "related", _bindings(test.tests)
        case Not():
            return "", "not", _bindings((test.test,))
        case AnyOf():
            return "", "any", sorted(repr(_bindings(each)) for each in test.alternatives)


def _bindings(tests: Iterable[Test]) -> list[str]:
    return sorted(repr(_binding(each)) for each in tests)


class _Seal(Protocol):
    """Protects the payloads of the cursors of one list."""

    def close(self, payloads: Iterable[bytes]) -> list[bytes]:
        """Protect the payloads. The same payload always has the same result."""

    def open(self, sealed: bytes) -> bytes | None:
        """Return the payload; None if `close` of the same list did not make this."""


class _Digests(_Seal):
    """Puts a digest before a payload, which stays readable."""

    def __init__(self, bound: Any) -> None:
        self._bound = bound

    def close(self, payloads: Iterable[bytes]) -> list[bytes]:
        begun, sealed = self._bound.copy, []
        for payload in payloads:
            digest = begun()
            digest.update(payload)
            sealed.append(digest.digest() + payload)
        return sealed

    def open(self, sealed: bytes) -> bytes | None:
        payload = sealed[_DIGEST_BYTES:]
        (expected,) = self.close([payload])
        return payload if compare_digest(expected, sealed) else None


class _Encryption(_Seal):
    """Encrypts payloads by AES-SIV (RFC 5297), which is deterministic and detects any change.

    The key belongs to one list. Two items never have the same payload, because it ends with the
    id, so that equal cursors say nothing. Padding hides most of the payload's length.
    """

    def __init__(self, key: bytes) -> None:
        # Imported here because it takes 20 ms, and most commands do without.
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV

        self._cipher = AESSIV(key)
        self._invalid = InvalidTag

    def close(self, payloads: Iterable[bytes]) -> list[bytes]:
        encrypt = self._cipher.encrypt
        return [encrypt(each + _PADDING[len(each) % _BLOCK], None) for each in payloads]

    def open(self, sealed: bytes) -> bytes | None:
        try:
            return self._cipher.decrypt(sealed, None)
        except self._invalid:
            return None


class ListCursors:
    """The cursors of one list. What makes and reads them raises Unavailable without their key."""

    def __init__(
        self, make_seal: Callable[[], _Seal], ordering: tuple[Order, ...], fields: tuple[Kind, ...]
    ) -> None:
        self._make_seal = make_seal
        self._made_seal: _Seal | None = None
        self._ordering = ordering
        self._fields = fields
        self._converted = [
            (position, each) for position, each in enumerate(fields) if not each.cursor_is_value
        ]
        self.key: Callable[[Any], Key] = tuple_getter([order.attribute for order in ordering])
        """Where an item stands."""

    @property
    def _seal(self) -> _Seal:
        """Made at first use: its key may be in a database that is unreachable."""
        if self._made_seal is None:
            self._made_seal = self._make_seal()
        return self._made_seal

    def of(self, items: Iterable[object]) -> list[str]:
        """The cursors of the items."""
        return self._written(map(self.key, items))

    def write(self, key: Key) -> str:
        """The cursor that falls on the key."""
        return self._written([key])[0]

    def _written(self, keys: Iterable[Key]) -> list[str]:
        payloads = map(orjson.dumps, self._json_values(keys) if self._converted else keys)
        return _texts(self._seal.close(payloads))

    def _json_values(self, keys: Iterable[Key]) -> Iterable[tuple[Any, ...]]:
        """The values of the keys as JSON has them."""
        columns: list[Sequence[Any]] = list(zip(*keys, strict=True))
        if not columns:
            return ()
        for position, each in self._converted:
            columns[position] = each.cursor_column(columns[position])
        return zip(*columns, strict=True)

    def adjacent_key(self, key: Key, *, beyond: bool) -> Key:
        """The place right behind a key, or right before it, with nothing between the two.

        Ids are whole numbers and come last in every ordering, so that the next number will do.
        """
        step = 1 if beyond is not self._ordering[-1].descending else -1
        last = key[-1]
        assert isinstance(last, int), "the last attribute of an ordering is the id"
        return (*key[:-1], last + step)

    def read(self, cursor: str) -> Key | None:
        """The key on which the cursor falls; None if it is damaged or was made for another list."""
        if len(cursor) > MAX_CURSOR_LENGTH:
            return None
        try:
            sealed = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        except ValueError:
            return None
        # A cursor is one text: other spellings of the same bytes are damage too.
        if _texts([sealed]) != [cursor]:
            return None
        payload = self._seal.open(sealed)
        if payload is None:
            return None
        try:
            return self._checked(orjson.loads(payload))
        except (ValueError, ValidationError):
            return None

    def _checked(self, values: object) -> Key | None:
        """The values of a key; None if it has another length.

        Raises ValidationError if a value is not of the kind that the list is sorted by. The secret
        may be known, so a valid digest does not prove that the service wrote the cursor.
        """
        if not isinstance(values, list) or len(values) != len(self._fields):
            return None
        return tuple(
            each.from_cursor(value) for each, value in zip(self._fields, values, strict=True)
        )


def _texts(sealed: Iterable[bytes]) -> list[str]:
    """Each of them as URLs can hold it (RFC 4648 section 5, unpadded)."""
    lines = b"".join(map(b2a_base64, sealed))
    return lines.translate(_URL_SAFE, b"=").decode("ascii").split()


_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
