"""The rules of text, with values that people might type."""

import unicodedata
from typing import Any

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given, settings
from hypothesis import strategies as st
from processor_time import processor_time_below

from domain import text
from domain.errors import Problem


def code_of(problem: Problem | None) -> str | None:
    return problem.code if problem else None


@pytest.mark.parametrize(
    "address",
    [
        "ann@example.org",
        "Ann.O'Neil+tag@Example.ORG",
        "ü@exämple.org",
        "用户@例え.テスト",
        "иван@пример.рф",
        "a@b.test",
        "printer@office.local",
        "x@host.localhost",
        "a@b.invalid",
        "a@xn--bcher-kva.example",
        "a@1.2.3.4",
        "a" * 238 + "@example.org",
        "a\u0301@example.org",
    ],
)
def test_accepts_an_address(address: str) -> None:
    assert text.email(address, max_length=250) is None


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("", "invalid_email"),
        ("ann", "invalid_email"),
        ("ann@", "invalid_email"),
        ("@example.org", "invalid_email"),
        ("ann@localhost", "invalid_email"),
        ('"ann"@example.org', "invalid_email"),
        ('"an n"@example.org', "invalid_email"),
        ("ann@[127.0.0.1]", "invalid_email"),
        ("ann@[IPv6:::1]", "invalid_email"),
        ("Ann <ann@example.org>", "invalid_email"),
        (" ann@example.org", "invalid_email"),
        ("ann@example.org\n", "invalid_email"),
        ("ann@example.org.", "invalid_email"),
        ("ann@exa mple.org", "invalid_email"),
        ("ann@@example.org", "invalid_email"),
        ("a..b@example.org", "invalid_email"),
        ("ann@" + "a" * 64 + ".org", "invalid_email"),
        ("a@" + ".".join(["abcdefgh"] * 28), "too_long"),
        ("\ufdfa" * 14 + "@example.org", "too_long"),
        ("a\0@example.org", "forbidden_character"),
        ("a\ud800@example.org", "forbidden_character"),
        (None, "wrong_type"),
        (7, "wrong_type"),
        (["ann@example.org"], "wrong_type"),
    ],
)
def test_rejects_any_other_address(address: object, code: str) -> None:
    assert code_of(text.email(address, max_length=250)) == code


@pytest.mark.parametrize(
    "name",
    [
        "A",
        "Ann Example",
        "O'Neil",
        "Ἀθηνᾶ",
        "محمد",
        "李小龍",
        "👩‍👩‍👧",
        "\u3164x",
        "\u2800x",
        "❤\ufe0f",
        "a\u0301",
        " Ann ",
        "x" * 250,
    ],
)
def test_accepts_a_name_in_any_script(name: str) -> None:
    assert text.single_line(name, max_length=250) is None


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "blank"),
        ("   ", "blank"),
        ("\u200b\u2060", "blank"),
        ("\u00a0\u3000", "blank"),
        ("\ue000", "blank"),
        ("\u3164", "blank"),
        ("\u2800 \u2800", "blank"),
        ("\u115f\u1160\uffa0\u17b4\u17b5\u180b\u180f\u034f", "blank"),
        ("\ufe00\ufe0f\U000e0100\U000e01ef", "blank"),
        ("\u00ad\u061c\u200b\u202e\u2066\ufeff\ufff0\U0001bca0\U0001d173\U000e0001", "blank"),
        ("Ann\nExample", "control_character"),
        ("Ann\x7f", "control_character"),
        ("Ann\x85", "control_character"),
        ("Ann\u2028", "control_character"),
        ("Ann\u2029Example", "control_character"),
        ("Ann\0", "forbidden_character"),
        ("Ann\udfff", "forbidden_character"),
        ("x" * 251, "too_long"),
        ("😀" * 251, "too_long"),
        (None, "wrong_type"),
        (True, "wrong_type"),
    ],
)
def test_rejects_any_other_name(name: object, code: str) -> None:
    assert code_of(text.single_line(name, max_length=250)) == code


