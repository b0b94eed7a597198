"""Estimates of how hard passwords are to guess."""

import os
import shlex
import sys
from pathlib import Path

import pytest
from processor_time import processor_time_below

from adapters.passwords.estimator import ZxcvbnEstimator, read_block_list
from application.ports.passwords import Busy

ANN = ("ann.miller@example.org", "Ann Miller")


@pytest.mark.parametrize(
    "password",
    [
        "password1234",
        "aaaaaaaaaaaaaaaaaaaa",
        "qwertyuiopasdf",
        "123456789012345678",
        "ann.miller@example.org",
        "Ann Miller 1990",
        "x" * 256,
        "",
    ],
)
def test_passwords_that_take_few_guesses_are_guessable(password: str) -> None:
    assert ZxcvbnEstimator().is_guessable(password, personal=ANN)


@pytest.mark.parametrize(
    "password", ["correct horse battery staple", "xk7fjq0pz2mv", "пароль конь скрепка"]
)
def test_other_passwords_are_not_guessable(password: str) -> None:
    assert not ZxcvbnEstimator().is_guessable(password, personal=ANN)
    assert not ZxcvbnEstimator().is_guessable(password, personal=("x" * 100_000,) * 100)


def test_a_hundred_million_guesses_are_enough() -> None:
    """zxcvbn estimates 99,770,000 and 100,000,001 guesses."""
    assert ZxcvbnEstimator().is_guessable("eritztzd", personal=())
    assert not ZxcvbnEstimator().is_guessable("a2p5bq69", personal=())


def test_ten_personal_values_count() -> None:
    personal = ["Bob"] * 9 + ["xk7fjq0pz2mv"]
    assert ZxcvbnEstimator().is_guessable("xk7fjq0pz2mv", personal=personal)
    assert not ZxcvbnEstimator().is_guessable("xk7fjq0pz2mv", personal=["Bob", *personal])


def test_only_the_first_72_characters_count() -> None:
    assert not ZxcvbnEstimator().is_guessable("a" * 60 + "xk7fjq0pz2mv", personal=())
    assert ZxcvbnEstimator().is_guessable("a" * 72 + "xk7fjq0pz2mv", personal=())


def test_a_password_that_takes_long_does_not_delay_this_process() -> None:
    """zxcvbn takes 0.7 s for each of them, and holds the global interpreter lock."""
    estimator = ZxcvbnEstimator()
    signs = "4@8({[<3690!1|7$5+%2" * 4
    with processor_time_below(0.3):
        assert not estimator.is_guessable(signs, personal=ANN)
        assert estimator.is_guessable(signs, personal=(*ANN, signs[:72]))


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("exit 1", "it ended with status 1"),
        ("kill -KILL $$", "it ended with status -9"),
        ("exit 0", "its output is not an estimate"),
        ("echo 0", "its output is not an estimate"),
        (r"printf '\377'", "its output is not an estimate"),
        ("sleep 60", "it took more than 0.5 s"),
        (None, "No such file or directory"),
    ],
)
def test_a_password_is_not_accepted_if_its_estimate_fails(
    program: str | None, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreter = tmp_path / "python"
    if program is not None:
        interpreter.write_text(f"#!/bin/sh\ncat > /dev/null\nexec sh -c {shlex.quote(program)}\n")
        interpreter.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(interpreter))
    monkeypatch.setattr("adapters.passwords.estimator._PROCESS_SECONDS", 0.5)
    with pytest.raises(Busy) as failed:
        ZxcvbnEstimator().is_guessable("4@8({[<3690!1|7$5+%2" * 4, personal=ANN)
    expected = f"the process that estimates a password failed: {reason}"
    assert failed.value.reason == expected
    assert expected not in str(failed.value)


def test_a_process_without_the_path_of_an_interpreter_accepts_no_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Python embedded in another program may not know the path."""
    monkeypatch.setattr(sys, "executable", None)
    with pytest.raises(Busy):
        ZxcvbnEstimator().is_guessable("4@8({[<3690!1|7$5+%2" * 4, personal=ANN)


def test_one_users_name_does_not_concern_another() -> None:
    estimator = ZxcvbnEstimator()
    assert estimator.is_guessable("Zebedee Quux Flob", personal=("Zebedee Quux Flob",))
    assert not estimator.is_guessable("Zebedee Quux Flob", personal=ANN)


def test_the_block_list_is_compared_folded(tmp_path: Path) -> None:
    file = tmp_path / "blocked.txt"
    text = "\ufeffCorrect Horse Battery\r\n\r\nSTRASSE und Größe\n" + "x" * 5000 + "\nlast one here"
    file.write_bytes(text.encode())
    estimator = ZxcvbnEstimator(read_block_list(str(file)))
    for password in ("correct horse BATTERY", "Straße und größe", "Last one here"):
        assert estimator.is_guessable(password, personal=())
    assert not estimator.is_guessable("correct horse battery staple", personal=())


def test_a_block_list_has_at_most_64_mib(tmp_path: Path) -> None:
    path = tmp_path / "blocked.txt"
    path.write_bytes(b"password\n")
    size = 64 * 1024 * 1024
    os.truncate(path, size)  # a long line of NUL characters
    assert read_block_list(str(path)) == {"password"}
    os.truncate(path, size + 1)
    with pytest.raises(ValueError, match="must have at most 67108864 bytes"):
        read_block_list(str(path))


def test_a_block_list_must_be_readable_utf_8(tmp_path: Path) -> None:
    file = tmp_path / "blocked.txt"
    file.write_bytes(b"caf\xe9")
    with pytest.raises(ValueError, match="UTF-8"):
        read_block_list(str(file))
    with pytest.raises(OSError, match="No such file"):
        read_block_list(str(tmp_path / "missing.txt"))
