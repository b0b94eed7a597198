"""Rows of CSV in and out."""

import csv as standard
from io import BytesIO
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.tabular import csv
from adapters.tabular.lines import MAX_RECORD_BYTES


def read(text: bytes) -> list[tuple[int, object]]:
    """The line of each row with its cells, or with the code of its problem."""
    return [
        (row.line, row.problem.code if row.problem else list(row.content or ()))
        for row in csv.read(BytesIO(text))
    ]


# Text as files can hold it: no lone surrogates.
CELL = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(st.lists(st.lists(CELL, min_size=1, max_size=4), max_size=5))
def test_what_is_written_is_read_again(rows: list[list[str]]) -> None:
    text = b"".join(csv.write(rows))
    assert [list(row.content or ()) for row in csv.read(BytesIO(text))] == rows


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_line_by_line(text: bytes) -> None:
    numbers = [row.line for row in csv.read(BytesIO(text))]
    assert numbers == sorted(set(numbers))
    assert all(1 <= number <= text.count(b"\n") + 1 for number in numbers)


LINES = st.lists(st.text(st.sampled_from("a,é \x00\t\r"), max_size=6), max_size=5)


@given(LINES, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_lines_without_quotes_are_read_as_the_standard_library_reads_them(
    lines: list[str], end: str, ended: bool
) -> None:
    expected: list[tuple[int, object]] = []
    texts = end.join(lines) + (end if ended else "")
    for number, line in enumerate(texts.split("\n"), start=1):
        try:
            (cells,) = standard.reader([line], strict=True)
        except standard.Error:
            expected.append((number, "malformed_csv"))
        else:
            expected += [(number, cells)] if cells else []
    assert read(texts.encode()) == expected


def test_a_row_is_numbered_by_the_line_on_which_it_begins() -> None:
    text = b'a,b\r\n\r\n"c\nc\r\nc",d\ne,f'
    assert read(text) == [(1, ["a", "b"]), (3, ["c\nc\r\nc", "d"]), (6, ["e", "f"])]


def test_a_byte_order_mark_is_no_part_of_the_first_cell() -> None:
    assert read(b'\xef\xbb\xbf"a",b\n') == [(1, ["a", "b"])]
    assert read(b"a\n\xef\xbb\xbfb\n") == [(1, ["a"]), (2, ["\ufeffb"])]


def test_text_that_is_not_utf_8_spoils_its_row_alone() -> None:
    assert read(b"a,\xff\nb,\xc3\xa9\n") == [(1, "not_utf_8"), (2, ["b", "é"])]
    assert read(b'a,"x\n\xed\xa0\x80"\nb\n') == [(1, "not_utf_8"), (3, ["b"])]


@pytest.mark.parametrize("stray", [b'"a"b,c', b'"a,b', b'a,"b', b'"a" ,b', b"a\rb,c"])
def test_a_stray_quote_spoils_its_line_alone(stray: bytes) -> None:
    good = [b"d,e", b'"f",g', b'"h ""h""","i', b'j"']
    found = read(b"\n".join([b"x,y", stray, *good]))
    rows = [(3, ["d", "e"]), (4, ["f", "g"]), (5, ['h "h"', "i\nj"])]
    assert found == [(1, ["x", "y"]), (2, "malformed_csv"), *rows]


def test_a_quote_that_never_ends_is_not_looked_for_to_the_end_of_the_file() -> None:
    lines = [b'"a'] + [b"b,c"] * (MAX_RECORD_BYTES // 2)
    found = read(b"\n".join(lines))
    assert found == [(1, "malformed_csv")] + [(n, ["b", "c"]) for n in range(2, len(lines) + 1)]


def test_a_record_of_many_lines_has_an_end_too() -> None:
    (text,) = csv.write([["x\n" * 100] * (MAX_RECORD_BYTES // 100)])
    assert (1, "malformed_csv") in read(text)
    (text,) = csv.write([["x\n" * 100] * (MAX_RECORD_BYTES // 400)])
    assert len(read(text)) == 1


def test_a_line_without_end_is_refused_and_not_held() -> None:
    long = [b"b" * 10 * MAX_RECORD_BYTES, b"c" * MAX_RECORD_BYTES, b",".join([b"c" * 1000] * 100)]
    refused = [(number, "record_too_long") for number in (2, 3, 4)]
    assert read(b"\n".join([b"a", *long, b"d"])) == [(1, ["a"]), *refused, (5, ["d"])]


def test_a_spoiled_row_keeps_its_bytes() -> None:
    (row,) = csv.read(BytesIO(b'a\xff,"b\xfe\n"\n'))
    assert row.text.encode("utf-8", "surrogateescape") == b'a\xff,"b\xfe\n"'
    assert b"".join(csv.write([[row.text]])) == b'"a\xff,""b\xfe\n"""\n'


def test_quotes_that_never_end_cost_no_more_than_lines_that_are_read_once() -> None:
    """Each line opens a quote, whether or not one is open, so each could begin a record."""
    count = 2000
    lines = [b'x",",'] * count + [b"y"] * MAX_RECORD_BYTES
    began = process_time()
    problems = [row.problem for row in csv.read(BytesIO(b"\n".join(lines)))]
    assert process_time() - began < 3  # a few tenths of it; 12 s if each looked through 64 KiB
    assert problems[:count] == [csv.MALFORMED] * count
    assert problems[count:] == [None] * MAX_RECORD_BYTES