IGNORABLE_NAMES = ("COMBINING GRAPHEME JOINER", "KHMER VOWEL INHERENT", "VARIATION SELECTOR")
FILLERS = ("CHOSEONG FILLER", "JUNGSEONG FILLER", "HANGUL FILLER")
SHOWN_FORMATS = (
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
    "\ufff9\ufffa\ufffb" + "".join(map(chr, range(0x13430, 0x13440)))
)
"""The characters of the category Cf that are displayed (UAX #44, Default_Ignorable_Code_Point)."""


def is_ignorable(character: str) -> bool:
    if unicodedata.category(character) == "Cf":
        return character not in SHOWN_FORMATS
    name = unicodedata.name(character, "")
    return any(each in name for each in IGNORABLE_NAMES) or name.endswith(FILLERS)


def test_exactly_the_invisible_characters_of_unicode_are_removed_from_the_ends() -> None:
    characters = [chr(code) for code in (*range(0x20000), *range(0xE0000, 0xE0FFF))]
    assigned = [each for each in characters if unicodedata.name(each, "")]
    removed = {each for each in assigned if text.strip_invisible(f"{each}é{each}") == "é"}
    white = {each for each in assigned if each.isspace() or each == "\u2800"}
    assert removed - white == {each for each in assigned if is_ignorable(each)}


def test_a_name_of_one_visible_character_is_not_blank() -> None:
    characters = map(chr, range(0x20000))
    visible = [each for each in characters if unicodedata.category(each)[0] in "LMNPS"]
    blank = {each for each in visible if code_of(text.single_line(each, max_length=250)) == "blank"}
    assert blank - {"\u2800"} == {each for each in visible if is_ignorable(each)}


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x0b", "\x85"])
def test_lines_end_with_line_feed_or_carriage_return(separator: str) -> None:
    assert text.multiple_lines("one\r\n\ttwo\rthree\n", max_length=250) is None
    assert code_of(text.multiple_lines(f"one{separator}two", max_length=250)) == "control_character"


def test_lengths_count_code_points_and_not_bytes() -> None:
    assert text.single_line("😀" * 250, max_length=250) is None


@pytest.mark.parametrize("slug", ["a", "user", "team-lead_2", "x" * 50])
def test_accepts_a_slug(slug: str) -> None:
    assert text.slug(slug, max_length=50) is None


@pytest.mark.parametrize(
    ("slug", "code"),
    [
        ("", "invalid_format"),
        ("Admin", "invalid_format"),
        ("1st", "invalid_format"),
        ("_x", "invalid_format"),
        ("a b", "invalid_format"),
        ("a\n", "invalid_format"),
        ("é", "invalid_format"),
        ("x" * 51, "too_long"),
        ("a\0", "forbidden_character"),
        (None, "wrong_type"),
        ({}, "wrong_type"),
    ],
)
def test_rejects_any_other_slug(slug: object, code: str) -> None:
    assert code_of(text.slug(slug, max_length=50)) == code


@pytest.mark.parametrize("value", ["true", 1, 0, None, "", []])
def test_only_true_and_false_are_booleans(value: object) -> None:
    assert code_of(text.boolean(value)) == "wrong_type"
    assert text.boolean(True) is None
    assert text.boolean(False) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ANN", "ann"),
        ("É", "e\u0301"),
        ("Ａｎｎ", "ann"),
        ("STRASSE", "straße"),
        ("ΣΑΣ", "σας"),
        ("ﬁn", "FIN"),
        ("K", "\u212a"),
    ],
)
def test_folding_ignores_case_width_and_normal_form(one: str, other: str) -> None:
    assert text.fold(one) == text.fold(other)


@pytest.mark.parametrize(("one", "other"), [("e", "é"), ("ı", "i"), ("a", "а")])
def test_folding_distinguishes_accents_and_scripts(one: str, other: str) -> None:
    assert text.fold(one) != text.fold(other)


