"""Verifies password hashes in the formats of argon2, bcrypt, Django, Werkzeug and passlib.

Each parser returns a function that verifies a password, or raises UnsupportedHash. A verification
takes at most 256 MiB, and 2,000,000 rounds:

- PBKDF2: the number of iterations.
- scrypt: N * p, and N * r * p is at most 4 Mi.
- argon2: passes * memory is at most 4 GiB; 16 lanes at most, because each is a thread.
- bcrypt: 2 ** 16 rounds, because a round takes as long as 1,000 of PBKDF2.

Within these limits, a verification takes a few seconds at most.
"""

import hashlib
import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Callable
from functools import partial
from hmac import compare_digest
from typing import Final

import bcrypt
from argon2.exceptions import Argon2Error, VerifyMismatchError
from argon2.low_level import Type, verify_secret

from application.ports.passwords import Busy, UnsupportedHash

Verify = Callable[[bytes], bool]

MAX_LENGTH: Final = 512
"""The maximum number of characters of a hash."""
MAX_MEMORY: Final = 256 * 1024 * 1024
MAX_ROUNDS: Final = 2_000_000
MAX_ARGON2_WORK: Final = 4 * 1024 * 1024
"""The maximum of KiB * passes."""
MAX_LANES: Final = 16
MAX_SCRYPT_WORK: Final = 4 * 1024 * 1024
"""The maximum of N * r * p."""
MAX_BCRYPT_COST: Final = 16
_BCRYPT_BYTES: Final = 72
_SCRYPT_SPARE: Final = 1024 * 1024
_SCRYPT_BITS: Final = 16
"""N is less than 2 to the power of r times this number (RFC 7914, section 2)."""
_MIN_ARGON2_TAG_BYTES: Final = 16
_MAX_ARGON2_TAG_BYTES: Final = 128
_MIN_ARGON2_SALT_BYTES: Final = 8

_NUMBER: Final = "([1-9][0-9]{0,9})"
_SALT: Final = r"([!-#%-~]{1,128})"  # no dollar sign
_ARGON2: Final = re.compile(
    rf"\$argon2(id?)\$(?:v=(?:16|19)\$)?m={_NUMBER},t={_NUMBER},p={_NUMBER}"
    r"\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)"
)
# The last character of the salt has 2 bits, and that of the hash 4.
_BCRYPT: Final = re.compile(
    r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{30}[.CGKOSWaeimquy26]"
)
_DJANGO_PBKDF2: Final = re.compile(rf"pbkdf2_(sha1|sha256)\${_NUMBER}\${_SALT}\$([A-Za-z0-9+/=]+)")
_DJANGO_SCRYPT: Final = re.compile(
    rf"scrypt\${_NUMBER}\${_SALT}\${_NUMBER}\${_NUMBER}\$([A-Za-z0-9+/=]+)"
)
_WERKZEUG_PBKDF2: Final = re.compile(
    rf"pbkdf2:(sha1|sha224|sha256|sha384|sha512):{_NUMBER}\${_SALT}\$([0-9a-f]+)"
)
_WERKZEUG_SCRYPT: Final = re.compile(rf"scrypt:{_NUMBER}:{_NUMBER}:{_NUMBER}\${_SALT}\$([0-9a-f]+)")
_PASSLIB_PBKDF2: Final = re.compile(
    rf"\$pbkdf2(|-sha256|-sha512)\${_NUMBER}\$([A-Za-z0-9./]*)\$([A-Za-z0-9./]+)"
)
_PASSLIB_SCRYPT: Final = re.compile(
    rf"\$scrypt\$ln=([1-9][0-9]?),r={_NUMBER},p={_NUMBER}\$([A-Za-z0-9+/]*)\$([A-Za-z0-9+/]+)"
)
_WERKZEUG_SCRYPT_BYTES: Final = 64
_DJANGO_SCRYPT_BYTES: Final = 64
_PASSLIB_SCRYPT_BYTES: Final = 32


def parse(password_hash: str) -> Verify:
    """Returns the function that verifies a password with the hash. Raises UnsupportedHash."""
    if len(password_hash) > MAX_LENGTH:
        raise UnsupportedHash(f"the hash is longer than {MAX_LENGTH} characters")
    for pattern, parser in _PARSERS.items():
        if match := pattern.fullmatch(password_hash):
            return parser(match)
    raise UnsupportedHash("the hash has an unknown format")


def _argon2(match: re.Match[str]) -> Verify:
    kind = Type.ID if match[1] == "id" else Type.I
    memory, passes, lanes = map(int, match.group(2, 3, 4))
    salt, tag = _base64(match[5]), _base64(match[6])
    if not _MIN_ARGON2_TAG_BYTES <= len(tag) <= _MAX_ARGON2_TAG_BYTES or (
        len(salt) < _MIN_ARGON2_SALT_BYTES or memory < 8 * lanes
    ):
        raise UnsupportedHash("the argon2 hash is malformed")
    if memory * 1024 > MAX_MEMORY or memory * passes > MAX_ARGON2_WORK or lanes > MAX_LANES:
        raise _too_expensive()
    return partial(_verify_argon2, match[0].encode(), kind)


