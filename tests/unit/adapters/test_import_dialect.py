"""The import dialect: reads files that programs wrote, from a stream."""

import json
import tracemalloc
from collections.abc import Callable, Iterator
from io import BytesIO, RawIOBase
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processor_time import processor_time_below

from adapters.files.csv_header import UnknownColumns
from adapters.files.formats import FORMATS
from adapters.files.reading import ReadOptions
from adapters.resources.users import USERS
from adapters.tabular import csv, jsonl
from adapters.tabular.lines import MAX_RECORD_BYTES
from adapters.tabular.spreadsheets import protect, protect_again, protect_row_again, unprotect
from application.imports import RecordError, RejectedRecord
from domain.errors import Invalid
from entrypoints.cli.remedies import remedies_of, with_remedies

ANN = {"email": "ann@example.org", "name": "Ann, Dr.", "is_active": True, "role": "admin"}
BOB = {"email": "bob@example.org", "name": "Bøb", "is_active": False}
FULL = """\
Email;Full name;Active;Role
ann@example.org;Ann, Dr.;TRUE;admin
bob@example.org;Bøb;FALSE;
""".replace("\n", "\r\n")
MAPPED: dict[str, Any] = {"columns": {"name": "Full Name", "is_active": "active"}}


def read(data: Any, form: str = "csv", required: Any = ("email", "name"), **options: Any) -> Any:
    """The attributes of each record, or the code of its problem."""
    file = BytesIO(data.encode() if isinstance(data, str) else data)
    records = FORMATS[form].read(file, USERS, required, ReadOptions(**options))
    return [each.problem.code if each.problem else each.attributes for each in records]


def file_error(data: Any, form: str = "csv", **options: Any) -> str:
    """Returns the error for a file that must be rejected, as the command line prints it."""
    with pytest.raises(Invalid) as caught:
        read(data, form, **options)
    return "\n".join(map(with_remedies, caught.value.violations))


# Files of several programs. Each has the same two users.
FILES: dict[str, bytes | tuple[bytes, dict[str, str]]] = {
    "LibreOffice, commas": (
        'Email,Full name,Active,Role\nann@example.org,"Ann, Dr.",TRUE,admin\n'
        "bob@example.org,Bøb,FALSE,\n"
    ).encode(),
    "Excel, German: semicolons, a byte order mark, CRLF": FULL.encode("utf-8-sig"),
    "Excel, German, in its own encoding": (FULL.encode("cp1252"), {"encoding": "windows-1252"}),
    "Excel, Unicode text: tabs in UTF-16": FULL.replace(";", "\t").encode("utf-16"),
    "UTF-16 in the other byte order": b"\xfe\xff" + FULL.encode("utf-16-be"),
    "UTF-16 without a mark": (FULL.encode("utf-16-le"), {"encoding": "utf-16-le"}),
    "UTF-16 with a mark, by the name without": (FULL.encode("utf-16"), {"encoding": "utf-16-le"}),
    "UTF-32": FULL.encode("utf-32"),
    "Excel for Mac: CR": FULL.replace("\r\n", "\r").encode(),
    "CR, then CRLF": FULL.replace("\r\n", "\r", 1).replace("\r\n", "\r\n\r\n").encode(),
    "CR in UTF-16": FULL.replace("\r\n", "\r").encode("utf-16"),
    "a declared delimiter": f"sep=;\r\n{FULL}".encode(),
    "a declared delimiter in UTF-16": f"sep=;\r\n{FULL}".encode("utf-16"),
    "another declared delimiter": f"SEP=|\n{FULL.replace(';', '|')}".encode(),
    "another delimiter": (FULL.replace(";", "|").encode(), {"delimiter": "|"}),
    "a delimiter of several bytes": (FULL.replace(";", "§").encode(), {"delimiter": "§"}),
    "a line break in a header": FULL.replace("Full name", '"Full\r\nname"').encode(),
    "line breaks in several headers, tabs": (
        '"Email"\t"Full\n\nname"\t"Active\n"\tRole\n'
        'ann@example.org\t"Ann, Dr."\tTRUE\tadmin\nbob@example.org\tBøb\tFALSE\t\n'
    ).encode(),
    "all cells in quotes": '"{}"\r\n'.format(
        '"\r\n"'.join(line.replace(";", '";"') for line in FULL.splitlines())
    ).encode(),
    "empty rows and columns at every side": (
        ",,,,,\r\nEmail,Full name,Active,Role,,\r\n,,,,,\n"
        'ann@example.org,"Ann, Dr.",TRUE,admin,,,,\r\n"","","","","",""\r\n , ,\t,,\u00a0,\r\n'
        "bob@example.org,Bøb,FALSE,,,\r\n,,,,,"
    ).encode(),
    "other spellings": (
        " EMAIL , full NAME\u00a0,aCtIvE,Role\n \u200bann@example.org\ufeff\t,"
        '"Ann, Dr.",YES,admin\n\u00a0bob@example.org ,Bøb,f,\n'
    ).encode(),
}


