"""The keys that sign Roster's own tokens: a JSON Web Key Set of private keys (RFC 7517)."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from threading import Lock
from time import monotonic
from typing import Any, Final

import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from adapters.strict_json import NotStrict, parse
from adapters.tokens.algorithms import DEFAULT_ALGORITHM
from adapters.tokens.key_files import Stamp, UnreadableFile, read_private_file, stamp_of
from adapters.tokens.keys import Key, UnusableKeySet, algorithms_of, is_usable_rsa
from application.ports import Unavailable

CHECK_SECONDS: Final = 3.0
"""The minimum number of seconds between two checks of the file."""
_RSA_BITS: Final = 3072
_RSA_EXPONENT: Final = 65537
_MAX_KEYS: Final = 100
_MAX_KID_LENGTH: Final = 200
_THUMBPRINT: Final = ("crv", "e", "kty", "n", "x", "y")
"""The members of all kinds of public keys (RFC 7638, section 3.2; RFC 8037, section 2)."""
_PUBLIC: Final = (*_THUMBPRINT, "kid", "alg", "use")

_log = structlog.get_logger("roster.tokens")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key. `jwk` has its private members, `public` only the others."""

    kid: str
    algorithm: str
    private: Any = field(repr=False)
    jwk: Mapping[str, Any] = field(repr=False)
    public: Mapping[str, Any]
    verifying: Key

    @staticmethod
    def generate(algorithm: str = DEFAULT_ALGORITHM) -> "SigningKey":
        """Creates a random key for an algorithm of SIGNING_ALGORITHMS."""
        if algorithm == "RS256":
            jwk = RSAAlgorithm.to_jwk(generate_rsa(_RSA_EXPONENT, _RSA_BITS), as_dict=True)
        elif algorithm == "EdDSA":
            jwk = OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate(), as_dict=True)
        else:
            jwk = ECAlgorithm.to_jwk(generate_ec(SECP256R1()), as_dict=True)
        return _signing_key({each: jwk[each] for each in jwk if each != "key_ops"})


def read_signing_keys(text: bytes, path: str | None = None) -> tuple[SigningKey, ...]:
    """Returns the keys of a set. Raises UnusableKeySet if it has none, or an unusable one.

    The error names the file `path`, if there is one.
    """
    file = "the file" if path is None else f"the file {path}"
    try:
        document = parse(text)
    except NotStrict:
        raise UnusableKeySet(f"{file} is not JSON") from None
    members = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(members, list):
        raise UnusableKeySet(f"{file} is not a JSON Web Key Set")
    if not any(isinstance(each, dict) and "d" in each for each in members):
        raise UnusableKeySet(f"{file} has no private key")
    if len(members) > _MAX_KEYS:
        raise UnusableKeySet(f"{file} has more than {_MAX_KEYS} keys")
    keys = []
    for number, jwk in enumerate(members, 1):
        try:
            keys.append(_signing_key(jwk))
        except UnusableKeySet as error:
            raise UnusableKeySet(f"key {number} of {file} {error}") from None
    if len({each.kid for each in keys}) < len(keys):
        raise UnusableKeySet(f"two keys of {file} have the same kid")
    return tuple(keys)


def write_signing_keys(keys: Sequence[SigningKey]) -> bytes:
    """Returns the text of a set of private keys.

    Raises UnusableKeySet if there are too many, because no one could read the set.
    """
    if len(keys) > _MAX_KEYS:
        raise UnusableKeySet(
            f"the file would have more than {_MAX_KEYS} keys: remove old ones with "
            "`roster keys prune`"
        )
    return json.dumps({"keys": [dict(each.jwk) for each in keys]}, indent=2).encode() + b"\n"


