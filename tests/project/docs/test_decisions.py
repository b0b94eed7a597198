"""Each decision record is in the index with its title and status."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DECISIONS = ROOT / "docs" / "decisions"
INDEX = (DECISIONS / "README.md").read_text()
RECORDS = sorted(path for path in DECISIONS.glob("*.md") if path.name != "README.md")
PACKAGES = ("domain", "application", "adapters", "entrypoints", "migrations", "bench")


def row_of(record: Path) -> list[str]:
    """The title, the status and the decision of a record in the index."""
    number = record.name[:4]
    rows = re.findall(rf"^\| \[{number}\]\({record.name}\) \| (.+) \|$", INDEX, re.MULTILINE)
    assert len(rows) == 1, f"add a row for {record.name} to docs/decisions/README.md"
    cells: list[str] = rows[0].split(" | ")
    return cells


def status_of(text: str) -> str:
    """The first part of the status, without dates and links to other records."""
    found = re.search(r"^Status: (.+)", text, re.MULTILINE)
    assert found, "the record has no line `Status: accepted (YYYY-MM-DD).`"
    plain = re.sub(r"\[(\d{4})\]\([^)]*\)", r"\1", found[1])
    plain = re.sub(r" \(\d{4}-\d\d-\d\d\)", "", plain)
    return re.split("[.;]", plain)[0]


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem)
def test_the_index_has_the_title_and_the_status_of_a_record(record: Path) -> None:
    text = record.read_text()
    title, status, decision = row_of(record)
    assert text.startswith(f"# {int(record.name[:4])}. {title}\n")
    assert status_of(text) == status
    assert re.fullmatch(
        r"accepted(, superseded in part by \d{4}( and \d{4})*)?|superseded by \d{4}", status
    )
    assert decision


def test_the_index_lists_the_records_in_order() -> None:
    listed = re.findall(r"^\| \[\d{4}\]\(([^)]+)\)", INDEX, re.MULTILINE)
    assert listed == [path.name for path in RECORDS]
    assert len({name[:4] for name in listed}) == len(listed)


def test_every_dependency_is_in_the_record_of_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    required = [*project["dependencies"], *(name for extra in extras for name in extra)]
    (record,) = DECISIONS.glob("0008-*.md")
    cells = re.findall(r"^\| ([^|]+) \|", record.read_text(), re.MULTILINE)
    listed = {name for cell in cells for name in cell.split(", ")}
    assert {re.split("[<>=~;\\[]", name)[0] for name in required} <= listed


def test_code_refers_to_existing_records() -> None:
    sources = [path for name in PACKAGES for path in (ROOT / name).rglob("*.py")]
    references = {
        name
        for path in sources
        for name in re.findall(r"docs/decisions/(\d{4}[\w.-]*)", path.read_text())
    }
    assert references
    assert {name.rstrip(".") for name in references} <= {path.name for path in RECORDS}