def file_of(name: str) -> tuple[bytes, dict[str, Any]]:
    """A file, and the options to read it."""
    found = FILES[name]
    return found if isinstance(found, tuple) else (found, {})


@pytest.mark.parametrize("name", FILES)
def test_reads_a_file_that_a_program_saved(name: str) -> None:
    data, options = file_of(name)
    assert read(data, **MAPPED, **options) == [ANN, BOB]


class SlowStream(RawIOBase):
    """A stream that returns one byte at a time."""

    def __init__(self, data: bytes) -> None:
        self._data = iter(data)

    def read(self, _: int = -1) -> bytes:
        return bytes([byte]) if (byte := next(self._data, None)) is not None else b""


@pytest.mark.parametrize("name", FILES)
def test_reads_a_stream_in_parts(name: str) -> None:
    data, options = file_of(name)
    read_options = ReadOptions(**MAPPED, **options)
    records = FORMATS["csv"].read(SlowStream(data), USERS, ("email", "name"), read_options)
    assert [each.attributes for each in records] == [ANN, BOB]


@pytest.mark.parametrize("text", ["true", "TRUE", "True", "yes", "Yes", "t", "T", "1"])
def test_reads_every_spelling_of_true(text: str) -> None:
    assert read(f"email,name,is_active\na@x.test,A,{text}\n")[0]["is_active"] is True


@pytest.mark.parametrize("text", ["false", "FALSE", "no", "NO", "f", "F", "0"])
def test_reads_every_spelling_of_false(text: str) -> None:
    assert read(f"email,name,is_active\na@x.test,A,{text}\n")[0]["is_active"] is False


def test_an_empty_cell_has_no_value() -> None:
    rows = read("email,name,is_active,role\na@x.test,,,\n\u200b,B,,x\n")
    assert rows == [{"email": "a@x.test"}, {"name": "B", "role": "x"}]


def test_does_not_strip_a_name() -> None:
    assert read("email,name\na@x.test, A \n")[0]["name"] == " A "


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"PK\x03\x04\x14\0\x06\0[Content_Types].xml\n", "workbook of a spreadsheet program"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "(.xls)"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"\x1f\x8b\x08\0", "compressed (gzip)"),
        (b"<!DOCTYPE html>\n<table>", "HTML"),
        (b"SQLite format 3\0\x10", "an SQLite database"),
        (b"\x7fELF\x02\x01\x01\0\0\0\0", "binary"),
        (FULL.encode("utf-16-le"), "--encoding utf-16-le"),
        (FULL.encode("utf-16-be"), "--encoding utf-16-be"),
    ],
)
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_rejects_a_file_that_is_not_text_with_the_cause(form: str, data: bytes, cause: str) -> None:
    message = file_error(data, form)
    assert cause in message
    assert "\n" not in message


