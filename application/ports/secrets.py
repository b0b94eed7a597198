"""Random secrets of the installation."""

from typing import Final, Protocol

SECRET_BYTES: Final = 32


class Secrets(Protocol):
    """Random secrets of the installation, which all of its processes share."""

    def get_or_create(self, name: str) -> bytes:
        """Return the secret of that name; if it does not exist, create SECRET_BYTES random bytes.

        Every caller gets the same value, also when several create it at the same time. Raises
        Unavailable if the secret can be neither read nor created.
        """
