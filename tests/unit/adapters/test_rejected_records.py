"""Files of rejected records of a resource whose attributes have the names of their columns."""

import csv
import io
import json
from typing import Any, Final

from adapters.files.formats import FORMATS
from adapters.files.reading import ReadOptions, Records
from adapters.jsonapi.kinds import Text
from adapters.jsonapi.resource import Attribute, Resource
from application.imports import RecordError, RejectedRecord

ATTRIBUTES: Final = {"line": "Circle", "errors": "none", "text": "Mind the gap."}
STOPS: Final = Resource("stops", {name: Attribute(name, Text()) for name in ATTRIBUTES})
ERROR: Final = RecordError("line", "too_long", "must be shorter")


def read(form: str, content: bytes) -> Records:
    return FORMATS[form].read(io.BytesIO(content), STOPS, (), ReadOptions())


def rejected(form: str, content: bytes) -> bytes:
    """Returns the file of rejected records if all records are rejected."""
    records = read(form, content)
    rows = [records.rejected_row(RejectedRecord(each, (ERROR,))) for each in records]
    return records.header() + b"".join(rows)


def attributes(form: str, content: bytes) -> list[Any]:
    return [each.attributes for each in read(form, content)]


def test_a_row_keeps_all_attributes() -> None:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerows([ATTRIBUTES.keys(), ATTRIBUTES.values()])
    first = rejected("csv", file.getvalue().encode())
    (row,) = csv.DictReader(io.StringIO(first.decode()))
    assert row == {"_line": "2", "_errors": str(ERROR), **ATTRIBUTES}
    assert attributes("csv", first) == [ATTRIBUTES]
    (again,) = csv.DictReader(io.StringIO(rejected("csv", first).decode()))
    assert again == row


def test_an_object_keeps_all_attributes() -> None:
    first = rejected("jsonl", json.dumps(ATTRIBUTES).encode())
    assert json.loads(first) == {"_line": 1, "_errors": [str(ERROR)], **ATTRIBUTES}
    assert attributes("jsonl", first) == [ATTRIBUTES]
    assert json.loads(rejected("jsonl", first)) == json.loads(first)


def test_a_text_that_is_not_json_is_not_an_attribute() -> None:
    first = rejected("jsonl", b'{"line":\n')
    assert json.loads(first) == {"_line": 1, "_errors": [str(ERROR)], "_text": '{"line":'}
    assert "text" not in attributes("jsonl", first)[0]
