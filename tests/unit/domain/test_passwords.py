"""The rules of passwords."""

import unicodedata

import pytest

from domain.passwords import normalize, violation


def code(password: str, *, min_length: int = 12) -> str | None:
    problem = violation(password, min_length=min_length)
    return problem.code if problem else None


@pytest.mark.parametrize(
    "password",
    [
        "correct horse",
        " " * 12,
        "x" * 256,
        "пароль пароль",
        "a\u200b" * 6,
        "\u2028" * 12,
        "\U0001f40e" * 12,
        "e\u0301" * 12,
        "\u03b1\u0313\u0300\u0345" * 256,  # four code points, of which NFKC makes one
    ],
)
def test_every_text_of_a_suitable_length_is_allowed(password: str) -> None:
    assert code(password) is None


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        ("", "too_short"),
        ("x" * 11, "too_short"),
        ("e\u0301" * 11, "too_short"),
        ("x" * 257, "too_long"),
        ("\ufb03" * 86, "too_long"),  # each is a ligature of three letters
        ("e\u0301" * 257, "too_long"),
        ("a" + "\u0301\u0316" * 500_000, "too_long"),
        ("correct\thorse", "control_character"),
        ("correct horse\n", "control_character"),
        ("correct\x7fhorse", "control_character"),
        ("correct\x85horse", "control_character"),
        ("correct\0horse", "forbidden_character"),
        ("correct\ud800horse", "forbidden_character"),
    ],
)
def test_a_password_that_breaks_a_rule_has_its_code(password: str, expected: str) -> None:
    assert code(password) == expected


def test_a_password_is_the_same_in_every_form_of_unicode() -> None:
    composed = "mit Größe å"
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert normalize(unicodedata.normalize(form, composed)) == composed
    assert normalize("ｆｕｌｌ") == "full"
    assert normalize(" Spaces  are kept ") == " Spaces  are kept "


def test_a_text_that_is_too_long_for_any_password_is_not_normalized() -> None:
    text = "e\u0301" * 500_000
    assert normalize(text) == text