@given(st.text(max_size=text.MAX_FOLDED_INPUT))
def test_folding_is_nfkc_then_case_folding_then_nfkc(any_text: str) -> None:
    once = unicodedata.normalize("NFKC", any_text).casefold()
    assert text.fold(any_text) == unicodedata.normalize("NFKC", once)


@given(st.text(alphabet=st.characters(), max_size=300))
def test_every_rule_accepts_or_rejects_any_text(any_text: str) -> None:
    for rule in (text.email, text.single_line, text.slug):
        problem = rule(any_text, max_length=250)
        assert problem is None or problem.code


def is_valid_for_the_library(address: str) -> bool:
    """The complete rule, without the short cut for plain addresses."""
    try:
        parsed = validate_email(address, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError:
        return False
    return "." in parsed.ascii_domain


# Mostly parts of plain addresses, and some that make an address invalid.
ALMOST_PLAIN = st.lists(
    st.sampled_from(
        ["a", "Z", "x" * 30, "n" * 63, "0", "-", "--", "xn--", ".", "_", "+", "@", "é"]
    ),
    max_size=9,
).map("".join)


@given(st.one_of(ALMOST_PLAIN, st.builds("{}@{}.{}".format, *[ALMOST_PLAIN] * 3)))
@settings(max_examples=500)
@example("a@a.b")
@example("a@a.9")
@example("A_b+c-d.e@X-1.org")
@example("-@a-b.c")
@example("a@-b.c")
@example("a@ab--c.d")
@example("a@xn--a.b")
@example("a@b.c\n")
@example("a@" + "b" * 60 + ".c")
@example("a@" + "b" * 64 + ".c")
@example("a" * 65 + "@b.c")
def test_accepts_the_same_addresses_as_the_library(address: str) -> None:
    assert (text.email(address, max_length=1000) is None) is is_valid_for_the_library(address)


INVISIBLE = {chr(code) for first, last in text.DEFAULT_IGNORABLE for code in range(first, last + 1)}
INVISIBLE.add("\u2800")


@given(st.text(st.characters() | st.sampled_from(sorted(INVISIBLE)), max_size=8))
@example("\u2003x")
@example("\u3164")
@example("\u3164\u200b\u2800 ")
@example("\u00ad")
@example("x\u200b")
@example("\u2028x")
def test_a_line_is_checked_by_the_categories_of_its_characters(name: str) -> None:
    forbidden = {unicodedata.category(each) for each in name} & {"Cc", "Cs", "Zl", "Zp"}
    blank = all(unicodedata.category(each)[0] in "ZC" or each in INVISIBLE for each in name)
    valid = not forbidden and not blank
    assert (text.single_line(name, max_length=250) is None) is valid


MARKS = "a" + "\u0300" * 30_000 + "\u0316" * 30_000
"""Sorting the marks of this text takes seconds."""


def test_folds_only_texts_of_limited_length() -> None:
    longest = "ä" * text.MAX_FOLDED_INPUT
    assert text.fold(longest) == longest
    for too_long in (MARKS, longest + "ä", "a" * (text.MAX_FOLDED_INPUT + 1)):
        with pytest.raises(ValueError, match="1000"):
            text.fold(too_long)
    with pytest.raises(ValueError, match="1000"):
        text.email_key(MARKS)


@pytest.mark.parametrize("rule", [text.email, text.single_line, text.slug])
@pytest.mark.parametrize("shape", ["{}", "{}@example.org", "a@{}.org", "{0}@{0}"])
def test_checks_the_length_of_a_value_first(rule: Any, shape: str) -> None:
    with processor_time_below(1):
        assert code_of(rule(shape.format(MARKS), max_length=250)) == "too_long"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ann@münchen.example", "ann@xn--mnchen-3ya.example"),
        ("ann@münchen.example", "ANN@MU\u0308NCHEN.Example"),
        ("ann@xn--mnchen-3ya.example", "Ann@XN--MNCHEN-3YA.example"),
        ("bob@example.org", "bob@example。org"),
        ("bob@example.org", "bob@ｅｘａｍｐｌｅ．ｏｒｇ"),
        ("fay@example.com", "fay\ufe0f@example.com"),
        ("fay@example.com", "f\u034fa\u034fy\u3164@example.com"),
        ("fay@example.com", "fay\U000e0100@example.com"),
        ("é@example.org", "e\u034f\u0301@example.org"),
        ("STRASSE@example.org", "straße@example.org"),
        ("ß@münchen.example", "SS@xn--mnchen-3ya.example"),
    ],
)
def test_one_mailbox_has_one_key(one: str, other: str) -> None:
    for address in (one, other):
        assert text.email(address, max_length=250) is None
    assert text.email_key(one) == text.email_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ann@straße.example", "ann@strasse.example"),
        ("ann@münchen.example", "ann@munchen.example"),
        ("josé@example.org", "jose@example.org"),
        ("a.nn@example.org", "ann@example.org"),
        ("ann+x@example.org", "ann@example.org"),
    ],
)
def test_other_mailboxes_have_other_keys(one: str, other: str) -> None:
    assert text.email_key(one) != text.email_key(other)


