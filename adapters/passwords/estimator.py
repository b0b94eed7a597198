"""Estimates how hard passwords are to guess, with zxcvbn and a block list."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from application.ports.accounts import PasswordEstimator
from domain.passwords import MAX_LENGTH
from domain.text import MAX_FOLDED_INPUT, fold

ENOUGH_GUESSES: Final = 10**8
_LONGEST_ESTIMATED: Final = 72
_LONGEST_PERSONAL: Final = 250
_MOST_PERSONAL: Final = 10
_LARGEST_LIST: Final = 64 * 1024 * 1024


class ZxcvbnEstimator(PasswordEstimator):
    """Rejects the passwords of `blocked`, which are folded, and those with too few guesses."""

    def __init__(self, blocked: Collection[str] = ()) -> None:
        self._blocked = blocked if isinstance(blocked, frozenset) else frozenset(blocked)

    def is_guessable(self, password: str, *, personal: Sequence[str]) -> bool:
        if len(password) <= MAX_FOLDED_INPUT and fold(password) in self._blocked:
            return True
        from zxcvbn_rs_py import zxcvbn

        words = [each[:_LONGEST_PERSONAL] for each in personal[:_MOST_PERSONAL]]
        return zxcvbn(password[:_LONGEST_ESTIMATED], words).guesses < ENOUGH_GUESSES


def read_block_list(path: str) -> frozenset[str]:
    """Returns the folded passwords of a file in UTF-8, one per line.

    Ignores empty lines, and those that are too long to be a password. Raises OSError, and
    ValueError if the file is too large or is not UTF-8.
    """
    with Path(path).open("rb") as file:
        content = file.read(_LARGEST_LIST + 1)
    if len(content) > _LARGEST_LIST:
        raise ValueError(f"must have at most {_LARGEST_LIST} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("must be UTF-8") from None
    lines = (line.removesuffix("\r") for line in text.split("\n"))
    return frozenset(fold(line) for line in lines if 0 < len(line) <= MAX_LENGTH)
