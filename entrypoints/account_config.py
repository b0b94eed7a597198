"""Creates the configuration, the hasher and the estimator of accounts according to the settings.

The command line also uses this module, so it imports no web framework.
"""

from collections.abc import Sequence

from adapters.passwords.bounded_threads import BoundedThreads
from adapters.passwords.estimator import ZxcvbnEstimator, read_block_list
from adapters.passwords.hasher import Argon2Hasher
from application.accounts.config import AccountConfig, RoleScopes
from entrypoints.settings import BadSetting, Settings


def make_config(settings: Settings, types: Sequence[str]) -> AccountConfig:
    """Creates the configuration of accounts. `types` are the names of all resource types."""
    return AccountConfig(
        role_scopes=RoleScopes(settings.role_scopes, tuple(types)),
        access_ttl=settings.access_ttl,
        idle_ttl=settings.session_idle,
        session_ttl=settings.session_ttl,
        refresh_grace=settings.refresh_grace,
        signup=settings.signup,
        recovery_ttl=settings.recovery_ttl,
        invitation_ttl=settings.invitation_ttl,
        password_length=settings.password_length,
        failures=settings.login_failures.number,
        failure_window=settings.login_failures.time,
    )


def make_hasher(settings: Settings) -> Argon2Hasher:
    """Creates the hasher of this worker."""
    costs = settings.argon2
    return Argon2Hasher(
        memory=costs.memory,
        passes=costs.passes,
        lanes=costs.lanes,
        threads=BoundedThreads(settings.hashes_per_worker()),
    )


def make_estimator(settings: Settings) -> ZxcvbnEstimator:
    """Creates the estimator of passwords. Raises BadSetting if the block list cannot be read."""
    if settings.password_blocklist is None:
        return ZxcvbnEstimator()
    try:
        return ZxcvbnEstimator(read_block_list(settings.password_blocklist))
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except ValueError as error:
        problem = str(error)
    raise BadSetting("ROSTER_PASSWORD_BLOCKLIST", problem)