@pytest.mark.parametrize(
    "address",
    [
        *("", "ü", "@", "@ü", "ü@", "ü@ü@", "ü@.", "ü@-ü", "ü@xn--ü", "ü@" + "ü." * 120),
        *("\u3164@ü.de", "\ufdfa" * 56 + "\u200b@ü.de", "\ufdfa" * 994 + "\u200b@ü.de"),
    ],
)
def test_the_key_of_an_invalid_address_is_its_folded_form(address: str) -> None:
    assert text.email_key(address) == text.fold(address)


def test_a_key_is_not_longer_than_its_column() -> None:
    address, key = "ü@ü.example", "ü@xn--tda.example"
    assert code_of(text.email(address, max_length=len(key))) is None
    assert text.email_key(address, max_length=len(key)) == key
    assert code_of(text.email(address, max_length=len(key) - 1)) == "too_long"
    assert text.email_key(address, max_length=len(key) - 1) == address


def test_a_key_has_the_maximum_length_of_an_email() -> None:
    label = "a" * 59
    for length, is_key in ((text.EMAIL_LENGTH, True), (text.EMAIL_LENGTH + 1, False)):
        domain = f"{label}.{label}.{label}.xn--tda"
        mailbox = "a" * (length - len(domain) - 1)
        address = f"{mailbox}@{label}.{label}.{label}.Ü"
        expected = f"{mailbox}@{domain}" if is_key else address.lower()
        assert text.email_key(address) == expected


def domain_in_ascii(address: str) -> str:
    parsed = validate_email(address, check_deliverability=False, globally_deliverable=False)
    return parsed.ascii_domain


LABELS = [
    "a",
    "Z",
    "ü",
    "Ü",
    "u\u0308",
    "ß",
    "例",
    "xn--tda",
    "-",
    ".",
    "。",
    "\u00ad",
    "\ufe0f",
    "９",
]
DOMAINS = st.lists(st.sampled_from(LABELS), min_size=1, max_size=6).map("".join)


@given(st.sampled_from(["ann", "ÄNN", "a\u034f", "ａ"]), DOMAINS, DOMAINS)
@settings(max_examples=300)
def test_the_domain_of_a_key_is_the_ascii_domain_of_the_library(
    local: str, one: str, other: str
) -> None:
    address = f"{local}@{one}.{other}"
    if text.email(address, max_length=250) is None:
        mailbox, _, domain = text.email_key(address).rpartition("@")
        assert domain == domain_in_ascii(address)
        assert mailbox == text.fold(local).replace("\u034f", "")
