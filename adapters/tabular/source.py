"""The text of a file that people have: its encoding and its line ends are recognised.

Whatever the file has, its chunks are UTF-8 without a byte order mark, with LF or CRLF line ends.
"""

import codecs
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from adapters.tabular.lines import LONGEST, in_parts
from domain.errors import Invalid, Problem, Violation

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig", "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32", "utf-32-le"),  # its mark begins with that of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32", "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16", "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16", "utf-16-be"),
)
"""Byte order marks, the encoding that writes one, and the encoding of what follows."""
_UTF_8: Final = frozenset({"utf-8", "utf-8-sig"})
_NOT_OF_FILES: Final = frozenset(
    {"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape", "utf-7"}
)
"""Encodings of Python that no program uses for files. Some take time that grows with the square."""

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
    """The text of a file. Raises Invalid if it is not text in the encoding.

    `encoding` is the name of the encoding, for files that must have the same. `head` is the
    beginning in UTF-8: the first line, unless it is longer than LONGEST bytes. `offset` is the
    offset of the first byte of the text.
    """

    def __init__(self, file: BinaryIO, encoding: str | None = None) -> None:
        self._read: Callable[[int], bytes] = getattr(file, "read1", file.read)
        head = self._first_line()
        mark, self.encoding, self._codec = _encoding(head, encoding)
        _refuse_other_formats(head, encoded=self.encoding not in _UTF_8)
        self.offset = len(mark)
        if self.encoding in _UTF_8:
            self._chunks = self._raw(head[len(mark) :])
            self.head = head[len(mark) :]
        else:
            self._chunks = self._decoded(head[len(mark) :])
            self.head = self._pull_line()
        if _has_cr_alone(self.head):
            self._chunks = _with_lf(self._chunks)
            self.head = _LONE_CR.sub(b"\n", self.head)

    def __iter__(self) -> Iterator[bytes]:
        """The text in chunks of at most LONGEST bytes, once."""
        return self._chunks

    def _first_line(self) -> bytes:
        head = b""
        while len(head) <= LONGEST and (b"\n" not in head or len(head) < len(codecs.BOM_UTF32_LE)):
            if not (chunk := self._read(LONGEST)):
                break
            head += chunk
        return head

    def _raw(self, head: bytes) -> Iterator[bytes]:
        yield from in_parts(head)
        while chunk := self._read(LONGEST):
            yield chunk

    def _decoded(self, head: bytes) -> Iterator[bytes]:
        """The text in UTF-8. Raises Invalid at the first bytes that are not in the encoding."""
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
            yield from in_parts(text.encode("utf-8", "surrogatepass"))
            if not chunk:
                return
            chunk = self._read(LONGEST)

    def _undecodable(self, error: UnicodeError, start: int, line: int) -> Invalid:
        byte = "its text"
        if isinstance(error, UnicodeDecodeError):
            line += _line_ends(error.object[: error.start].decode(self._codec, "ignore"))
            byte = f"byte 0x{error.object[error.start]:02x} at offset {start + error.start}"
        return _refusal(
            "wrong_encoding",
            f"isn't text in {self.encoding}: {byte} (line {line}) can't be decoded. "
            "Name the encoding of the file with --encoding, such as utf-8 or windows-1252",
        )

    def _pull_line(self) -> bytes:
        """The first line of the chunks, which still come all."""
        head, rest = b"", self._chunks
        while b"\n" not in head and len(head) <= LONGEST and (chunk := next(rest, b"")):
            head += chunk
        self._chunks = _followed(head, rest)
        return head


def known_encoding(name: str) -> bool:
    """Whether Python can decode text in the encoding, and programs use it for files."""
    try:
        b"text".decode(name, "ignore")  # raises LookupError if it is not an encoding of text
        codecs.getincrementaldecoder(name)
        return codecs.lookup(name).name.replace("_", "-") not in _NOT_OF_FILES
    except (LookupError, ValueError):
        return False


def encoder(encoding: str) -> Callable[[str], bytes]:
    """Encodes the parts of a file that has the encoding of a source. The first may get a mark.

    Lone surrogates become the bytes that they stand for. Characters that the encoding lacks are
    written as escapes.
    """
    errors = "surrogateescape" if encoding in _UTF_8 else "backslashreplace"
    return codecs.getincrementalencoder(encoding)(errors).encode


def _encoding(head: bytes, chosen: str | None) -> tuple[bytes, str, str]:
    """The byte order mark, the encoding, and the encoding of what follows the mark.

    Raises Invalid if the mark contradicts the choice.
    """
    name = codecs.lookup(chosen).name.replace("_", "-") if chosen else None
    for mark, marked, codec in _MARKS:
        if head.startswith(mark):
            if name and _family(name) != _family(marked):
                raise _refusal(
                    "wrong_encoding",
                    f"begins with the byte order mark of {_family(marked).upper()}, so it isn't in "
                    f"{chosen}. Omit --encoding",
                )
            return mark, marked, codec
    return b"", name or "utf-8", name or "utf-8"


def _line_ends(text: str) -> int:
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def _family(encoding: str) -> str:
    return "-".join(encoding.split("-")[:2])


def _refuse_other_formats(head: bytes, *, encoded: bool) -> None:
    """Raises Invalid if the file is of a format that is not read. `encoded`: it may have NULs."""
    for start, name, remedy in _FORMATS:
        if head.startswith(start):
            raise _refusal("not_text", f"is {name}. {remedy}")
    if _MARKUP.match(head):
        raise _refusal("not_text", f"is HTML or XML. {_SAVE}")
    first = head.split(b"\n", 1)[0][:LONGEST]
    if not encoded and b"\0" in first:
        for name, nuls, others in (
            ("utf-16-le", first[1::2], first[::2]),
            ("utf-16-be", first[::2], first[1::2]),
        ):
            if b"\0" not in others and nuls.count(b"\0") > len(nuls) // 2:
                raise _refusal(
                    "wrong_encoding",
                    f"seems to be UTF-16 without a byte order mark. Try --encoding {name}",
                )
        raise _refusal(
            "not_text", "is binary, not text: its first line contains NUL. Save it as CSV"
        )


def _has_cr_alone(head: bytes) -> bool:
    """Whether the first line ends with CR, as on Macintosh, and not with LF or CRLF."""
    line = _QUOTED.sub(b"", head.split(b"\n", 1)[0] + b"\n")
    return _LONE_CR.search(line) is not None


def _with_lf(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks with LF instead of CR alone. Their size stays, so offsets do, too."""
    carried = b""
    for chunk in chunks:
        chunk, carried = carried + chunk, b""
        if chunk.endswith(b"\r"):  # the next chunk may begin with LF
            chunk, carried = chunk[:-1], b"\r"
        yield from in_parts(_LONE_CR.sub(b"\n", chunk))
    if carried:
        yield b"\n"


def _followed(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield from in_parts(head)
    yield from rest


def _refusal(code: str, detail: str) -> Invalid:
    return Invalid([Violation("the file", Problem(code, detail))])
