"""Reads and writes objects of JSON Lines."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.tabular import jsonl
from adapters.tabular.lines import MAX_RECORD_BYTES, TOO_LONG, split_chunks


def read(text: bytes) -> list[tuple[int, Any]]:
    """The line number of each object, with the object or the code of its problem."""
    return [
        (row.line, row.problem.code if row.problem else row.content)
        for row in jsonl.read(split_chunks(text))
    ]


PLAIN = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False)


@given(st.lists(st.dictionaries(st.text(), PLAIN, max_size=4), max_size=4))
def test_reads_the_objects_that_were_written(objects: list[dict[str, Any]]) -> None:
    finite = [
        {k: v for k, v in o.items() if v not in (float("inf"), -float("inf"))} for o in objects
    ]
    text = b"".join(jsonl.write(finite))
    assert [content for _, content in read(text)] == finite


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_rejected_line_by_line(text: bytes) -> None:
    numbers = [row.line for row in jsonl.read(split_chunks(text))]
    assert numbers == sorted(set(numbers))


def test_ignores_blank_lines() -> None:
    text = b'{"a":1}\r\n\n  \n{"b":2}'
    assert read(text) == [(1, {"a": 1}), (4, {"b": 2})]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"{", "malformed_json"),
        (b'{"a":1}{"a":1}', "malformed_json"),
        (b'{"a":"\xff"}', "malformed_json"),
        (b'{"a":1,"a":1}', "duplicate_member"),
        (b'{"a":NaN}', "malformed_json"),
        (b'{"a":1e999}', "number_out_of_range"),
        (b'{"a":' + b"9" * 401 + b"}", "number_too_long"),
        (b"[" * 65, "too_deep"),
        (b"[]", "wrong_json_type"),
        (b"null", "wrong_json_type"),
        (b'{"a":"' + b"x" * MAX_RECORD_BYTES + b'"}', "record_too_long"),
    ],
)
def test_an_invalid_line_does_not_affect_other_lines(line: bytes, code: str) -> None:
    assert read(b'{"a":1}\n' + line + b'\n{"b":2}\n') == [(1, {"a": 1}), (2, code), (3, {"b": 2})]


@pytest.mark.parametrize("file", [b"%s", b"[%s]", b"[\n%s\n]"])
def test_the_longest_record_has_64_kib(file: bytes) -> None:
    for length, problem in ((MAX_RECORD_BYTES, None), (MAX_RECORD_BYTES + 1, TOO_LONG)):
        record = b'{"a":"' + b"x" * (length - 8) + b'"}'
        (row,) = jsonl.read(split_chunks(file % record))
        assert row.problem == problem
