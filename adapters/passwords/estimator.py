"""Estimates how hard passwords are to guess, with zxcvbn and a block list.

zxcvbn holds the global interpreter lock, for less than 1 ms for nearly all passwords. Some that
have many digits and signs in place of letters take almost 1 s, so another process estimates them.
"""

import json
import subprocess
import sys
from collections.abc import Collection, Sequence
from math import prod
from pathlib import Path
from typing import Final

from adapters.passwords.bounded_threads import BoundedThreads
from application.deadlines import time_left
from application.ports.passwords import Busy, PasswordEstimator
from domain.passwords import MAX_LENGTH
from domain.text import MAX_FOLDED_INPUT, fold

ENOUGH_GUESSES: Final = 10**8
_MAX_ESTIMATED_LENGTH: Final = 72
_MAX_PERSONAL_LENGTH: Final = 250
_MAX_PERSONAL: Final = 10
_MAX_LIST_BYTES: Final = 64 * 1024 * 1024

_SUBSTITUTES: Final = ("4@", "({[<", "69", "1!|", "1|7", "$5", "+7")
"""The digits and signs that zxcvbn treats as one letter. It tries each combination of them."""
_MAX_LOOKUPS: Final = 40_000
"""The maximum number of words that zxcvbn looks up in this process: 20 ms."""
_PROCESS_SECONDS: Final = 10.0
_PROGRAM: Final = """
import json, os, sys
from zxcvbn_rs_py import zxcvbn
os.nice(10)
password, words, enough = json.load(sys.stdin)
sys.stdout.write(str(int(zxcvbn(password, words).guesses < enough)))
"""
_ANSWERS: Final = {b"0": False, b"1": True}
"""The outputs of the program: whether the password takes too few guesses."""


class ZxcvbnEstimator(PasswordEstimator):
    """Rejects the passwords of `blocked`, which are folded, and those with too few guesses.

    `is_guessable` raises Busy if a password requires another process, and many others wait for one.
    """

    def __init__(self, blocked: Collection[str] = ()) -> None:
        self._blocked = blocked if isinstance(blocked, frozenset) else frozenset(blocked)
        self._threads = BoundedThreads(1)

    def is_guessable(self, password: str, *, personal: Sequence[str]) -> bool:
        if len(password) <= MAX_FOLDED_INPUT and fold(password) in self._blocked:
            return True
        words = [each[:_MAX_PERSONAL_LENGTH] for each in personal[:_MAX_PERSONAL]]
        estimated = password[:_MAX_ESTIMATED_LENGTH]
        if _lookups(estimated) > _MAX_LOOKUPS:
            return self._threads.run(lambda: _estimate_in_process(estimated, words))
        from zxcvbn_rs_py import zxcvbn

        return zxcvbn(estimated, words).guesses < ENOUGH_GUESSES


def _lookups(password: str) -> int:
    """Returns about how many words zxcvbn looks up: the substrings in each combination."""
    choices = (sum(sign in password for sign in signs) for signs in _SUBSTITUTES)
    substrings = len(password) * (len(password) + 1) // 2
    return prod(max(1, each) for each in choices) * substrings


def _estimate_in_process(password: str, words: Sequence[str]) -> bool:
    """Runs zxcvbn in another process. Raises Busy if that fails or takes too long.

    Errors of subprocess contain the password, so Busy has only their reason.
    """
    left = time_left()
    try:
        result = subprocess.run(
            [sys.executable or "", "-I", "-c", _PROGRAM],
            input=json.dumps([password, words, ENOUGH_GUESSES]).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
            timeout=_PROCESS_SECONDS if left is None else min(_PROCESS_SECONDS, left),
        )
    except OSError as error:
        raise _failed(error.strerror or type(error).__name__) from None
    except subprocess.TimeoutExpired as error:
        raise _failed(f"it took more than {error.timeout:.1f} s") from None
    except subprocess.CalledProcessError as error:
        raise _failed(f"it ended with status {error.returncode}") from None
    if result.stdout not in _ANSWERS:
        raise _failed("its output is not an estimate")
    return _ANSWERS[result.stdout]


def _failed(reason: str) -> Busy:
    return Busy(f"the process that estimates a password failed: {reason}")


def read_block_list(path: str) -> frozenset[str]:
    """Returns the folded passwords of a file in UTF-8, one per line.

    Ignores empty lines, and those that are too long to be a password. Raises OSError, and
    ValueError if the file is too large or is not UTF-8.
    """
    with Path(path).open("rb") as file:
        content = file.read(_MAX_LIST_BYTES + 1)
    if len(content) > _MAX_LIST_BYTES:
        raise ValueError(f"must have at most {_MAX_LIST_BYTES} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("must be UTF-8") from None
    lines = (line.removesuffix("\r") for line in text.split("\n"))
    return frozenset(fold(line) for line in lines if 0 < len(line) <= MAX_LENGTH)