def _verify_argon2(password_hash: bytes, kind: Type, password: bytes) -> bool:
    try:
        return verify_secret(password_hash, password, kind)
    except VerifyMismatchError:
        return False
    except Argon2Error as error:  # there is not enough memory, or no thread can be started
        raise Busy(f"argon2 failed: {error}") from None


def _bcrypt(match: re.Match[str]) -> Verify:
    if int(match[1]) < 4:
        raise UnsupportedHash("the bcrypt hash is malformed")
    if int(match[1]) > MAX_BCRYPT_COST:
        raise _too_expensive()
    return partial(_verify_bcrypt, match[0].encode())


def _verify_bcrypt(password_hash: bytes, password: bytes) -> bool:
    return bcrypt.checkpw(password[:_BCRYPT_BYTES], password_hash)


def _django_pbkdf2(match: re.Match[str]) -> Verify:
    return _pbkdf2(match[1], match[2], match[3].encode(), _base64(match[4], padded=True))


def _werkzeug_pbkdf2(match: re.Match[str]) -> Verify:
    return _pbkdf2(match[1], match[2], match[3].encode(), _hex(match[4]))


def _passlib_pbkdf2(match: re.Match[str]) -> Verify:
    salt, digest = (_base64(each.replace(".", "+")) for each in match.group(3, 4))
    return _pbkdf2(match[1].removeprefix("-") or "sha1", match[2], salt, digest)


def _pbkdf2(name: str, rounds: str, salt: bytes, digest: bytes) -> Verify:
    if len(digest) != hashlib.new(name).digest_size:
        raise UnsupportedHash("the PBKDF2 hash is malformed")
    if int(rounds) > MAX_ROUNDS:
        raise _too_expensive()
    return partial(_verify_pbkdf2, name, salt, int(rounds), digest)


def _verify_pbkdf2(name: str, salt: bytes, rounds: int, digest: bytes, password: bytes) -> bool:
    return compare_digest(hashlib.pbkdf2_hmac(name, password, salt, rounds), digest)


def _django_scrypt(match: re.Match[str]) -> Verify:
    n, r, p = map(int, match.group(1, 3, 4))
    digest = _base64(match[5], padded=True)
    return _scrypt(n, r, p, match[2].encode(), digest, _DJANGO_SCRYPT_BYTES)


def _werkzeug_scrypt(match: re.Match[str]) -> Verify:
    n, r, p = map(int, match.group(1, 2, 3))
    return _scrypt(n, r, p, match[4].encode(), _hex(match[5]), _WERKZEUG_SCRYPT_BYTES)


def _passlib_scrypt(match: re.Match[str]) -> Verify:
    exponent, r, p = map(int, match.group(1, 2, 3))
    salt, digest = map(_base64, match.group(4, 5))
    return _scrypt(1 << exponent, r, p, salt, digest, _PASSLIB_SCRYPT_BYTES)


def _scrypt(n: int, r: int, p: int, salt: bytes, digest: bytes, length: int) -> Verify:
    is_power = n >= 2 and n.bit_count() == 1
    if len(digest) != length or not is_power or n.bit_length() > _SCRYPT_BITS * r:
        raise UnsupportedHash("the scrypt hash is malformed")
    memory = 128 * r * (n + p)
    if memory > MAX_MEMORY + _SCRYPT_SPARE or n * r * 128 > MAX_MEMORY:
        raise _too_expensive()
    if n * p > MAX_ROUNDS or n * r * p > MAX_SCRYPT_WORK:
        raise _too_expensive()
    return partial(_verify_scrypt, n, r, p, salt, digest)


def _verify_scrypt(n: int, r: int, p: int, salt: bytes, digest: bytes, password: bytes) -> bool:
    try:
        computed = hashlib.scrypt(
            password,
            salt=salt,
            n=n,
            r=r,
            p=p,
            maxmem=MAX_MEMORY + 2 * _SCRYPT_SPARE,
            dklen=len(digest),
        )
    except ValueError as error:  # the costs are valid, so there is not enough memory
        raise Busy(f"scrypt failed: {error}") from None
    return compare_digest(computed, digest)


def _base64(text: str, *, padded: bool = False) -> bytes:
    """Decodes canonical base64, with or without padding. Raises UnsupportedHash."""
    complete = text if padded else text + "=" * (-len(text) % 4)
    try:
        decoded = b64decode(complete, validate=True)
    except NotBase64:
        decoded = None
    if decoded is None or b64encode(decoded).decode() != complete:
        raise UnsupportedHash("the hash is not valid base64")
    return decoded


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise UnsupportedHash("the hash is not valid hexadecimal") from None


def _too_expensive() -> UnsupportedHash:
    return UnsupportedHash("the hash costs too much to verify")


_PARSERS: Final[dict[re.Pattern[str], Callable[[re.Match[str]], Verify]]] = {
    _ARGON2: _argon2,
    _BCRYPT: _bcrypt,
    _DJANGO_PBKDF2: _django_pbkdf2,
    _DJANGO_SCRYPT: _django_scrypt,
    _WERKZEUG_PBKDF2: _werkzeug_pbkdf2,
    _WERKZEUG_SCRYPT: _werkzeug_scrypt,
    _PASSLIB_PBKDF2: _passlib_pbkdf2,
    _PASSLIB_SCRYPT: _passlib_scrypt,
}
