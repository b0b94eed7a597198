"""Who is let in, by the settings."""

from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from secrets import token_bytes

from adapters.tokens.key_sets import KeySet, UnreachableKeySet, fetch, read_file
from adapters.tokens.keys import UnusableKeySet, read_keys, secret_key
from adapters.tokens.tokens import Tokens
from entrypoints.settings import BadSetting, Settings


def log_key(settings: Settings) -> bytes:
    """The key of the hashes that stand for principals in the log."""
    if settings.jwt_secret is None:
        return token_bytes(32)
    return blake2b(settings.jwt_secret.encode(), person=b"roster log key").digest()


def check_keys(settings: Settings) -> None:
    """Look whether the key set can be had and used. Raises BadSetting."""
    if settings.jwt_jwks is None:
        return
    try:
        read_keys(_reading(settings.jwt_jwks)())
    except UnusableKeySet as error:
        raise BadSetting("ROSTER_JWT_JWKS", f"{error}") from error


def make_tokens(settings: Settings) -> Tokens | None:
    """What checks tokens; None where nobody is asked for one.

    A key set that can't be had is asked for again when it is needed: a worker that is replaced
    while the issuer is down must not end the service. Raises BadSetting for one without a use.
    """
    if settings.is_open:
        return None
    return Tokens(
        secret_key(settings.jwt_secret) if settings.jwt_secret else None,
        _key_set(settings.jwt_jwks) if settings.jwt_jwks else None,
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
    )


def _key_set(place: str) -> KeySet:
    keys = KeySet(_reading(place))
    try:
        keys.load()
    except UnreachableKeySet:
        pass
    except UnusableKeySet as error:
        raise BadSetting("ROSTER_JWT_JWKS", f"{error}") from error
    return keys


def _reading(place: str) -> Callable[[], bytes]:
    return partial(fetch if place.startswith("https:") else read_file, place)
