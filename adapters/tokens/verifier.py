"""Verifies tokens (RFC 7519, RFC 9068)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import sha256
from time import time
from typing import Any, Final, NamedTuple, NoReturn

import jwt

from adapters.tokens.issuer import OWN_TYPE, issue_time_of
from adapters.tokens.keys import Key, KeySource, matching
from adapters.tokens.revocations import Revocations
from adapters.tokens.signing_keys import SigningKeys
from adapters.tokens.token_cache import Verified, VerifiedTokens
from application.access import (
    MAX_SUBJECT_LENGTH,
    ROSTER_KEY,
    InvalidToken,
    Principal,
    SessionClaims,
    is_subject,
)
from application.accounts.users import principal_of
from application.ports import Unavailable

MAX_LENGTH: Final = 16 * 1024
_MAX_LOGGED_LENGTH: Final = 200

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_TYPES: Final = ("jwt", "at+jwt")
"""A JWT, and an access token (RFC 9068, section 2.1). ID and logout tokens have other types."""
_TIMES: Final = ("exp", "nbf", "iat")

_REASONS: Final[Mapping[type[Exception], str]] = {
    jwt.ExpiredSignatureError: "The token has expired.",
    jwt.ImmatureSignatureError: "The token is not valid yet.",
    jwt.InvalidIssuedAtError: "The token's `iat` claim must be a number.",
    jwt.InvalidAudienceError: "The token's audience (`aud`) is not accepted.",
    jwt.InvalidIssuerError: "The token's issuer (`iss`) is not accepted.",
}


class OwnTokens(NamedTuple):
    """The tokens that Roster signs: their keys, their `iss` and `aud`, and their revocations."""

    keys: SigningKeys
    issuer: str
    audience: str
    revocations: Revocations


class _Accepted(NamedTuple):
    """The accepted values of `iss` and `aud`; None accepts any."""

    issuers: frozenset[str] | None
    audiences: frozenset[str] | None


class TokenVerifier:
    """Verifies tokens with the keys of one or more sources, each for its own algorithms.

    `issuers` and `audiences` are the accepted values of `iss` and `aud`; None accepts any.
    `leeway` is the number of seconds by which the clocks of an issuer and of this machine may
    differ. A verified token is cached by its digest until it expires or the keys of its source
    change.

    A token whose `kid` is that of a key of `own` is verified with that key, the issuer and the
    audience of `own` only. All other tokens are verified without the keys of `own`.
    """

    def __init__(
        self,
        *sources: KeySource,
        issuers: Iterable[str] | None = None,
        audiences: Iterable[str] | None = None,
        leeway: float,
        own: OwnTokens | None = None,
    ) -> None:
        self._sources = {name: source for source in sources for name in source.algorithms}
        self._accepted = _Accepted(
            None if issuers is None else frozenset(issuers),
            None if audiences is None else frozenset(audiences),
        )
        self._own = own
        self._leeway = leeway
        self._verified = VerifiedTokens()

    def verify(self, token: str) -> Principal:
        """Returns the principal that the token identifies. `token` may be any text.

        Raises InvalidToken, or Unavailable if the keys to verify it are not available.
        """
        _check_form(token)
        digest = sha256(token.encode("ascii")).digest()
        cached = self._verified.get(digest)
        if cached and time() < cached.end and cached.source.current_keys() is cached.keys:
            principal = cached.principal
        else:
            verified = self._verify(token)
            self._verified.add(digest, verified)
            principal = verified.principal
        if principal.session is not None and self._own is not None:
            self._own.revocations.check(principal.session)
        return principal

    def session_of(self, token: str) -> SessionClaims | None:
        """Returns the session for which Roster issued the token; None if it did not.

        `token` may be any text, and a token that has expired or is revoked. Raises Unavailable if
        the keys to verify it are not available.
        """
        try:
            _check_form(token)
            algorithm, kid = _header(token)
            if self._own and kid is not None and (key := self._own.keys.find(kid)):
                verified = self._verify_own(self._own, token, algorithm, key, may_be_expired=True)
                return verified.principal.session
        except InvalidToken:
            pass
        self._require_own_keys()
        return None

    def _require_own_keys(self) -> None:
        """Raises Unavailable if there are no keys to verify tokens of Roster."""
        if self._own and not self._own.keys.current_keys():
            raise Unavailable

    def _verify(self, token: str) -> Verified:
        algorithm, kid = _header(token)
        if self._own and kid is not None and (key := self._own.keys.find(kid)):
            return self._verify_own(self._own, token, algorithm, key)
        try:
            return self._verify_of_others(token, algorithm, kid)
        except InvalidToken:
            self._require_own_keys()
            raise

    def _verify_of_others(self, token: str, algorithm: str, kid: str | None) -> Verified:
        """Verifies a token of another issuer."""
        source = self._sources.get(algorithm)
        if source is None:
            raise InvalidToken(reason="The token's algorithm (`alg`) is not accepted.")
        keys = source.current_keys()
        candidates = matching(keys, algorithm, kid)
        if not candidates:
            keys = source.refreshed_keys()
            candidates = matching(keys, algorithm, kid)
        # Only a known id is logged: the client can choose the text of any other.
        is_known = kid and any(key.kid == kid for key in candidates)
        facts = {"kid": _loggable(kid)} if kid and is_known else {}
        claims = self._claims(token, candidates, facts, self._accepted)
        principal = Principal(source.kind, _name(claims, "iss"), _subject(claims), _scopes(claims))
        return Verified(principal, min(claims["exp"], 2**53) + self._leeway, source, keys)

    def _verify_own(
        self,
        own: OwnTokens,
        token: str,
        algorithm: str,
        key: Key,
        *,
        may_be_expired: bool = False,
    ) -> Verified:
        """Verifies a token with the key of Roster that its `kid` names. Raises InvalidToken."""
        keys = own.keys.current_keys()
        if key not in keys:
            raise InvalidToken(reason="The key of the token was removed.")
        if jwt.get_unverified_header(token).get("typ") != OWN_TYPE:
            raise InvalidToken(f"The type (`typ`) of a token of Roster must be {OWN_TYPE}.")
        if algorithm not in key.algorithms:
            raise InvalidToken(reason="The token's `alg` is not that of its key.")
        accepted = _Accepted(frozenset((own.issuer,)), frozenset((own.audience,)))
        claims = self._claims(token, [key], {}, accepted, may_be_expired=may_be_expired)
        # Without leeway, because the token must end with its session.
        if claims["exp"] <= time() and not may_be_expired:
            raise InvalidToken(_REASONS[jwt.ExpiredSignatureError])
        if claims.get("sid") is None:
            principal = Principal(ROSTER_KEY, own.issuer, _subject(claims), _scopes(claims))
        else:
            session = _session(claims)
            user = principal_of(session.user_id)
            principal = replace(user, scopes=_scopes(claims), session=session)
        return Verified(principal, min(claims["exp"], 2**53), own.keys, keys)

    def _claims(
        self,
        token: str,
        candidates: Iterable[Key],
        facts: Mapping[str, str],
        accepted: _Accepted,
        *,
        may_be_expired: bool = False,
    ) -> dict[str, Any]:
        """The claims of a token. Raises InvalidToken if no key verifies it, or it is invalid."""
        failure = InvalidToken(reason="No key fits the token's `kid` and `alg`.")
        for key in candidates:
            try:
                return self._checked(token, key, accepted, may_be_expired)
            except jwt.InvalidSignatureError:
                failure = InvalidToken(reason="The token's signature does not match.", **facts)
            except jwt.PyJWTError as error:
                return _raise_invalid(error, token, facts)
        raise failure

    def _checked(
        self, token: str, key: Key, accepted: _Accepted, may_be_expired: bool
    ) -> dict[str, Any]:
        claims = jwt.decode(
            token,
            key.material,
            algorithms=key.algorithms,
            audience=accepted.audiences,
            issuer=accepted.issuers,
            leeway=self._leeway,
            options={
                "require": ["exp"],
                "verify_exp": not may_be_expired,
                "verify_aud": accepted.audiences is not None,
            },
        )
        for name in _TIMES:
            if isinstance(claims.get(name), str | bool):  # PyJWT accepts them as numbers
                raise InvalidToken(f"The token's `{name}` claim must be a number.")
        if claims.get("cnf") is not None:  # the client must prove that it has a key (RFC 7800)
            raise InvalidToken(
                "The token is bound to a key (`cnf`), and Roster accepts only bearer tokens."
            )
        return claims


def _check_form(token: str) -> None:
    """Raises InvalidToken if the text is too long, or is not a signed JWT."""
    if len(token) > MAX_LENGTH:
        raise InvalidToken(reason=f"The token is longer than {MAX_LENGTH} characters.")
    if not _COMPACT.fullmatch(token):
        raise InvalidToken(reason="The token is not a signed JWT in compact form.")


def _header(token: str) -> tuple[str, str | None]:
    """The header's `alg` and `kid`. Raises InvalidToken if it is not that of an access token."""
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        raise InvalidToken(reason="The token's header is not valid.") from None
    if "typ" in header and not _is_access_token(header["typ"]):
        raise InvalidToken("The token's type (`typ`) must be JWT or at+jwt, or absent.")
    algorithm, kid = header.get("alg"), header.get("kid")
    return (algorithm if isinstance(algorithm, str) else ""), kid


