"""Reads and writes rows of CSV."""

import csv as standard
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from processor_time import processor_time_below

from adapters.tabular import csv
from adapters.tabular.lines import MAX_RECORD_BYTES, Row, split_chunks


def rows_of(text: bytes) -> Iterator[Row[csv.Cells]]:
    return iter(csv.Reader(split_chunks(text)))


def read(text: bytes) -> list[tuple[int, object]]:
    """The line number of each row, with its cells or the code of its problem."""
    return [
        (row.line, row.problem.code if row.problem else list(row.content or ()))
        for row in rows_of(text)
    ]


# Text that a file can contain: without lone surrogates.
CELL = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(st.lists(st.lists(CELL, min_size=1, max_size=4), max_size=5))
def test_reads_the_rows_that_were_written(rows: list[list[str]]) -> None:
    text = b"".join(csv.write(rows))
    assert [list(row.content or ()) for row in rows_of(text)] == rows


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_rejected_line_by_line(text: bytes) -> None:
    numbers = [row.line for row in rows_of(text)]
    assert numbers == sorted(set(numbers))
    assert all(1 <= number <= text.count(b"\n") + 1 for number in numbers)


LINES = st.lists(st.text(st.sampled_from("a,é \x00\t\r"), max_size=6), max_size=5)


@given(LINES, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_reads_lines_without_quotes_like_the_standard_library(
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


def test_the_number_of_a_row_is_that_of_its_first_line() -> None:
    text = b'a,b\r\n\r\n"c\nc\r\nc",d\ne,f'
    assert read(text) == [(1, ["a", "b"]), (3, ["c\nc\r\nc", "d"]), (6, ["e", "f"])]


def test_a_byte_order_mark_within_the_text_is_part_of_its_cell() -> None:
    assert read(b"a\n\xef\xbb\xbfb\n") == [(1, ["a"]), (2, ["\ufeffb"])]


def test_text_that_is_not_utf_8_invalidates_only_its_row() -> None:
    assert read(b"a,\xff\nb,\xc3\xa9\n") == [(1, "not_utf_8"), (2, ["b", "é"])]
    assert read(b'a,"x\n\xed\xa0\x80"\nb\n') == [(1, "not_utf_8"), (3, ["b"])]


@pytest.mark.parametrize("stray", [b'"a"b,c', b'"a,b', b'a,"b', b'"a" ,b', b"a\rb,c"])
def test_a_stray_quote_invalidates_only_its_line(stray: bytes) -> None:
    valid = [b"d,e", b'"f",g', b'"h ""h""","i', b'j"']
    found = read(b"\n".join([b"x,y", stray, *valid]))
    rows = [(3, ["d", "e"]), (4, ["f", "g"]), (5, ['h "h"', "i\nj"])]
    assert found == [(1, ["x", "y"]), (2, "malformed_csv"), *rows]


def test_an_unclosed_quote_invalidates_only_its_line() -> None:
    lines = [b'"a'] + [b"b,c"] * (MAX_RECORD_BYTES // 2)
    found = read(b"\n".join(lines))
    assert found == [(1, "malformed_csv")] + [(n, ["b", "c"]) for n in range(2, len(lines) + 1)]


def test_rejects_a_record_of_too_many_lines() -> None:
    (text,) = csv.write([["x\n" * 100] * (MAX_RECORD_BYTES // 100)])
    assert read(text)[0] == (1, "malformed_csv")
    (text,) = csv.write([["x\n" * 100] * (MAX_RECORD_BYTES // 400)])
    assert read(text) == [(1, ["x\n" * 100] * (MAX_RECORD_BYTES // 400))]


@pytest.mark.parametrize(
    ("first", "unpaired", "is_limited"),
    [(b"a", 15, False), (b"a", 16, True), (b"a" * 50_000, 16, False)],
)
def test_after_many_unpaired_quotes_a_record_has_at_most_100_lines(
    first: bytes, unpaired: int, is_limited: bool
) -> None:
    """After each unpaired quote, the reader has searched 64 KiB for the other one.

    It reads all lines of them again except the first one.
    """
    plain = b"b" * 99 + b"\n"
    text = (b'"' + first + b"\n" + plain * (MAX_RECORD_BYTES // len(plain) + 1)) * unpaired
    rows = [content for _, content in read(text + b'"' + b"c\n" * 101 + b'"\n')]
    assert (["c\n" * 101] in rows) is not is_limited
    assert rows.count("malformed_csv") == unpaired + 2 * is_limited


@pytest.mark.parametrize(("lines", "is_accepted"), [(60, True), (80, False)])
def test_the_size_of_a_record_is_in_bytes(lines: int, is_accepted: bool) -> None:
    text = '"' + ("é" * 500 + "\n") * lines + '",b\n'
    assert len(text) < MAX_RECORD_BYTES
    (_, first), *_ = read(text.encode())
    assert (first != "malformed_csv") is is_accepted


def test_rejects_a_line_that_is_too_long() -> None:
    long = [b"b" * 10 * MAX_RECORD_BYTES, b"c" * MAX_RECORD_BYTES, b",".join([b"c" * 1000] * 100)]
    rejected = [(number, "record_too_long") for number in (2, 3, 4)]
    assert read(b"\n".join([b"a", *long, b"d"])) == [(1, ["a"]), *rejected, (5, ["d"])]


def test_an_invalid_row_keeps_its_bytes() -> None:
    (row,) = rows_of(b'a\xff,"b\xfe\n"\n')
    assert row.text.encode("utf-8", "surrogateescape") == b'a\xff,"b\xfe\n"'
    assert b"".join(csv.write([[row.text]])) == b'"a\xff,""b\xfe\n"""\n'


def test_reads_many_unclosed_quotes_in_linear_time() -> None:
    """Each line opens a quote, so each could be the start of a record."""
    count = 2000
    lines = [b'x",",'] * count + [b"y"] * MAX_RECORD_BYTES
    # It would take 12 s to search 64 KiB for each line.
    with processor_time_below(3):
        problems = [row.problem for row in rows_of(b"\n".join(lines))]
    assert problems[:count] == [csv.MALFORMED] * count
    assert problems[count:] == [None] * MAX_RECORD_BYTES
