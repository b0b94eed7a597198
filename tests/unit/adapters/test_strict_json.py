"""JSON that means one thing only."""

import json
from contextlib import suppress
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.strict_json import DEEPEST, ESCAPES_PER_MEMBER, MOST_DIGITS, NotStrict, parse

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
    """The code of what is wrong with a text that is refused."""
    with pytest.raises(NotStrict) as refused:
        parse(text, **bounds)
    return refused.value.code


@given(PLAIN, st.sampled_from([None, 2]), st.booleans())
def test_any_json_is_read_as_it_was_meant(value: Any, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert parse(text.encode("utf-8", "surrogatepass")) == value


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
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
def test_what_is_not_json_in_utf_8_is_malformed(text: bytes) -> None:
    assert code_of(text) == "malformed_json"


@pytest.mark.parametrize("number", [b"1e400", b"-1e400", b"1E+999", b"1.5e99999"])
def test_a_number_that_cannot_be_held_is_refused(number: bytes) -> None:
    assert code_of(b'{"a":[' + number + b"]}") == "number_out_of_range"


def test_digits_are_bounded() -> None:
    assert parse(b"9" * MOST_DIGITS) == int("9" * MOST_DIGITS)
    assert code_of(b"9" * (MOST_DIGITS + 1)) == "number_too_long"
    assert code_of(b"9" * 10**6) == "number_too_long"
    assert code_of(b"0." + b"1" * 10**6) == "number_out_of_range"
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
def test_two_members_of_one_name_are_refused_at_any_level(text: bytes) -> None:
    assert code_of(text) == "duplicate_member"


def test_names_are_the_same_only_if_they_are_equal() -> None:
    assert parse(b'{"a":1,"A":2,"a ":3}') == {"a": 1, "A": 2, "a ": 3}


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_depth_is_bounded(opening: bytes, closing: bytes) -> None:
    parse(opening * DEEPEST + b"0" + closing * DEEPEST)
    assert code_of(opening * (DEEPEST + 1) + b"0" + closing * (DEEPEST + 1)) == "too_deep"
    assert code_of(opening * 200_000) == "too_deep"


def test_brackets_side_by_side_or_in_strings_are_no_depth() -> None:
    parse(b"[" + b",".join([b"[]"] * 5000) + b"]")
    parse(b'["' + b"[{" * 5000 + b'"]')
    parse(b'["\\"' + b"[" * 5000 + b'"]')


def test_depth_behind_strings_is_found() -> None:
    deep = b"[" * 100 + b"]" * 100
    assert code_of(b'["\\\\",' + deep + b"]") == "too_deep"
    assert code_of(b'["a\\"b",' + deep + b"]") == "too_deep"


@pytest.mark.parametrize(
    "filling", [b'\\"', b"\\", b'"', b"[", b"]", b'["', b"{", b'{"', b"\\u0022", b"[]"]
)
def test_a_megabyte_of_anything_is_answered_at_once(filling: bytes) -> None:
    text = b"[" * 65 + b'"' + filling * (2**20 // len(filling))
    began = process_time()
    code_of(text)
    assert process_time() - began < 1


def members(value: Any) -> int:
    """How many members and elements a value has in all."""
    if not isinstance(value, dict | list):
        return 0
    inner = value.values() if isinstance(value, dict) else value
    return len(value) + sum(map(members, inner))


def brackets(value: Any) -> int:
    if not isinstance(value, dict | list):
        return 0
    return 1 + sum(map(brackets, value.values() if isinstance(value, dict) else value))


@given(PLAIN, st.booleans())
def test_members_and_elements_are_bounded_whatever_the_strings(
    value: Any, ascii_only: bool
) -> None:
    """Each opens after a comma or a bracket, so that their sum is a bound that none exceeds."""
    text = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    number = members(value)
    if b"\\" in text:  # whose number is bounded, too
        return
    assert parse(text + b" " * 200, most=number + brackets(value)) == value
    if number:
        assert code_of(text + b" " * 200, most=number - 1) == "too_many_members"


@pytest.mark.parametrize("filling", [b",", b"[", b"{", b"[{,", b'\\",'])
def test_separators_in_strings_count_for_nothing(filling: bytes) -> None:
    text = b'["%b",{"%b":0}]' % (filling * 500, filling * 500)
    assert parse(text, most=1000)[0] == json.loads(b'"%b"' % (filling * 500))


@pytest.mark.parametrize(
    "many", [b"1,", b"{},", b"[],", b'"",', b'"a":1,', b'"\\"",', b"[1],", b'{"a":[]},']
)
def test_too_many_members_are_refused_before_they_are_decoded(many: bytes) -> None:
    assert code_of(b"[" + many * 1001 + b"1]", most=1000) == "too_many_members"


def test_escapes_are_bounded() -> None:
    most = 100 * ESCAPES_PER_MEMBER
    assert parse(b'["%b"]' % (b"\\n" * most), most=100) == ["\n" * most]
    assert code_of(b'["%b"]' % (b"\\n" * (most + 1)), most=100) == "too_many_escapes"


@pytest.mark.parametrize(
    "filling",
    [
        *(b'"', b'""', b'"",', b'"a":1,', b"[],", b"{},", b"[]", b"}", b",", b"0,", b" ", b"\0"),
        *(b'"\\\\"\\', b'\\"', b"\\\\", b"\\u0041", b"\xff", b"\xf0\x90\x80\x80", b"9", b"a"),
    ],
)
def test_eight_megabytes_of_anything_are_judged_in_a_moment(filling: bytes) -> None:
    size = 8 * 2**20 // len(filling)
    for text in (filling * size, b'["' + filling * size, b"[" + filling * size):
        began = process_time()
        code_of(text, most=50_000)
        assert process_time() - began < 1
