"""Strict JSON, which has only one meaning."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from processor_time import processor_time_below

from adapters.strict_json import ESCAPES_PER_MEMBER, MAX_DEPTH, MAX_DIGITS, NotStrict, parse

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def code_of(text: bytes, **bounds: int) -> str:
    """The code of the error for a text that must be rejected."""
    with pytest.raises(NotStrict) as caught:
        parse(text, **bounds)
    return caught.value.code


@given(PLAIN, st.sampled_from([None, 2]), st.booleans())
def test_reads_any_json_like_the_standard_library(
    value: Any, indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert parse(text.encode("utf-8", "surrogatepass")) == value


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_rejected(text: bytes) -> None:
    with suppress(NotStrict):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"{",
        b"}",
        b"{}{}",
        b"{} x",
        b"[1,]",
        b'{"a":1,}',
        b"{'a':1}",
        b"{a:1}",
        b"01",
        b"1.",
        b".5",
        b"+1",
        b"0x1",
        b"nul",
        b"NaN",
        b"[NaN]",
        b"Infinity",
        b"-Infinity",
        b'"\x00"',
        b'"\n"',
        b'"\\x"',
        b'"\\u12"',
        b"// no\n1",
        b"\x00",
        b"\xef\xbb\xbf{}",
        b'"\xff"',
        b'"\xc0\x80"',
        b'"\xed\xa0\x80"',
        b"\xc2\xa0{}",
        b"\x0c1",
        "{}".encode("utf-16"),
        "{}".encode("utf-16-le"),
        "{}".encode("utf-32-be"),
        "[\u0663]".encode(),
    ],
)
def test_text_that_is_not_json_in_utf_8_is_malformed(text: bytes) -> None:
    assert code_of(text) == "malformed_json"


@pytest.mark.parametrize("number", [b"1e400", b"-1e400", b"1E+999", b"1.5e99999"])
def test_rejects_a_number_that_is_out_of_range(number: bytes) -> None:
    assert code_of(b'{"a":[' + number + b"]}") == "number_out_of_range"


def test_digits_are_bounded() -> None:
    assert parse(b"9" * MAX_DIGITS) == int("9" * MAX_DIGITS)
    assert code_of(b"9" * (MAX_DIGITS + 1)) == "number_too_long"
    assert code_of(b"9" * 10**6) == "number_too_long"
    assert code_of(b"0." + b"1" * MAX_DIGITS) == "number_too_long"
    assert code_of(b"0." + b"1" * 10**6) == "number_too_long"
    assert code_of(b"-" + b"9" * 5000) == "number_too_long"


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"b":2,"a":3}',
        b'[{"x":{"a":null,"a":null}}]',
        b'{"a":1,"\\u0061":2}',
        b'{"":1,"":1}',
    ],
)
def test_rejects_duplicate_members_at_any_level(text: bytes) -> None:
    assert code_of(text) == "duplicate_member"


def test_names_are_the_same_only_if_they_are_equal() -> None:
    assert parse(b'{"a":1,"A":2,"a ":3}') == {"a": 1, "A": 2, "a ": 3}


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_depth_is_bounded(opening: bytes, closing: bytes) -> None:
    text = opening * MAX_DEPTH + b"0" + closing * MAX_DEPTH
    assert parse(text) == json.loads(text)
    assert code_of(opening * (MAX_DEPTH + 1) + b"0" + closing * (MAX_DEPTH + 1)) == "too_deep"
    assert code_of(opening * 200_000) == "too_deep"


def test_adjacent_brackets_and_those_in_strings_do_not_count_as_depth() -> None:
    parse(b"[" + b",".join([b"[]"] * 5000) + b"]")
    deepest = b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1)
    parse(b"[" + b",".join([deepest] * 3) + b"]")
    parse(b'["' + b"[{" * 5000 + b'"]')
    parse(b'["\\"' + b"[" * 5000 + b'"]')


def test_finds_depth_after_strings() -> None:
    deep = b"[" * 100 + b"]" * 100
    assert code_of(b'["\\\\",' + deep + b"]") == "too_deep"
    assert code_of(b'["a\\"b",' + deep + b"]") == "too_deep"


@pytest.mark.parametrize(
    "filling", [b'\\"', b"\\", b'"', b"[", b"]", b'["', b"{", b'{"', b"\\u0022", b"[]"]
)
def test_rejects_a_megabyte_of_any_content_within_a_second(filling: bytes) -> None:
    text = b"[" * 65 + b'"' + filling * (2**20 // len(filling))
    with processor_time_below(1):
        code_of(text)


def members(value: Any) -> int:
    """The number of members and elements in a value, at all levels."""
    if not isinstance(value, dict | list):
        return 0
    inner = value.values() if isinstance(value, dict) else value
    return len(value) + sum(map(members, inner))


def brackets(value: Any) -> int:
    if not isinstance(value, dict | list):
        return 0
    return 1 + sum(map(brackets, value.values() if isinstance(value, dict) else value))


@given(PLAIN, st.booleans())
def test_members_and_elements_are_bounded_with_any_strings(value: Any, ascii_only: bool) -> None:
    """Each member follows a comma or a bracket, so their sum is an upper bound."""
    text = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    number = members(value)
    if b"\\" in text:  # the number of escapes is also bounded
        return
    assert parse(text + b" " * 200, max_members=number + brackets(value)) == value
    if number:
        assert code_of(text + b" " * 200, max_members=number - 1) == "too_many_members"


@pytest.mark.parametrize("filling", [b",", b"[", b"{", b"[{,", b'\\",'])
def test_separators_in_strings_do_not_count(filling: bytes) -> None:
    text = b'["%b",{"%b":0}]' % (filling * 500, filling * 500)
    assert parse(text, max_members=1000)[0] == json.loads(b'"%b"' % (filling * 500))


@pytest.mark.parametrize(
    "many", [b"1,", b"{},", b"[],", b'"",', b'"a":1,', b'"\\"",', b"[1],", b'{"a":[]},']
)
def test_rejects_too_many_members_before_decoding_them(many: bytes) -> None:
    assert code_of(b"[" + many * 1001 + b"1]", max_members=1000) == "too_many_members"


def test_escapes_are_bounded() -> None:
    most = 100 * ESCAPES_PER_MEMBER
    assert parse(b'["%b"]' % (b"\\n" * most), max_members=100) == ["\n" * most]
    assert code_of(b'["%b"]' % (b"\\n" * (most + 1)), max_members=100) == "too_many_escapes"


@pytest.mark.parametrize(
    "filling",
    [
        *(b'"', b'""', b'"",', b'"a":1,', b"[],", b"{},", b"[]", b"}", b",", b"0,", b" ", b"\0"),
        *(b'"\\\\"\\', b'\\"', b"\\\\", b"\\u0041", b"\xff", b"\xf0\x90\x80\x80", b"9", b"a"),
    ],
)
def test_rejects_eight_megabytes_of_any_content_within_a_second(filling: bytes) -> None:
    size = 8 * 2**20 // len(filling)
    for text in (filling * size, b'["' + filling * size, b"[" + filling * size):
        with processor_time_below(1):
            code_of(text, max_members=50_000)