def test_the_error_about_another_encoding_names_the_byte() -> None:
    data = "email,name\na@x.test,A\nb@x.test,Bøb\n".encode("latin-1")
    assert read(data)[1] == "not_utf_8"
    (_, bad) = FORMATS["csv"].read(BytesIO(data), USERS, ())
    assert bad.problem is not None
    assert "byte 0xf8 at offset 32 (line 3)" in bad.problem.detail
    assert "--encoding" in remedies_of(bad.problem)
    (bad,) = FORMATS["jsonl"].read(BytesIO(b'\n{"name":"B\xf8b"}'), USERS, ())
    assert bad.problem is not None
    assert bad.problem.code == "malformed_json"
    assert "byte 0xf8 at offset 11 (line 2)" in bad.problem.detail


@pytest.mark.parametrize(
    ("data", "encoding", "place"),
    [
        (b"email,name\na@x.test,\x81\n", "cp1252", "byte 0x81 at offset 20 (line 2)"),
        (b"email,name\n\na@x.test,\xf8\n", "ascii", "byte 0xf8 at offset 21 (line 3)"),
        ("email,name\r\na".encode("utf-16") + b"\0\xd8", None, "at offset 28 (line 2)"),
        (b"x" * 70_000 + b"\n\xff", "ascii", "byte 0xff at offset 70001 (line 2)"),
    ],
)
def test_rejects_a_file_with_bytes_that_are_not_in_the_encoding(
    data: bytes, encoding: str | None, place: str
) -> None:
    message = file_error(data, encoding=encoding, ignore_unknown=True, required=())
    assert message.startswith("wrong_encoding: the file isn't text in ")
    assert place in message
    assert "--encoding" in message


def test_the_error_about_the_encoding_of_a_header_names_the_byte() -> None:
    message = file_error("email,name,Größe\n".encode("latin-1"))
    assert message.startswith("no_header: the first line")
    assert "byte 0xf6 at offset 13 (line 1)" in message
    assert "--encoding" in message


def test_rejects_an_encoding_that_contradicts_the_byte_order_mark() -> None:
    message = file_error(FULL.encode("utf-16"), encoding="utf-8")
    assert "byte order mark of UTF-16" in message
    assert message.endswith("so it isn't in utf-8. Omit --encoding.")
    assert "byte order mark of UTF-8" in file_error(FULL.encode("utf-8-sig"), encoding="latin-1")
    assert read(FULL.encode("utf-16"), encoding="utf-16", **MAPPED) == [ANN, BOB]


def test_the_error_names_an_unknown_delimiter() -> None:
    rest = "instead of ','. Use --delimiter "
    assert rest + "'|'" in file_error("email|name|role\na@x.test|A|user\n")
    assert rest + "'^'" in file_error("email^name\na@x.test^A\n", ignore_unknown=True)
    assert rest + "';'" in file_error("email;name;role\n", delimiter=",")


@pytest.mark.parametrize(("others", "is_named"), [(16, True), (17, False)])
def test_the_error_names_one_of_the_first_20_possible_delimiters(
    others: int, is_named: bool
) -> None:
    """Comma, semicolon and tab are always possible."""
    header = "".join(chr(0x2190 + each) for each in range(others)) + "x|email|name\n"
    assert ("Use --delimiter '|'" in file_error(header)) is is_named


def test_one_error_names_all_unknown_columns() -> None:
    message = file_error("E-Mail,name,shoe,Hat\n")
    assert message == (
        "unknown_attribute: the header row has unknown columns: 'E-Mail', 'shoe', 'Hat'. Known "
        "columns: email, name, is_active, role; ignored: id, creation_time, update_time. Map a "
        "column with --column email='E-Mail', or skip unknown ones with --ignore-unknown.\n"
        "missing: email must be a column."
    )
    with pytest.raises(UnknownColumns) as caught:
        read("E-Mail,name,shoe\n")
    assert (caught.value.columns, caught.value.missing) == (["E-Mail", "shoe"], ["email"])
    assert read("email,name,shoe\na@x.test,A,44\n", ignore_unknown=True) == [
        {"email": "a@x.test", "name": "A"}
    ]


