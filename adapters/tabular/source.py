"""The text of a file, whose encoding and line ends are recognized.

The text is always UTF-8 without a byte order mark, and its line ends are LF or CRLF.
"""

import codecs
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from adapters.tabular.lines import MAX_RECORD_BYTES, prepend, split_chunks
from adapters.tabular.remedies import Remedy, SolvableProblem
from domain.errors import Invalid, Violation

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig", "utf-8"),
    # Before UTF-16, because its mark begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32", "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32", "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16", "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16", "utf-16-be"),
)
"""Byte order marks, each with the encoding that writes it and the encoding of the text after it."""
_UTF_8: Final = frozenset({"utf-8", "utf-8-sig"})
_UNSUPPORTED_ENCODINGS: Final = frozenset(
    {"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"}
)
"""Encodings of Python that programs do not use for files. Some take quadratic time."""

_WORKBOOK: Final = "a workbook of a spreadsheet program"
_SAVE: Final = "Open it in its program, save it as CSV, and import that file"
_FORMATS: Final = (
    (b"PK\x03\x04", f"{_WORKBOOK} (such as .xlsx or .ods) or another ZIP archive", _SAVE),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", f"{_WORKBOOK} (.xls)", _SAVE),
    (b"%PDF-", "a PDF document", "Get the data as CSV or JSON Lines"),
    (b"{\\rtf", "a document in Rich Text Format", _SAVE),
    (b"SQLite format 3\0", "an SQLite database", "Get the data as CSV or JSON Lines"),
    (b"PAR1", "a Parquet file", "Get the data as CSV or JSON Lines"),
    *(
        (start, f"compressed ({name})", "Decompress it, and import the file that it contains")
        for start, name in (
            *((b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz")),
            *((b"\x28\xb5\x2f\xfd", "zstd"), (b"7z\xbc\xaf\x27\x1c", "7-Zip")),
        )
    ),
)
_MARKUP: Final = re.compile(rb"\s*<(?:!doctype|html|table|\?xml|head|meta)\b", re.IGNORECASE)
_QUOTED: Final = re.compile(rb'"[^"]*+"?')
_LONE_CR: Final = re.compile(rb"\r(?!\n)")


class Source:
    """The text of a file. Raises Invalid if the file is not text in its encoding.

    `encoding` is the name of the encoding; the file of rejected records has the same one. `head` is
    the beginning of the text in UTF-8, with the complete first line unless that is longer than
    MAX_RECORD_BYTES. `offset` is the offset of the text in the file.
    """

    def __init__(self, file: BinaryIO, encoding: str | None = None) -> None:
        self._read: Callable[[int], bytes] = getattr(file, "read1", file.read)
        head = self._first_line()
        mark, self.encoding, self._codec = _encoding(head, encoding)
        _reject_other_formats(head, may_have_nul=self.encoding not in _UTF_8)
        self.offset = len(mark)
        if self.encoding in _UTF_8:
            self.head = head[len(mark) :]
            self._chunks = self._utf_8_chunks(self.head)
        else:
            self._chunks = self._decoded_chunks(head[len(mark) :])
            self.head = self._peek_line()
        if _has_cr_line_ends(self.head):
            self._chunks = _replace_cr(self._chunks)
            self.head = _LONE_CR.sub(b"\n", self.head)

    def __iter__(self) -> Iterator[bytes]:
        """Yields the text in chunks of at most MAX_RECORD_BYTES bytes. Can be called once."""
        return self._chunks

    def _first_line(self) -> bytes:
        head = b""
        while len(head) <= MAX_RECORD_BYTES and (
            b"\n" not in head or len(head) < len(codecs.BOM_UTF32_LE)
        ):
            if not (chunk := self._read(MAX_RECORD_BYTES)):
                break
            head += chunk
        return head

    def _utf_8_chunks(self, head: bytes) -> Iterator[bytes]:
        yield from split_chunks(head)
        while chunk := self._read(MAX_RECORD_BYTES):
            yield chunk

    def _decoded_chunks(self, head: bytes) -> Iterator[bytes]:
        """Yields the text in UTF-8. Raises Invalid if bytes cannot be decoded."""
        decoder = codecs.getincrementaldecoder(self._codec)()
        offset, line = self.offset, 1
        chunk = head
        while True:
            pending = len(decoder.getstate()[0])
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeError as error:
                raise self._undecodable(error, offset - pending, line) from error
            offset += len(chunk)
            line += _line_ends(text)
            yield from split_chunks(text.encode("utf-8", "surrogatepass"))
            if not chunk:
                return
            chunk = self._read(MAX_RECORD_BYTES)

    def _undecodable(self, error: UnicodeError, start: int, line: int) -> Invalid:
        position = "its text"
        if isinstance(error, UnicodeDecodeError):
            line += _line_ends(error.object[: error.start].decode(self._codec, "ignore"))
            position = f"byte 0x{error.object[error.start]:02x} at offset {start + error.start}"
        return _invalid_file(
            "wrong_encoding",
            f"isn't text in {self.encoding}: {position} (line {line}) can't be decoded",
            Remedy("encoding"),
        )

    def _peek_line(self) -> bytes:
        """Returns the beginning of the text, up to the first line end. Does not consume it."""
        head, rest = b"", self._chunks
        while b"\n" not in head and len(head) <= MAX_RECORD_BYTES and (chunk := next(rest, b"")):
            head += chunk
        self._chunks = prepend(head, rest)
        return head


def is_known_encoding(name: str) -> bool:
    """Returns True if Python can decode the encoding, and programs use it for files."""
    try:
        b"text".decode(name, "ignore")  # raises LookupError if it is not an encoding of text
        codecs.getincrementaldecoder(name)
        return codecs.lookup(name).name.replace("_", "-") not in _UNSUPPORTED_ENCODINGS
    except (LookupError, ValueError):
        return False


def encoder(encoding: str) -> Callable[[str], bytes]:
    """Returns a function that encodes the parts of a file in their order.

    `encoding` is that of a Source. Some encodings write a byte order mark before the first part. In
    UTF-8, lone surrogates become the bytes that they represent (PEP 383). In other encodings,
    characters that the encoding lacks become backslash escapes.
    """
    errors = "surrogateescape" if encoding in _UTF_8 else "backslashreplace"
    return codecs.getincrementalencoder(encoding)(errors).encode


def _encoding(head: bytes, chosen: str | None) -> tuple[bytes, str, str]:
    """Returns the byte order mark, the encoding, and the encoding of the text after the mark.

    Raises Invalid if the mark contradicts the chosen encoding.
    """
    name = codecs.lookup(chosen).name.replace("_", "-") if chosen else None
    for mark, marked, codec in _MARKS:
        if head.startswith(mark):
            if name and _family(name) != _family(marked):
                raise _invalid_file(
                    "wrong_encoding",
                    f"begins with the byte order mark of {_family(marked).upper()}, so it isn't in "
                    f"{chosen}",
                    Remedy("encoding", None),
                )
            return mark, marked, codec
    return b"", name or "utf-8", name or "utf-8"


def _line_ends(text: str) -> int:
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def _family(encoding: str) -> str:
    return "-".join(encoding.split("-")[:2])


def _reject_other_formats(head: bytes, *, may_have_nul: bool) -> None:
    """Raises Invalid if the first bytes show that the file is not text."""
    for start, name, remedy in _FORMATS:
        if head.startswith(start):
            raise _invalid_file("not_text", f"is {name}. {remedy}")
    if _MARKUP.match(head):
        raise _invalid_file("not_text", f"is HTML or XML. {_SAVE}")
    first = head.split(b"\n", 1)[0][:MAX_RECORD_BYTES]
    if not may_have_nul and b"\0" in first:
        for name, nuls, others in (
            ("utf-16-le", first[1::2], first[::2]),
            ("utf-16-be", first[::2], first[1::2]),
        ):
            if b"\0" not in others and nuls.count(b"\0") > len(nuls) // 2:
                raise _invalid_file(
                    "wrong_encoding",
                    "seems to be UTF-16 without a byte order mark",
                    Remedy("encoding", name),
                )
        raise _invalid_file(
            "not_text", "is binary, not text: its first line contains NUL. Save it as CSV"
        )


def _has_cr_line_ends(head: bytes) -> bool:
    """Returns True if the first line ends with CR alone, as in files of old Macintosh programs."""
    line = _QUOTED.sub(b"", head.split(b"\n", 1)[0] + b"\n")
    return _LONE_CR.search(line) is not None


def _replace_cr(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yields the chunks with LF in place of CR alone. Offsets remain the same."""
    carried = b""
    for chunk in chunks:
        chunk, carried = carried + chunk, b""
        if chunk.endswith(b"\r"):  # the next chunk may begin with LF
            chunk, carried = chunk[:-1], b"\r"
        yield from split_chunks(_LONE_CR.sub(b"\n", chunk))
    if carried:
        yield b"\n"


def _invalid_file(code: str, detail: str, *remedies: Remedy) -> Invalid:
    return Invalid([Violation("the file", SolvableProblem(code, detail, remedies))])
