"""Keys that check tokens. What a key is decides its algorithm; a token only names one of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import OKPAlgorithm

from adapters.strict_json import NotStrict, parse

SHORTEST_SECRET: Final = 32
"""Bytes: as many as HS256's digest has (RFC 7518, section 3.2)."""
_SHORTEST_RSA: Final = 2048

HS256: Final = ("HS256",)
_ED25519: Final = ("Ed25519", "EdDSA")  # RFC 9864 gave it the first name, RFC 8037 the second
_OF_KIND: Final[Mapping[tuple[object, object], tuple[str, ...]]] = {
    ("RSA", None): ("RS256",),
    ("EC", "P-256"): ("ES256",),
    ("OKP", "Ed25519"): _ED25519,
}
PUBLIC: Final = tuple(name for names in _OF_KIND.values() for name in names)
"""The algorithms of an issuer's keys."""

if "Ed25519" not in jwt.PyJWS().get_algorithms():
    jwt.register_algorithm("Ed25519", OKPAlgorithm())


class UnusableKeySet(Exception):
    """A key set by which no token can be checked. Its text is for whoever runs the service."""


@dataclass(frozen=True, slots=True)
class Key:
    """What checks a signature, and the names of the one algorithm that it is for."""

    algorithms: tuple[str, ...]
    material: Any = field(repr=False)
    kid: str | None = None

    def may_check(self, algorithm: object, kid: str | None) -> bool:
        """Whether a token with this header may be its own; a key without an id is asked always."""
        return algorithm in self.algorithms and (self.kid is None or self.kid == kid)


def secret_bytes(secret: str) -> bytes:
    """The secret for HS256. Raises ValueError of one that is too short or something else."""
    key = secret.encode("utf-8", "surrogateescape")
    if len(key) < SHORTEST_SECRET:
        raise ValueError(f"must have {SHORTEST_SECRET} bytes or more")
    try:
        return jwt.get_algorithm_by_name(HS256[0]).prepare_key(key)  # type: ignore[no-any-return]
    except jwt.InvalidKeyError:
        raise ValueError("must not be the key of another algorithm") from None


def secret_key(secret: str) -> Key:
    """The key for HS256 out of a secret. Raises ValueError as secret_bytes does."""
    return Key(HS256, secret_bytes(secret))


def read_keys(text: bytes) -> tuple[Key, ...]:
    """The usable keys of a JSON Web Key Set (RFC 7517). Raises UnusableKeySet if there are none.

    Others are passed over, as the RFC asks: those for encryption, of unknown kinds, too short,
    and secret or private ones, which have no business in a public set.
    """
    try:
        found = parse(text)
    except NotStrict:
        raise UnusableKeySet("it is not JSON") from None
    members = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(members, list):
        raise UnusableKeySet("it is not a JSON Web Key Set")
    keys = tuple(key for each in members if (key := _usable(each)))
    if not keys:
        raise UnusableKeySet("it has no key for RS256, ES256 or EdDSA")
    return keys


def _usable(jwk: Any) -> Key | None:
    if not isinstance(jwk, dict) or "d" in jwk or not _for_signatures(jwk):
        return None
    kid, kind = jwk.get("kid"), (jwk.get("kty"), jwk.get("crv"))
    if not all(isinstance(each, str | None) for each in (kid, *kind)):
        return None
    algorithms = _OF_KIND.get(kind, ())
    if not algorithms or jwk.get("alg") not in (None, *algorithms):
        return None
    try:
        material = jwt.PyJWK(jwk, algorithms[-1]).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    weak = isinstance(material, RSAPublicKey) and material.key_size < _SHORTEST_RSA
    return None if weak else Key(algorithms, material, kid)


def _for_signatures(jwk: Mapping[str, Any]) -> bool:
    operations = jwk.get("key_ops", ["verify"])
    return jwk.get("use", "sig") == "sig" and (
        isinstance(operations, list) and "verify" in operations
    )
