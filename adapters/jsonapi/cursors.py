"""Cursors: opaque text that identifies a place in a list
(jsonapi.org/profiles/ethanresnick/cursor-pagination/#concepts-cursors).

A cursor is valid only for its list: a damaged cursor, or one for another sort or filter, is
detected. The cursors of a list that is sorted by a personal attribute are encrypted, because
proxies log the URLs that contain them (docs/decisions/0041-cursor-encryption.md).
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

from adapters.jsonapi.kinds import Id, Kind
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
"""The padding of a payload by its length. JSON allows trailing white space."""
_MAX_CACHED: Final = 64
_ENCRYPTION: Final = "cursor encryption"


class Cursors:
    """Provides the cursors of any list. Equal lists have equal cursors."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._encryption_by = lru_cache(_MAX_CACHED)(_Encryption)  # shared by the pages of a list

    def of(
        self, resource: Resource, conditions: tuple[Test, ...], ordering: tuple[Order, ...]
    ) -> "ListCursors":
        """Returns the cursors of the resources that match the conditions, in the ordering."""
        filters = sorted(map(_identity, conditions))
        order = [(o.attribute, o.descending) for o in ordering]
        list_identity = repr((resource.type, filters, order)).encode()
        sorted_by = [resource.sortable[o.attribute] for o in ordering]
        create = self._encryption if any(each.personal for each in sorted_by) else self._digests
        fields = tuple(each.field for each in sorted_by)
        return ListCursors(partial(create, list_identity), ordering, fields)

    def _digests(self, list_identity: bytes) -> "_Digests":
        digest = blake2b(key=self._keys.cursor_digest_key(), digest_size=_DIGEST_BYTES)
        digest.update(list_identity)
        return _Digests(digest)

    def _encryption(self, list_identity: bytes) -> "_Encryption":
        key = self._keys.derive(_ENCRYPTION, size=64)
        return self._encryption_by(blake2b(list_identity, key=key, digest_size=64).digest())


def _identity(test: Test) -> tuple[str, str, list[str]]:
    """Returns a value that equal tests share. The order of a test's parts does not matter."""
    match test:
        case Condition():
            return test.attribute, test.op.value, sorted(map(repr, test.values))
        case WordSearch():
            return ",".join(test.attributes), "words", sorted(map(repr, test.words))
        case IsNull():
            return test.attribute, "null", []
        case Related():
            return test.relationship, "related", _identities(test.tests)
        case Not():
            return "", "not", _identities((test.test,))
        case AnyOf():
            return "", "any", sorted(repr(_identities(each)) for each in test.alternatives)


def _identities(tests: Iterable[Test]) -> list[str]:
    return sorted(repr(_identity(each)) for each in tests)


class _Seal(Protocol):
    """Protects the payloads of the cursors of one list."""

    def close(self, payloads: Iterable[bytes]) -> list[bytes]:
        """Protects the payloads. Equal payloads have equal results."""

    def open(self, sealed: bytes) -> bytes | None:
        """Returns the payload; None if `close` of the same list did not return `sealed`."""


class _Digests(_Seal):
    """Puts a keyed digest before a payload, which remains readable.

    `list_digest` is a hash object, already updated with the identity of the list.
    """

    def __init__(self, list_digest: Any) -> None:
        self._list_digest = list_digest

    def close(self, payloads: Iterable[bytes]) -> list[bytes]:
        copy, sealed = self._list_digest.copy, []
        for payload in payloads:
            digest = copy()
            digest.update(payload)
            sealed.append(digest.digest() + payload)
        return sealed

    def open(self, sealed: bytes) -> bytes | None:
        payload = sealed[_DIGEST_BYTES:]
        (expected,) = self.close([payload])
        return payload if compare_digest(expected, sealed) else None


class _Encryption(_Seal):
    """Encrypts payloads with AES-SIV (RFC 5297), which is deterministic and detects any change.

    The key is that of one list. Two items never have the same payload, because each payload ends
    with an id. So the deterministic encryption reveals no equal values. Padding hides most of the
    payload's length.
    """

    def __init__(self, key: bytes) -> None:
        # Imported here because the import takes 20 ms, and most commands do not need it.
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
    """The cursors of one list.

    Methods that create or parse cursors raise Unavailable if the key cannot be read.
    """

    def __init__(
        self,
        create_seal: Callable[[], _Seal],
        ordering: tuple[Order, ...],
        fields: tuple[Kind, ...],
    ) -> None:
        self._create_seal = create_seal
        self._cached_seal: _Seal | None = None
        self._ordering = ordering
        self._fields = fields
        self._converted = [
            (position, each) for position, each in enumerate(fields) if not each.cursor_is_value
        ]
        self.key: Callable[[Any], Key] = tuple_getter([order.attribute for order in ordering])
        """Returns the key of an item in the list."""

    @property
    def _seal(self) -> _Seal:
        """Created at first use, because its key may be in a database that is unreachable."""
        if self._cached_seal is None:
            self._cached_seal = self._create_seal()
        return self._cached_seal

    def of(self, items: Iterable[object]) -> list[str]:
        """Returns the cursors of the items."""
        return self._format(map(self.key, items))

    def write(self, key: Key) -> str:
        """Returns the cursor of the key."""
        return self._format([key])[0]

    def _format(self, keys: Iterable[Key]) -> list[str]:
        payloads = map(orjson.dumps, self._json_values(keys) if self._converted else keys)
        return _texts(self._seal.close(payloads))

    def _json_values(self, keys: Iterable[Key]) -> Iterable[tuple[Any, ...]]:
        """Returns the JSON forms of the keys' values."""
        columns: list[Sequence[Any]] = list(zip(*keys, strict=True))
        if not columns:
            return ()
        for position, each in self._converted:
            columns[position] = each.cursor_column(columns[position])
        return zip(*columns, strict=True)

    def adjacent_key(self, key: Key, *, beyond: bool) -> Key:
        """Returns the key right after a key, or right before it if `beyond` is false.

        No item can be between the two, because the last attribute of every ordering is the id.
        """
        last = self._fields[-1]
        assert isinstance(last, Id), "the last attribute of an ordering is the id"
        beyond = beyond is not self._ordering[-1].descending
        return (*key[:-1], last.adjacent(key[-1], beyond=beyond))

    def read(self, cursor: str) -> Key | None:
        """Returns the key of the cursor; None if it is damaged or the cursor of another list."""
        if len(cursor) > MAX_CURSOR_LENGTH:
            return None
        try:
            sealed = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        except ValueError:
            return None
        # Base64 can encode the same bytes in several ways. Only one of them is a cursor.
        if _texts([sealed]) != [cursor]:
            return None
        payload = self._seal.open(sealed)
        if payload is None:
            return None
        try:
            return self._parse_key(orjson.loads(payload))
        except (ValueError, ValidationError):
            return None

    def _parse_key(self, values: object) -> Key | None:
        """Returns the key of its JSON form; None if the number of values is wrong.

        Raises ValidationError if the kind of a value is not that of the attribute by which the list
        is sorted. An attacker may know the secret, so a valid digest does not prove that the
        service created the cursor.
        """
        if not isinstance(values, list) or len(values) != len(self._fields):
            return None
        return tuple(
            each.from_cursor(value) for each, value in zip(self._fields, values, strict=True)
        )


def _texts(sealed: Iterable[bytes]) -> list[str]:
    """Encodes each in URL-safe Base64 without padding (RFC 4648 section 5)."""
    lines = b"".join(map(b2a_base64, sealed))
    return lines.translate(_URL_SAFE, b"=").decode("ascii").split()


_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