def public_key_set(keys: Sequence[SigningKey]) -> dict[str, Any]:
    """Returns the document with the public keys, without private members."""
    return {"keys": [dict(each.public) for each in keys]}


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """Returns the SHA-256 thumbprint of a key (RFC 7638)."""
    members = {name: jwk[name] for name in _THUMBPRINT if name in jwk}
    text = json.dumps(members, sort_keys=True, separators=(",", ":"))
    digest = sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _signing_key(jwk: Any) -> SigningKey:
    if not isinstance(jwk, dict) or "d" not in jwk:
        raise UnusableKeySet("is not a private key")
    algorithms = algorithms_of(jwk)
    if not algorithms or jwk.get("use", "sig") != "sig":
        raise UnusableKeySet("is not a key for ES256, RS256 or EdDSA")
    algorithm = algorithms[-1]
    try:
        private = jwt.PyJWK(jwk, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError):
        raise UnusableKeySet("is malformed") from None
    if isinstance(private, RSAPrivateKey) and not is_usable_rsa(private.public_key()):
        raise UnusableKeySet("must have 2048 bits or more")
    if not isinstance(private, RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey):
        raise UnusableKeySet("is not a private key")
    kid = jwk.get("kid", thumbprint(jwk))
    if not (isinstance(kid, str) and 0 < len(kid) <= _MAX_KID_LENGTH and kid.isprintable()):
        raise UnusableKeySet(f"must have a kid of 1 to {_MAX_KID_LENGTH} printable characters")
    full = {**jwk, "kid": kid, "alg": algorithm, "use": "sig"}
    public = {name: full[name] for name in _PUBLIC if name in full}
    verifying = Key(algorithms, private.public_key(), kid)
    return SigningKey(kid, algorithm, private, full, public, verifying)


class SigningKeys:
    """The keys of a file, which may change.

    The file is checked at most every CHECK_SECONDS. If a changed file has an error, the previous
    keys remain, and the error is logged. If a file cannot be read, the next check reads it again.
    There are no keys until the file has been usable once.
    """

    _problem = ""

    def __init__(
        self, path: str, *, may_be_unusable: bool = False, clock: Callable[[], float] = monotonic
    ) -> None:
        """Reads the file. Raises UnusableKeySet, unless `may_be_unusable` is set."""
        self._path: str | None = path
        self._clock = clock
        self._lock = Lock()
        self._stamp: Stamp | None = None
        self._checked_at = clock()
        stamp = stamp_of(path)
        if may_be_unusable:
            self._use(())
            self._read_again(path, stamp)
        else:
            self._use(read_signing_keys(read_private_file(path), path))
            self._stamp = stamp

    @classmethod
    def temporary(cls) -> "SigningKeys":
        """Creates keys that exist only in this process."""
        keys = cls.__new__(cls)
        keys._path, keys._clock, keys._lock = None, monotonic, Lock()
        keys._stamp, keys._checked_at = None, float("inf")
        keys._use((SigningKey.generate(),))
        return keys

    def current_keys(self) -> tuple[Key, ...]:
        """Returns the public keys. It is the same object until the keys change."""
        if self._clock() - self._checked_at >= CHECK_SECONDS:
            self.refresh()
        return self._verifying

    def current(self) -> tuple[SigningKey, ...]:
        """Returns the keys. The first one signs."""
        self.current_keys()
        return self._keys

    def published(self) -> tuple[SigningKey, ...]:
        """Returns the keys in the file now, because another worker may already sign with a new one.

        A service that fetched the set without that key could keep it for minutes. Raises
        Unavailable if there are none.
        """
        self.refresh()
        if not self._keys:
            raise Unavailable
        return self._keys

    def find(self, kid: str) -> Key | None:
        """Returns the public key with the id. Checks the file first if the id is unknown."""
        if kid not in self._by_id:
            self.refresh()
        return self._by_id.get(kid)

    def refresh(self) -> None:
        """Checks the file now."""
        if self._path is None:
            return
        with self._lock:
            self._checked_at = self._clock()
            stamp = stamp_of(self._path)
            if stamp != self._stamp:
                self._read_again(self._path, stamp)

    def _read_again(self, path: str, stamp: Stamp | None) -> None:
        """Reads a changed file. Logs an error, but only once while the file cannot be read."""
        problem = ""
        try:
            self._use(read_signing_keys(read_private_file(path), path))
        except UnusableKeySet as error:
            problem = str(error)
            if problem != self._problem:
                _log.warning("signing keys not renewed", reason=problem)
            if isinstance(error, UnreadableFile):
                stamp = self._stamp
        self._stamp, self._problem = stamp, problem

    def signing(self) -> SigningKey:
        """Returns the key that signs. Raises Unavailable if there is none."""
        if keys := self.current():
            return keys[0]
        raise Unavailable

    def _use(self, keys: tuple[SigningKey, ...]) -> None:
        self._keys = keys
        self._verifying = tuple(each.verifying for each in keys)
        self._by_id = {each.kid: each.verifying for each in keys}
