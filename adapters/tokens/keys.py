"""Keys that verify tokens. The type of a key determines its algorithm, not the token."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import OKPAlgorithm

from adapters.strict_json import NotStrict, parse
from application.access import SECRET

MIN_SECRET_BYTES: Final = 32
"""The minimum bytes of a secret: the length of HS256's digest (RFC 7518, section 3.2)."""
_MIN_RSA_BITS: Final = 2048
# OpenSSL rejects longer keys (OPENSSL_RSA_MAX_MODULUS_BITS). For keys above 3072 bits, it also
# rejects longer exponents (OPENSSL_RSA_MAX_PUBEXP_BITS).
_MAX_RSA_BITS: Final = 16_384
_MAX_BITS_WITH_ANY_EXPONENT: Final = 3072
_MAX_EXPONENT_BITS: Final = 64

HS256: Final = ("HS256",)
_ED25519: Final = ("Ed25519", "EdDSA")  # two names of one algorithm (RFC 9864, RFC 8037)
_ALGORITHMS: Final[Mapping[tuple[object, object], tuple[str, ...]]] = {
    ("RSA", None): ("RS256",),
    ("EC", "P-256"): ("ES256",),
    ("OKP", "Ed25519"): _ED25519,
}
PUBLIC: Final = tuple(name for names in _ALGORITHMS.values() for name in names)
"""The algorithms of an issuer's keys."""

if "Ed25519" not in jwt.PyJWS().get_algorithms():
    jwt.register_algorithm("Ed25519", OKPAlgorithm())


class UnusableKeySet(Exception):
    """The key set cannot verify tokens. The message is the reason, for the operator."""


class NoUsableKey(UnusableKeySet):
    """The key set is valid, but has no key that can verify tokens."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key that verifies signatures, and the names of its one algorithm."""

    algorithms: tuple[str, ...]
    material: Any = field(repr=False)
    kid: str | None = None


class CurrentKeys(Protocol):
    """Keys that may change."""

    def current_keys(self) -> tuple[Key, ...]:
        """The keys that may be used now. It is the same object until the keys change."""


class KeySource(CurrentKeys, Protocol):
    """Provides the keys for some algorithms, for one kind of principals."""

    @property
    def kind(self) -> str:
        """The kind of the principals."""

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The algorithms of the keys."""

    def refreshed_keys(self) -> tuple[Key, ...]:
        """The keys after an attempt to refresh them, if a token matches none of `current_keys`.

        Raises Unavailable if there are no keys.
        """


class Secret:
    """The shared secret, as a source of keys."""

    kind: Final = SECRET
    algorithms: Final = HS256

    def __init__(self, secret: str) -> None:
        """Raises ValueError if `secret_bytes` does."""
        self._keys = (Key(HS256, secret_bytes(secret)),)

    def current_keys(self) -> tuple[Key, ...]:
        """The only key."""
        return self._keys

    def refreshed_keys(self) -> tuple[Key, ...]:
        """The only key, which never changes."""
        return self._keys


def matching(keys: Iterable[Key], algorithm: str, kid: str | None) -> list[Key]:
    """The keys that may have signed a token with this `alg` and `kid`.

    These are the keys with that id and those without an id. A token without `kid` may also be
    signed by the only key for its algorithm, because `kid` is optional (RFC 7515, section 4.1.4).
    """
    candidates = [key for key in keys if algorithm in key.algorithms]
    if kid is None and len(candidates) == 1:
        return candidates
    return [key for key in candidates if key.kid is None or key.kid == kid]


def secret_bytes(secret: str) -> bytes:
    """The secret for HS256. Raises ValueError if it is too short, or a key for another use."""
    key = secret.encode("utf-8", "surrogateescape")
    if len(key) < MIN_SECRET_BYTES:
        raise ValueError(f"must have {MIN_SECRET_BYTES} bytes or more")
    try:
        return jwt.get_algorithm_by_name(HS256[0]).prepare_key(key)  # type: ignore[no-any-return]
    except jwt.InvalidKeyError:
        raise ValueError("must not be the key of another algorithm") from None


def read_keys(text: bytes) -> tuple[Key, ...]:
    """The usable keys of a JSON Web Key Set (RFC 7517).

    Ignores other keys (section 5): keys for encryption, of unknown types, too short or too long.
    Also ignores secret and private keys, which do not belong in a public set. Raises
    UnusableKeySet if the text is not a key set, NoUsableKey if the set has no usable key.
    """
    try:
        document = parse(text)
    except NotStrict:
        raise UnusableKeySet("it is not JSON") from None
    members = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(members, list):
        raise UnusableKeySet("it is not a JSON Web Key Set")
    keys = tuple(key for each in members if (key := _usable(each)))
    if not keys:
        raise NoUsableKey("it has no key for RS256, ES256 or EdDSA")
    return keys


def algorithms_of(jwk: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the names of the one algorithm of a key. PyJWT knows it by the last name.

    Returns no names if Roster does not support the type of the key, or `alg` names another
    algorithm.
    """
    kind = (jwk.get("kty"), jwk.get("crv"))
    if not all(isinstance(each, str | None) for each in kind):
        return ()
    algorithms = _ALGORITHMS.get(kind, ())
    return algorithms if jwk.get("alg") in (None, *algorithms) else ()


def _usable(jwk: Any) -> Key | None:
    if not isinstance(jwk, dict) or "d" in jwk or not _for_signatures(jwk):
        return None
    kid, algorithms = jwk.get("kid"), algorithms_of(jwk)
    if not algorithms or not isinstance(kid, str | None):
        return None
    try:
        material = jwt.PyJWK(jwk, algorithms[-1]).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if isinstance(material, RSAPublicKey) and not is_usable_rsa(material):
        return None
    return Key(algorithms, material, kid)


def is_usable_rsa(key: RSAPublicKey) -> bool:
    """Returns True if the key is long enough, and OpenSSL accepts it."""
    if not _MIN_RSA_BITS <= key.key_size <= _MAX_RSA_BITS:
        return False
    exponent = key.public_numbers().e.bit_length()
    return key.key_size <= _MAX_BITS_WITH_ANY_EXPONENT or exponent <= _MAX_EXPONENT_BITS


def _for_signatures(jwk: Mapping[str, Any]) -> bool:
    operations = jwk.get("key_ops", ["verify"])
    return jwk.get("use", "sig") == "sig" and (
        isinstance(operations, list) and "verify" in operations
    )
