"""Hashes of passwords, and their verification."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TypeVar

import argon2
import pytest
from waiting import until

from adapters.passwords.argon2_memory import Argon2id
from adapters.passwords.bounded_threads import BoundedThreads
from adapters.passwords.formats import parse
from adapters.passwords.hasher import Argon2Hasher
from application.ports.passwords import Busy

PASSWORD = "correct horse battery"
T = TypeVar("T")


def hasher(*, passes: int = 1, threads: BoundedThreads | None = None) -> Argon2Hasher:
    return Argon2Hasher(memory=64, passes=passes, lanes=1, threads=threads or BoundedThreads(1))


def test_a_password_is_hashed_with_argon2id_and_a_random_salt() -> None:
    password_hash = hasher().hash(PASSWORD)
    assert password_hash.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert argon2.extract_parameters(password_hash).salt_len == 16
    assert argon2.PasswordHasher().verify(password_hash, PASSWORD)
    assert hasher().hash(PASSWORD) != password_hash
    assert hasher().verify(PASSWORD, password_hash)
    assert not hasher().verify("correct horse batterz", password_hash)
    assert not hasher().verify("", password_hash)


def test_any_other_text_is_a_wrong_password() -> None:
    password_hash = hasher().hash(PASSWORD)
    for text in ("", "x" * 100_000, "\ud800", "\0", "пароль"):
        assert not hasher().verify(text, password_hash)
        assert not hasher().verify(text, None)


def test_a_user_without_a_hash_costs_as_much_as_one_with_a_hash() -> None:
    costs: list[str] = []

    class Counting(BoundedThreads):
        def run(self, compute: Callable[[], T]) -> T:
            costs.append("hash")
            return super().run(compute)

    counted = hasher(threads=Counting(1))
    for password_hash in (None, "unknown format"):
        assert not counted.verify(PASSWORD, password_hash)
    assert costs == ["hash"] * 2


def test_hashes_with_other_costs_are_outdated() -> None:
    password_hash = hasher().hash(PASSWORD)
    assert not hasher().is_outdated(password_hash)
    assert hasher(passes=2).is_outdated(password_hash)
    assert hasher().is_outdated(password_hash.replace("argon2id", "argon2i"))
    assert hasher().is_outdated("$2b$04$ECDkKrOK5W27.V80LjgxkuGAwfaLJ2xqUWa.6XrNtwsrY/nmpEVoy")


def test_a_hash_can_be_imported_elsewhere() -> None:
    assert parse(hasher().hash(PASSWORD))(PASSWORD.encode())


def test_hashing_and_verifying_wait_for_a_thread() -> None:
    threads = BoundedThreads(1, waiting=0)
    full = hasher(threads=threads)
    password_hash = hasher().hash(PASSWORD)
    finish = Event()
    with ThreadPoolExecutor(1) as callers:
        callers.submit(threads.run, finish.wait)
        until(lambda: threads.submitted == 1)
        for use in (
            lambda: full.hash(PASSWORD),
            lambda: full.verify(PASSWORD, password_hash),
            lambda: full.verify(PASSWORD, None),
        ):
            with pytest.raises(Busy) as refused:
                use()
        finish.set()
    assert refused.value.code == "busy"
    assert str(refused.value).endswith("Try again in a few seconds.")


_WITHOUT_MEMORY = """
import resource
from base64 import b64encode
from adapters.passwords.bounded_threads import BoundedThreads
from adapters.passwords.hasher import Argon2Hasher
from application.ports.passwords import Busy

large = Argon2Hasher(memory=2**18, passes=1, lanes=1, threads=BoundedThreads(1))
parallel = Argon2Hasher(memory=1024, passes=1, lanes=64, threads=BoundedThreads(1))
digest = b64encode(bytes(32)).decode().rstrip("=")
argon2 = f"$argon2i$v=19$m=262144,t=1,p=1$c2FsdHNhbHQ${digest}"
passlib_scrypt = f"$scrypt$ln=18,r=8,p=1$c2FsdHNhbHQ${digest}"
werkzeug_scrypt = f"scrypt:262144:8:1$salt${bytes(64).hex()}"
resource.setrlimit(resource.RLIMIT_AS, (2**28, resource.RLIM_INFINITY))
for work in (
    lambda: large.hash("password"),
    lambda: large.verify("password", None),
    lambda: parallel.hash("password"),
    lambda: large.verify("password", argon2),
    lambda: large.verify("password", passlib_scrypt),
    lambda: large.verify("password", werkzeug_scrypt),
):
    try:
        work()
    except Busy as error:
        print(error.reason)
"""


def test_without_memory_a_password_is_not_wrong() -> None:
    """A wrong password would count as a guess."""
    command = [sys.executable, "-c", _WITHOUT_MEMORY]
    first, second, third, argon2_hash, *scrypt_hashes = subprocess.check_output(
        command, text=True
    ).splitlines()
    assert first == second == third == "argon2 lacks memory, or cannot start its threads"
    assert argon2_hash.startswith("argon2 failed: ")
    assert len(scrypt_hashes) == 2
    assert all(each.startswith("scrypt failed: ") for each in scrypt_hashes)


@pytest.mark.parametrize(("memory", "passes", "lanes"), [(64, 1, 1), (100, 3, 2), (7168, 5, 1)])
def test_hashes_are_those_of_the_library(memory: int, passes: int, lanes: int) -> None:
    own = Argon2Hasher(memory=memory, passes=passes, lanes=lanes, threads=BoundedThreads(1))
    library = argon2.PasswordHasher(time_cost=passes, memory_cost=memory, parallelism=lanes)
    for password in ("", "x", "пароль", "x" * 256):
        for _ in range(2):  # the second hash uses the memory of the first one
            assert library.verify(own.hash(password), password)
            assert own.verify(password, library.hash(password))
            assert not own.verify(f"{password}y", library.hash(password))


def test_concurrent_hashes_do_not_share_memory() -> None:
    concurrent = hasher(threads=BoundedThreads(8))
    with ThreadPoolExecutor(8) as pool:
        passwords = [f"password {n}" for n in range(400)]
        hashes = list(pool.map(concurrent.hash, passwords))
        assert all(pool.map(concurrent.verify, passwords, hashes))
        assert not any(pool.map(concurrent.verify, passwords, [*hashes[1:], hashes[0]]))


def test_the_memory_of_hashes_can_be_reused() -> None:
    assert Argon2id(memory=64, passes=1, lanes=1).matches_library()