def test_an_error_quotes_the_first_100_characters_of_a_column() -> None:
    longest = "c" * 100
    message = file_error(f"email,name,{longest},{longest}d\n")
    assert f"unknown columns: '{longest}', '{longest}…'." in message


@pytest.mark.parametrize("header", ["Email address", "user_email", "Emial"])
def test_the_error_maps_a_column_that_contains_the_name_or_resembles_it(header: str) -> None:
    assert f"Map a column with --column email='{header}'," in file_error(f"Hat,{header},name\n")


def test_the_error_for_very_many_columns_is_short() -> None:
    header = ",".join(f"c{number}" for number in range(10_000))
    with processor_time_below(2):
        message = file_error(f"email,name,{header}\n")
    assert "'c99' and 9,900 more." in message
    assert len(message) < 2000
    names = header.split(",")
    assert "'c99' and 1 more." in file_error(f"email,name,{','.join(names[:101])}\n")
    assert "'c99'. Known" in file_error(f"email,name,{','.join(names[:100])}\n")


@pytest.mark.parametrize(
    ("header", "columns", "message"),
    [
        ("email,EMAIL,name", {}, "email is two columns: 'email' and 'EMAIL'."),
        ("email,email,name", {}, "email is the name of two columns."),
        ("email,mail,name", {"email": "Mail"}, "email is two columns: 'email' and 'mail'."),
        ("email,name", {"email": "Mail"}, "missing: 'Mail' must be a column, for email."),
        ("email,role", {}, "missing: name must be a column."),
        ("", {}, "no_header: the first line must be a header row in UTF-8. The file is empty."),
        (",,,\n\n", {}, "The file is empty"),
        ('"email,name', {}, "a header row in UTF-8, and must be cells separated by delimiters"),
        ('[{"email":"a@x.test"}]', {}, "Use --format jsonl"),
    ],
)
def test_rejects_a_header_with_the_reason(header: str, columns: Any, message: str) -> None:
    error = file_error(header, columns=columns)
    assert message in error
    assert error.startswith(message) or not message.startswith(("missing", "no_header"))


def test_a_header_can_contain_an_equals_sign() -> None:
    data = "a=b,n\na@x.test,A\n"
    assert read(data, columns={"email": "A=B", "name": "n"}) == [{"email": "a@x.test", "name": "A"}]


def test_a_mapped_header_can_be_the_name_of_another_attribute() -> None:
    data = "email,role\na@x.test,A\n"
    assert read(data, columns={"name": "Role"}) == [{"email": "a@x.test", "name": "A"}]


def test_rejects_a_value_in_a_column_without_a_header() -> None:
    data = "email,name,\na@x.test,A,\nb@x.test,B,x\n"
    assert read(data) == [{"email": "a@x.test", "name": "A"}, "unnamed_column"]
    assert len(read(data, ignore_unknown=True)) == 2
    assert read("email,name\na@x.test,A,x\n") == ["wrong_number_of_cells"]


def test_members_are_matched_like_headers() -> None:
    line = '{" EMAIL ":"\u00a0a@x.test","Full Name":"A","ID":7,"Shoe":44}\n'
    mapped = {"columns": {"name": "full name"}}
    expected = {"email": "a@x.test", "name": "A"}
    assert read(line, "jsonl", **mapped, ignore_unknown=True) == [expected]
    assert read(line, "jsonl", **mapped) == [{**expected, "Shoe": 44}]
    both = '{"email":"a@x.test","EMAIL":"b@x.test"}'
    assert read(both, "jsonl", ignore_unknown=True) == [
        {"email": "a@x.test", "EMAIL": "b@x.test"}  # the domain rejects the second
    ]
    both = '{"email":"a@x.test","mail":"b@x.test"}'
    assert read(both, "jsonl", columns={"email": "mail"}) == ["repeated_attribute"]


