"""Opens the keys that sign Roster's own tokens, according to the settings."""

import os

from adapters.tokens.algorithms import DEFAULT_ALGORITHM
from adapters.tokens.issuer import JwtIssuer
from adapters.tokens.key_files import create_private_file
from adapters.tokens.keys import UnusableKeySet
from adapters.tokens.signing_keys import SigningKey, SigningKeys, write_signing_keys
from entrypoints.setting_types import ANY
from entrypoints.settings import BadSetting, Settings

_SETTING = "ROSTER_SIGNING_KEYS"
_SUFFIX = ".keys.json"


def signing_keys_file(settings: Settings) -> str | None:
    """Returns the path of the file of keys; None if there is none.

    An SQLite database has its file next to its own.
    """
    if settings.signing_keys is not None or not settings.embedded:
        return settings.signing_keys
    from adapters.sql.sqlite_file import file_of

    return f"{file_of(settings.database_url)}{_SUFFIX}"


def open_signing_keys(settings: Settings, *, may_be_unusable: bool = False) -> SigningKeys:
    """Returns the keys. Creates the file of an SQLite database if it does not exist.

    The keys of memory:// exist only in this process. Raises BadSetting. If `may_be_unusable` is
    set, a file that is not usable now is read again later.
    """
    path = signing_keys_file(settings)
    if path is None:
        if settings.store == "memory":
            return SigningKeys.temporary()
        raise BadSetting(_SETTING, "must be set. Create a file with `roster keys new FILE`")
    try:
        if settings.signing_keys is None and not os.path.exists(path):  # noqa: PTH110
            create_signing_keys(path)
        return SigningKeys(path, may_be_unusable=may_be_unusable)
    except UnusableKeySet as error:
        raise BadSetting(_SETTING, str(error)) from None


def create_signing_keys(path: str, algorithm: str = DEFAULT_ALGORITHM) -> bool:
    """Creates a file with a random key. Returns False if it exists. Raises UnusableKeySet."""
    try:
        return create_private_file(path, write_signing_keys([SigningKey.generate(algorithm)]))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise UnusableKeySet(f"cannot create the file {path}: {reason}") from None


def own_issuer(settings: Settings) -> str:
    """Returns the claim `iss` of Roster's own tokens."""
    return settings.public_url or "roster"


def own_audience(settings: Settings) -> str:
    """Returns the claim `aud` of Roster's own tokens: the first audience, or the issuer."""
    accepted = settings.jwt_audience
    return own_issuer(settings) if accepted is None or accepted == ANY else accepted[0]


def make_issuer(settings: Settings, keys: SigningKeys) -> JwtIssuer:
    """Creates the issuer of Roster's own tokens."""
    return JwtIssuer(keys, issuer=own_issuer(settings), audience=own_audience(settings))
