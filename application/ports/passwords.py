"""Hashes and estimates of passwords."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from application.ports.errors import Unavailable


class Busy(Unavailable):
    """Too many passwords wait to be hashed, or a hash or estimate failed. Nothing was changed."""

    code = "busy"

    def __init__(self, reason: str | None = None) -> None:
        super().__init__("Too many passwords are being checked. Try again in a few seconds.")
        self.reason = reason


class UnsupportedHash(ValueError):
    """The password hash has an unknown format, or costs too much to verify."""


class PasswordHasher(Protocol):
    """Hashes passwords. The number of concurrent hashes and of waiting ones is bounded.

    Passwords are normalized (domain.passwords.normalize), except to verify imported hashes. `hash`
    and `verify` raise Busy if the password would wait for too long.
    """

    def admission(self) -> AbstractContextManager[None]:
        """Returns a context in which to read what a hash requires, and to hash.

        Entering it raises Busy if there are too many.
        """

    def hash(self, password: str) -> str:
        """Returns the argon2id hash of a password, with a random salt."""

    def verify(self, password: str, password_hash: str | None) -> bool:
        """Returns True if the hash is that of the password.

        With None, returns False, after the time that a hash with the configured costs takes.
        """

    def is_outdated(self, password_hash: str) -> bool:
        """Returns True if the hash is not argon2id with the configured costs."""


class PasswordEstimator(Protocol):
    """Estimates how hard passwords are to guess."""

    def is_guessable(self, password: str, *, personal: Sequence[str]) -> bool:
        """Returns True if a password is in the block list or takes too few guesses.

        `personal` are the email and the name of the user.
        """
