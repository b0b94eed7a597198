"""Files that refer to an entity on each line."""

from io import BytesIO

from adapters.files.reference_lines import read_lines
from adapters.tabular.lines import MAX_RECORD_BYTES, TOO_LONG
from application.link_import import REFERENCE


def test_a_bad_byte_is_reported_with_its_place_in_the_file() -> None:
    content = b"ann@x.test\r\n\nb\xf8b@x.test\n" + b"cy@x.test\n" * 9000 + b"\xffx\n"
    bad = [each for each in read_lines(BytesIO(content)) if each.problem]
    assert {each.attributes[REFERENCE] for each in bad} == {""}
    details = [each.problem.detail for each in bad if each.problem]
    for number, place, detail in zip((3, 9004), ("0xf8", "0xff"), details, strict=True):
        offset = content.index(bytes.fromhex(place[2:]))
        assert f"byte {place} at offset {offset} (line {number})" in detail


def test_a_line_that_is_too_long_has_no_reference() -> None:
    content = b"x" * (MAX_RECORD_BYTES + 1) + b"\ncy@x.test\n"
    too_long, valid = read_lines(BytesIO(content))
    assert (too_long.attributes, too_long.problem) == ({REFERENCE: ""}, TOO_LONG)
    assert (valid.line, valid.attributes[REFERENCE]) == (2, "cy@x.test")


def test_each_line_that_is_not_blank_is_a_record() -> None:
    records = [*read_lines(BytesIO(b"ann@x.test\r\n\n \xe2\x80\x8b7 \n"))]
    assert [(each.line, each.attributes[REFERENCE]) for each in records] == [
        (1, "ann@x.test"),
        (3, "7"),
    ]