ARRAYS = [
    '[{"email":"a@x.test","name":"A"},{"email":"b@x.test","name":"B"}]',
    '[\n  {\n    "email": "a@x.test",\n    "name": "A"\n  },\n  '
    '{"email": "b@x.test",\r\n "name": "B"}\n]\n',
]


def test_the_first_line_of_json_lines_may_be_the_only_one_that_is_not_utf_8() -> None:
    good = {"email": "b@x.test", "name": "B"}
    assert read(b'{"name": "\xff"}\n' + json.dumps(good).encode(), "jsonl") == [
        "malformed_json",
        good,
    ]


@pytest.mark.parametrize("text", ARRAYS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_reads_the_items_of_a_json_array(text: str, encoding: str) -> None:
    expected = [{"email": f"{x}@x.test", "name": x.upper()} for x in "ab"]
    assert read(text.encode(encoding), "jsonl") == expected
    records = FORMATS["jsonl"].read(SlowStream(text.encode(encoding)), USERS, ())
    assert [each.attributes for each in records] == expected


def test_an_item_has_the_number_of_its_line_and_its_position() -> None:
    text = '[{"email":1},\n{"email":\n2},{"a":[{"b":"]"}]}]'
    records = FORMATS["jsonl"].read(BytesIO(text.encode()), USERS, ())
    assert [(each.line, each.item) for each in records] == [(1, 1), (2, 2), (3, 3)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[]", []),
        ("[ \n ]", []),
        ('[{"a":1},]', [{"a": 1}, "malformed_json"]),
        ('[{"a":1} x,{"b":1}]', ["malformed_json", {"b": 1}]),
        ('[{"a":},{"b":1}]', ["malformed_json", {"b": 1}]),
        ('[{"a":1},5,"x,]",null,[1,[2]],{"b":1}]', [{"a": 1}, *["wrong_json_type"] * 4, {"b": 1}]),
        ('[{"a":1}', ["malformed_json"]),
        ('[{"a":1},{"b":"x}]', [{"a": 1}, "malformed_json"]),
        ('[{"a":1}]x', [{"a": 1}, "malformed_json"]),
        ('[{"a":1},{"b":' + "[" * 100_000, [{"a": 1}, "too_deep"]),
        (f'[{{"a":"{"x" * 70_000}"}},{{"b":1}}]', ["record_too_long", {"b": 1}]),
        (f'[{{"a":["{"x" * 70_000}"]}},{{"b":1}}]', ["record_too_long", {"b": 1}]),
        ('[{"a":1,"a":1},{"b":"\\"}"}]', ["duplicate_member", {"b": '"}'}]),
    ],
)
def test_an_invalid_item_does_not_affect_other_items(text: str, expected: list[Any]) -> None:
    assert read(text, "jsonl", columns={}) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@settings(max_examples=40)
@given(
    st.lists(st.dictionaries(st.text(max_size=3), JSON, max_size=3), min_size=1, max_size=4),
    st.sampled_from([None, 0, 2]),
    st.integers(1, 9),
)
def test_reads_an_array_of_any_objects_in_parts_of_any_size(
    objects: list[Any], indent: int | None, size: int
) -> None:
    text = json.dumps(objects, indent=indent, ensure_ascii=False).encode("utf-8", "replace")
    parts = [text[at : at + size] for at in range(0, len(text), size)]
    assert [row.content for row in jsonl.read(parts)] == json.loads(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("email,name\na@x.test,A\n", "the file seems to be CSV, not JSON. Use --format csv."),
        ('{\n  "email": "a@x.test"\n}\n', "each line must be a complete object, or the file must"),
    ],
)
def test_rejects_a_file_that_is_not_json_lines_with_the_reason(text: str, message: str) -> None:
    assert message in file_error(text, "jsonl")


