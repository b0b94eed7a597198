"""Sets up access control according to the settings."""

from collections.abc import Callable
from functools import partial

from adapters.tokens.key_sets import KeySet, UnreachableKeySet, fetch, read_file
from adapters.tokens.keys import KeySource, Secret, UnusableKeySet, read_keys
from adapters.tokens.verifier import OwnTokens, TokenVerifier
from entrypoints.setting_types import ANY
from entrypoints.settings import BadSetting, Settings


def check_keys(settings: Settings, *, may_be_unreachable: bool = False) -> None:
    """Reads the key set once. Raises BadSetting if no key is usable.

    Also raises BadSetting if the set cannot be read now, unless `may_be_unreachable` is set.
    """
    if settings.jwt_jwks is None:
        return
    try:
        read_keys(_reader(settings.jwt_jwks)())
    except UnusableKeySet as error:
        if may_be_unreachable and isinstance(error, UnreachableKeySet):
            return
        raise BadSetting("ROSTER_JWT_JWKS", f"{error}") from error


def make_tokens(settings: Settings, own: OwnTokens | None = None) -> TokenVerifier | None:
    """Creates the verifier of tokens; None if the service has no access control.

    `own` are the tokens that Roster issues, if accounts are enabled.

    A key set that is not usable now is read again when a token needs it. Otherwise a worker that is
    replaced during a fault of the issuer would end the service.
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
    keys.try_load()
    return keys


def _reader(place: str) -> Callable[[], bytes]:
    return partial(fetch if place.lower().startswith("https:") else read_file, place)
