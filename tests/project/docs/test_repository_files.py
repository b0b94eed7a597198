"""The files that newcomers look for exist, and agree with the project's metadata."""

import re
import subprocess
import tomllib
from importlib.metadata import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
SECTIONS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]


def test_the_distribution_has_a_license() -> None:
    assert metadata("roster-directory")["License-Expression"] == "MIT"
    assert metadata("roster-directory")["License-File"] == "LICENSE"
    assert (ROOT / "LICENSE").read_text().startswith("MIT License\n")


def test_every_installation_names_the_distribution_of_roster() -> None:
    """`roster` on PyPI is another project."""
    named = re.compile(r"(?:pipx?|uv tool) install (?:-\S+ )*'?(?:\S*/)?(roster[\w-]*)")
    texts = [*ROOT.glob("*.md"), *ROOT.glob("*.py"), *(ROOT / "docs").rglob("*.*")]
    for package in ("adapters", "entrypoints"):
        texts += (ROOT / package).rglob("*.py")
    found = {
        name.replace("_", "-").rstrip("-")
        for path in texts
        for name in named.findall(path.read_text(encoding="utf-8", errors="ignore"))
    }
    assert found == {PROJECT["name"]}


def test_the_changelog_has_an_unreleased_section_and_dated_releases() -> None:
    titles = re.findall(r"^## (.*)", CHANGELOG, re.MULTILINE)
    assert titles[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", each) for each in titles[1:])


@pytest.mark.parametrize("release", CHANGELOG.split("\n## ")[1:], ids=lambda text: text[:12])
def test_a_release_has_the_sections_of_the_format(release: str) -> None:
    sections = re.findall(r"^### (.*)", release, re.MULTILINE)
    assert sections == [each for each in SECTIONS if each in sections]


def test_the_hooks_run_programs_that_are_installed() -> None:
    config = (ROOT / ".pre-commit-config.yaml").read_text()
    programs = re.findall(r"entry: (\S+)", config)
    assert programs
    assert all((ROOT / program).is_file() for program in programs)


@pytest.mark.parametrize("name", ["roster.db", "roster.db.keys.json", "roster-mail/1.eml"])
def test_git_ignores_the_files_that_a_started_service_writes(name: str) -> None:
    """They have personal data, private keys and links that set passwords."""
    done = subprocess.run(["git", "check-ignore", "--quiet", name], cwd=ROOT)
    assert done.returncode == 0