class LongStream(RawIOBase):
    """A stream of `size` bytes that are not in memory."""

    def __init__(self, first: bytes, repeated: bytes, size: int, last: bytes = b"") -> None:
        self._parts = self._read(first, repeated * (2**16 // len(repeated) or 1), size, last)

    @staticmethod
    def _read(first: bytes, repeated: bytes, size: int, last: bytes) -> Iterator[bytes]:
        yield first
        for _ in range(size // len(repeated)):
            yield repeated
        yield last

    def read(self, _: int = -1) -> bytes:
        return next(self._parts, b"")


ITEM = b'{"email":"a@x.test","name":"Ann"},'


@pytest.mark.parametrize(
    ("form", "file"),
    [
        ("jsonl", lambda: LongStream(b"[", ITEM, 2**20, b"{}]")),
        ("jsonl", lambda: LongStream(b'[{"a":"', b"x", 2**24)),
        ("jsonl", lambda: LongStream(b'[{"a":[', b"5,", 2**20)),
        ("jsonl", lambda: LongStream(b"", b" ", 2**24)),
        ("jsonl", lambda: LongStream(b"[{}", b" ", 2**24)),
        ("csv", lambda: LongStream(b'email,name\na,"', b"x", 2**24)),
        ("csv", lambda: LongStream(b'email,name\na,"', b"x" * 255 + b"\n", 2**23)),
        ("csv", lambda: LongStream(b"\xff\xfee\0,\0n\0\n\0", b"x\0", 2**24)),
        ("csv", lambda: LongStream(b"email,name\ra,b", b"x", 2**24)),
    ],
)
def test_a_file_of_any_length_takes_little_memory(form: str, file: Callable[[], Any]) -> None:
    options = ReadOptions(ignore_unknown=True)
    tracemalloc.start()
    try:
        for _ in FORMATS[form].read(file(), USERS, (), options):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 * 2**20


def rejected(data: bytes, form: str = "csv", **options: Any) -> bytes:
    """The file of rejected records, if all records are rejected."""
    fault = RecordError("email", "email_taken", "Another user has this email.")
    records = FORMATS[form].read(BytesIO(data), USERS, (), ReadOptions(**options))
    header = records.header()
    rows = [records.rejected_row(RejectedRecord(each, (fault,))) for each in records]
    return header + b"".join(rows)


@pytest.mark.parametrize("name", FILES)
def test_writes_rejected_records_like_the_file_and_reads_them_again(name: str) -> None:
    data, options = file_of(name)
    options = {**MAPPED, **options}
    again = rejected(data, **options)
    assert read(again, **options) == [ANN, BOB]
    assert read(rejected(again, **options), **options) == [ANN, BOB]


def test_the_file_of_rejected_records_has_the_text_of_a_line_that_is_not_json() -> None:
    line = '{"email": "ann@example.org"'
    assert json.loads(rejected(f"{line}\n".encode(), "jsonl"))["text"] == line


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_reads_rejected_objects_again(encoding: str) -> None:
    data = '[{"Email":"a@x.test","name":"Bøb"},{"email":"b@x.test","name":"B"}]'.encode(encoding)
    assert read(rejected(data, "jsonl"), "jsonl") == read(data, "jsonl")


@pytest.mark.parametrize(
    "cell",
    [
        *("=1+1", "+1", "-1+1", "@SUM(1)", "\t=1", "\r", "\n=1", " =1", "\u00a0=1", "\ufeff@x"),
        *("＝1", "＋1", "－1", "＠x", "−1", "'=1", "''=1", "007", "1e5", "1/2", "true", "False"),
    ],
)
def test_protects_a_cell_that_a_spreadsheet_would_change(cell: str) -> None:
    assert protect(cell) == f"'{cell}"


@pytest.mark.parametrize(
    "cell", ["Ann", "a=b", "'t Hooft", "O'Hara", "'", "", "68er", "3 May", "true x"]
)
def test_does_not_protect_other_cells(cell: str) -> None:
    assert protect(cell) == unprotect(cell) == protect_again(cell) == cell


CELLS = st.text(st.sampled_from("'=+-@ \t\r\n1e.aé＝\u200b"), max_size=6)


@given(CELLS)
def test_reads_the_original_of_a_protected_cell(cell: str) -> None:
    assert unprotect(protect(cell)) == cell
    assert unprotect(protect_again(cell)) == cell
    assert protect_again(cell) == cell or cell.startswith("'")


@given(st.lists(st.text(st.sampled_from('\'=1"",\n\ré'), max_size=6), min_size=2))
def test_protects_the_cells_of_a_row_as_single_cells(cells: list[str]) -> None:
    (row,) = csv.write([cells])
    (protected,) = csv.write([[*map(protect_again, cells)]])
    assert protect_row_again(row.decode()).encode() == protected


def test_protects_a_row_that_is_too_long_for_an_import() -> None:
    text = "x" * MAX_RECORD_BYTES
    assert protect_row_again(f"7,'=1,{text}\n") == f"7,''=1,{text}\n"
    assert protect_row_again(f'7,"\'=1,\n{text}"\n') == f"7,\"''=1,\n{text}\"\n"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_reads_all_blocks_of_a_file_in_the_same_way(end: str) -> None:
    quoted = {"'=x": "=x", '"a, ""b"""': 'a, "b"', f'"c{end}d"': f"c{end}d", "' O'Hara": "' O'Hara"}
    cells = ([*quoted] + ["U"] * 995) * 9
    lines = ["email,name", *(f"u{n}@x.test,{cell}" for n, cell in enumerate(cells))]
    names = [row["name"] for row in read(end.join(lines))]
    assert names == [quoted.get(cell, cell) for cell in cells]


def test_counts_lines_and_bytes_in_long_lines_and_other_blocks() -> None:
    long, rows = b"x" * 200_000 + b"\n", b"a@x.test,A\n" * 9000
    parts = (b"\xef\xbb\xbfemail,name\n", long, rows, b"\xff,\n")
    records = FORMATS["csv"].read(BytesIO(b"".join(parts)), USERS, ())
    problems = [(each.line, each.problem) for each in records if each.problem]
    assert [(line, problem.code) for line, problem in problems] == [
        (2, "record_too_long"),
        (9003, "not_utf_8"),
    ]
    assert f"at offset {sum(map(len, parts[:3]))} (line 9003)" in problems[1][1].detail


@pytest.mark.parametrize("width", [499, 501, 8000])
def test_a_wide_file_takes_little_memory_and_its_rejected_rows_are_complete(width: int) -> None:
    header = ",".join(["email", "name", *(f"c{at}" for at in range(width - 2))])
    rows = [f'u{n}@x.test,"A, ""a""",' + "värde," * (width - 3) + "z" for n in range(100)]
    data = "\n".join([header, *rows]).encode()
    options = ReadOptions(ignore_unknown=True)
    tracemalloc.start()
    try:
        records = FORMATS["csv"].read(BytesIO(data), USERS, (), options)
        batch = list(records)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(batch) == 100
    assert batch[-1].attributes == {"email": "u99@x.test", "name": 'A, "a"'}
    assert peak < 15 * 2**20
    row = records.rejected_row(RejectedRecord(batch[-1], (RecordError(None, "x", "y"),)))
    assert row.decode() == f"101,x: y,{rows[-1]}\n"


def test_empty_cells_after_the_last_column_take_no_memory() -> None:
    data = ("email,name\n" + ("a@x.test,A" + "," * 60_000 + "\n") * 100).encode()
    tracemalloc.start()
    try:
        batch = list(FORMATS["csv"].read(BytesIO(data), USERS, ()))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [each.attributes for each in batch] == [{"email": "a@x.test", "name": "A"}] * 100
    assert peak < 20 * 2**20