def _is_access_token(typ: object) -> bool:
    """Compares a media type, ignoring case (RFC 7515, section 4.1.9)."""
    return isinstance(typ, str) and typ.lower().removeprefix("application/") in _TYPES


def _raise_invalid(error: jwt.PyJWTError, token: str, facts: Mapping[str, str]) -> NoReturn:
    """Raises InvalidToken with the reason why a token with a valid signature is invalid."""
    if isinstance(error, jwt.MissingRequiredClaimError):
        detail = f"The token lacks the claim `{error.claim}`."
    elif (kind := next((kind for kind in _REASONS if isinstance(error, kind)), None)) is None:
        raise InvalidToken(reason="The token's content is not valid.", **facts) from None
    else:
        detail = _REASONS[kind]
    issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
    if isinstance(issuer, str):
        facts = {**facts, "issuer": _loggable(issuer)}
    raise InvalidToken(detail, **facts) from None


def _loggable(text: str) -> str:
    """Returns the start of a text, without lone surrogates, which a log entry cannot contain."""
    return text[:_MAX_LOGGED_LENGTH].encode(errors="replace").decode()


def _session(claims: Mapping[str, Any]) -> SessionClaims:
    """The session of a token that Roster signed. Raises InvalidToken."""
    user_id, session_id, token_id = (claims.get(each) for each in ("sub", "sid", "jti"))
    if not all(isinstance(each, str) for each in (user_id, session_id, token_id)):
        raise InvalidToken(reason="The claims `sub`, `sid` and `jti` must be strings.")
    if not re.fullmatch("[1-9][0-9]{0,18}", str(user_id)):
        raise InvalidToken(reason="The claim `sub` of a session must be the id of a user.")
    try:
        return SessionClaims(str(session_id), int(str(user_id)), issue_time_of(str(token_id)))
    except ValueError:
        raise InvalidToken(reason="The claim `jti` of a session must be a UUID.") from None


def _subject(claims: Mapping[str, Any]) -> str | None:
    """The claim `sub`, or `client_id` if there is no `sub` (RFC 9068, section 2.2)."""
    return _name(claims, "client_id" if claims.get("sub") is None else "sub")


def _name(claims: Mapping[str, Any], claim: str) -> str | None:
    name = claims.get(claim)
    if name is None:
        return None
    if not (isinstance(name, str) and is_subject(name)):
        raise InvalidToken(
            f"The token's `{claim}` claim must be a string of 1 to {MAX_SUBJECT_LENGTH} printable "
            "characters, one of them visible."
        )
    return name


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """The claim `scope`, or `scp`, which Entra and Okta use, if there is no `scope`.

    It is a string of scopes separated by spaces (RFC 8693, section 4.2), or a list of strings.
    """
    claim = "scp" if claims.get("scope") is None else "scope"
    value = claims.get(claim)
    scopes = value.split(" ") if isinstance(value, str) else [] if value is None else value
    if not (isinstance(scopes, list) and all(isinstance(scope, str) for scope in scopes)):
        raise InvalidToken(f"The token's `{claim}` claim must be a string or a list of strings.")
    return frozenset(scopes) - {""}
