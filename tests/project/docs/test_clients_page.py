"""docs/clients.md shows the programs that the tests of the clients run."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "clients.md").read_text()
CLIENTS = ROOT / "tests" / "system" / "clients"
SHOWN = [
    *(path for path in CLIENTS.glob("*.mjs") if "export default" in path.read_text()),
    *CLIENTS.glob("with_*.py"),
    *CLIENTS.glob("generated/users.*"),
]


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: path.name)
def test_the_page_shows_the_program_of_a_client(path: Path) -> None:
    assert f"```{_language(path)}\n{path.read_text()}```\n" in PAGE


def _language(path: Path) -> str:
    return {".mjs": "js", ".py": "python", ".ts": "ts"}[path.suffix]


PACKAGES = {
    "Kitsu": "kitsu",
    "Orbit": "@orbit/jsonapi",
    "Devour": "devour-client",
    "Spraypaint": "spraypaint",
    "React-admin": "ra-jsonapi-client",
    "AngularJS": "angular",
    "jsonapi-client": "jsonapi-client",
    "jsonapi-requests": "jsonapi-requests",
    "openapi-typescript": "openapi-typescript",
    "openapi-python-client": "openapi-python-client",
}


def test_every_client_is_in_the_table_with_its_version() -> None:
    versions: dict[str, str] = json.loads((CLIENTS / "package.json").read_text())["dependencies"]
    pinned = (CLIENTS / "requirements.txt").read_text()
    versions |= re.findall(r"^([\w-]+)==([\d.]+)", pinned, re.MULTILINE)
    table = [line for line in PAGE.splitlines() if line.startswith("| [")]
    assert len(table) == len(SHOWN) == len(PACKAGES)
    for row, (name, package) in zip(table, PACKAGES.items(), strict=True):
        assert row.startswith(f"| [{name}")
        (version,) = re.findall(r"^[^|]*\|[^|]*?(\d+(?:\.\d+)?)", row)
        assert f"{versions[package]}.".startswith(f"{version}."), row
