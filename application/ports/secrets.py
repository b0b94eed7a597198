"""Random secrets of the installation."""

from typing import Final, Protocol

SECRET_BYTES: Final = 32


class Secrets(Protocol):
    """Random secrets of the installation, which all of its processes share."""

    def get_or_create(self, name: str) -> bytes:
        """Returns the secret of that name; if it does not exist, creates SECRET_BYTES random bytes.

        All callers get the same value, even if several create it at the same time. Raises
        Unavailable if the secret can be neither read nor created.
        """
