"""Signing tokens, and telling whom a token speaks for."""

import re
from collections.abc import Iterable
from hashlib import sha256
from time import time
from typing import Any, Final

import jwt

from adapters.tokens.key_sets import KeySet
from adapters.tokens.keys import HS256, PUBLIC, Key, secret_bytes
from application.access import KEY_SET, SECRET, InvalidToken, Principal
from application.deadlines import remaining
from application.ports import Unavailable

LONGEST: Final = 16 * 1024
LONGEST_SUBJECT: Final = 255
LEEWAY: Final = 5.0
"""Seconds by which the clocks of an issuer and of this machine may differ."""
KEPT: Final = 4096
_WAIT: Final = 2.0

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749, section 3.3

_REASONS: Final[dict[type[Exception], str]] = {
    jwt.ExpiredSignatureError: "The token has expired.",
    jwt.ImmatureSignatureError: "The token is not valid yet.",
    jwt.InvalidAudienceError: "The token is for another audience.",
    jwt.InvalidIssuerError: "The token is from another issuer.",
    jwt.MissingRequiredClaimError: "The token lacks a claim: exp, or iss or aud where they count.",
}


def is_scope(text: str) -> bool:
    """Whether it can be one scope of a token."""
    return bool(_SCOPE.fullmatch(text))


def is_subject(text: str) -> bool:
    """Whether it can be the name of a token's bearer."""
    return 0 < len(text) <= LONGEST_SUBJECT and text.isprintable()


def sign(
    secret: str,
    scopes: Iterable[str],
    *,
    seconds: int,
    subject: str | None = None,
    issuer: str | None = None,
    audience: str | None = None,
) -> str:
    """A token by HS256 that is valid from now on, for so many seconds."""
    now = int(time())
    claims = {"iss": issuer, "sub": subject, "aud": audience, "scope": " ".join(scopes)}
    told = {name: value for name, value in claims.items() if value is not None}
    issued = {**told, "iat": now, "exp": now + seconds}
    return jwt.encode(issued, secret_bytes(secret), algorithm=HS256[0])


class Tokens:
    """Tells whom tokens speak for, by a secret's key, an issuer's keys, or both.

    A token that was found valid is known again by its digest until it expires or the keys change.
    """

    def __init__(
        self,
        secret: Key | None,
        key_set: KeySet | None,
        *,
        issuer: str | None = None,
        audience: str | None = None,
        leeway: float = LEEWAY,
    ) -> None:
        self._secret = secret
        self._key_set = key_set
        self._issuer = issuer
        self._audience = audience
        self._leeway = leeway
        self._known: dict[bytes, tuple[Principal, float]] = {}
        self._known_by: tuple[Key, ...] = ()

    def principal(self, token: str) -> Principal:
        """Whom the token speaks for. InvalidToken; Unavailable while an issuer's keys are lacking.

        `token` may be any text.
        """
        if len(token) > LONGEST or not _COMPACT.fullmatch(token):
            raise InvalidToken
        self._forget_if_keys_changed()
        digest = sha256(token.encode("ascii")).digest()
        found = self._known.get(digest)
        if found and time() < found[1]:
            return found[0]
        known = self._known
        kind, claims = self._claims(token)
        principal = Principal(kind, _issuer(claims), _subject(claims), _scopes(claims))
        while len(known) >= KEPT:
            known.pop(next(iter(known), b""), None)
        known[digest] = (principal, min(claims["exp"], 2**53) + self._leeway)
        return principal

    def _forget_if_keys_changed(self) -> None:
        keys = self._key_set.keys if self._key_set else ()
        if keys is not self._known_by:
            self._known, self._known_by = {}, keys

    def _claims(self, token: str) -> tuple[str, dict[str, Any]]:
        """The kind of the key that signed the token, and its claims."""
        refused = InvalidToken()
        for key in self._candidates(token):
            try:
                return SECRET if key is self._secret else KEY_SET, self._checked(token, key)
            except jwt.InvalidSignatureError:
                continue
            except jwt.PyJWTError as error:
                refused = _refusal(error)
        raise refused

    def _checked(self, token: str, key: Key) -> dict[str, Any]:
        claims = jwt.decode(
            token,
            key.material,
            algorithms=key.algorithms,
            audience=self._audience,
            issuer=self._issuer,
            leeway=self._leeway,
            options={"require": ["exp"], "verify_aud": self._audience is not None},
        )
        for name in ("exp", "nbf"):
            if isinstance(claims.get(name), str | bool):  # PyJWT takes them for numbers
                raise jwt.DecodeError
        return claims

    def _candidates(self, token: str) -> list[Key]:
        """The keys that may have signed it."""
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise InvalidToken from None
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm in HS256:
            return [self._secret] if self._secret else []
        if algorithm not in PUBLIC or self._key_set is None:
            return []
        if found := _those(self._key_set.keys, algorithm, kid):
            return found
        left = remaining()
        keys = self._key_set.renewed(_WAIT if left is None else min(_WAIT, left))
        if not keys:
            raise Unavailable("The keys of the tokens' issuer can't be had now; try again.")
        return _those(keys, algorithm, kid)


def _those(keys: Iterable[Key], algorithm: str, kid: str | None) -> list[Key]:
    return [key for key in keys if key.may_check(algorithm, kid)]


def _refusal(error: Exception) -> InvalidToken:
    for kind, reason in _REASONS.items():
        if isinstance(error, kind):
            return InvalidToken(reason)
    return InvalidToken()


def _issuer(claims: dict[str, Any]) -> str | None:
    return _name(claims, "iss")


def _subject(claims: dict[str, Any]) -> str | None:
    """The claim `sub`, or `client_id` if there is no `sub` (RFC 9068, section 2.2)."""
    return _name(claims, "client_id" if claims.get("sub") is None else "sub")


def _name(claims: dict[str, Any], claim: str) -> str | None:
    name = claims.get(claim)
    if name is None:
        return None
    if not (isinstance(name, str) and is_subject(name)):
        raise InvalidToken(
            f"The token's `{claim}` claim must be a string of 1 to {LONGEST_SUBJECT} printable "
            "characters."
        )
    return name


def _scopes(claims: dict[str, Any]) -> frozenset[str]:
    """Of the claim `scope`: a text with spaces (RFC 8693, section 4.2), or a list of texts."""
    told = claims.get("scope", "")
    scopes = told.split(" ") if isinstance(told, str) else told
    if not (isinstance(scopes, list) and all(isinstance(scope, str) for scope in scopes)):
        raise InvalidToken("The token's scope is no text.")
    return frozenset(scopes) - {""}
