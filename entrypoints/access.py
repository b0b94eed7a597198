"""Sets up access control according to the settings."""

from collections.abc import Callable
from functools import partial

from adapters.tokens.key_sets import KeySet, UnreachableKeySet, fetch, read_file
from adapters.tokens.keys import KeySource, Secret, UnusableKeySet, read_keys
from adapters.tokens.tokens import OwnTokens, TokenVerifier
from entrypoints.setting_types import ANY
from entrypoints.settings import BadSetting, Settings


def check_keys(settings: Settings) -> None:
    """Reads the key set once. Raises BadSetting if that fails or no key is usable."""
    if settings.jwt_jwks is None:
        return
    try:
        read_keys(_reader(settings.jwt_jwks)())
    except UnusableKeySet as error:
        raise BadSetting("ROSTER_JWT_JWKS", f"{error}") from error


def make_tokens(settings: Settings, own: OwnTokens | None = None) -> TokenVerifier | None:
    """Creates the verifier of tokens; None if the service has no access control.

    `own` are the tokens that Roster issues, if accounts are enabled.

    A key set that cannot be read now is read again when a token needs it. Otherwise a worker that
    is replaced while the issuer is down would end the service. Raises BadSetting if no key is
    usable.
    """
    if settings.is_open:
        return None
    sources: list[KeySource] = []
    if settings.jwt_secret:
        sources.append(Secret(settings.jwt_secret))
    if settings.jwt_jwks:
        sources.append(_key_set(settings.jwt_jwks, settings.jwt_jwks_stale))
    return TokenVerifier(
        *sources,
        issuers=_accepted(settings.jwt_issuer),
        audiences=_accepted(settings.jwt_audience),
        leeway=settings.jwt_leeway,
        own=own,
    )


def _accepted(values: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if values == ANY else values


def _key_set(place: str, stale: int) -> KeySet:
    keys = KeySet(_reader(place), stale=stale)
    try:
        keys.load()
    except UnreachableKeySet:
        pass
    except UnusableKeySet as error:
        raise BadSetting("ROSTER_JWT_JWKS", f"{error}") from error
    return keys


def _reader(place: str) -> Callable[[], bytes]:
    return partial(fetch if place.lower().startswith("https:") else read_file, place)
