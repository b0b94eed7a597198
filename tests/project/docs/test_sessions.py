"""The sessions of the documentation work as printed."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from project.docs.sessions import (
    ADDRESS,
    DOCS,
    ROOT,
    Step,
    normalized,
    run_in_one_shell,
    section,
    session,
)

from adapters.sql.schema import REVISION

PAGES = (
    "README",
    "docs/quickstart",
    "docs/command-line",
    "docs/search",
    "docs/pages",
    "docs/changes",
    "docs/history",
    "docs/groups",
    "docs/bulk",
    "docs/operations/databases",
    "docs/operations/backups",
    "docs/operations/monitoring",
)
RUN_ELSEWHERE = {
    "docs/access-control",  # test_installation.py
    "docs/clients",  # tests/system/clients/test_generated.py
    "docs/install",  # test_installation.py
}


@pytest.fixture
def shell(
    roster_program: Path, sqlite_url: str, tmp_path: Path
) -> Callable[[list[str]], list[tuple[str, str]]]:
    """Runs commands in a shell that finds `roster` and has an SQLite file as its database."""
    path = f"{roster_program.parent}:{os.environ['PATH']}"
    return lambda commands: run_in_one_shell(
        commands, tmp_path, PATH=path, ROSTER_DATABASE_URL=sqlite_url
    )


@pytest.mark.parametrize("page", PAGES)
def test_the_session_of_a_page_works_as_printed(
    page: str,
    shell: Callable[[list[str]], list[tuple[str, str]]],
    serve: Callable[[str], str],
    sqlite_url: str,
) -> None:
    steps = session((ROOT / f"{page}.md").read_text())
    assert steps
    base_url = ADDRESS
    if any(ADDRESS in step.command for step in steps):
        base_url = serve(sqlite_url)
    else:
        steps.insert(0, Step("roster db upgrade", REVISION))
    results = shell([step.command.replace(ADDRESS, base_url) for step in steps])
    for (command, printed), (output, status) in zip(steps, results, strict=True):
        assert normalized(output.replace(base_url, ADDRESS)) == normalized(printed), command
        assert (status == "0") == ("Error: " not in printed), command


def test_the_session_of_every_page_is_run() -> None:
    paths = [ROOT / "README.md", *DOCS.rglob("*.md")]
    with_session = [path for path in paths if "```console\n" in path.read_text()]
    pages = {str(path.relative_to(ROOT).with_suffix("")) for path in with_session}
    assert pages == {*PAGES, *RUN_ELSEWHERE}


def test_the_examples_of_the_quickstart_have_the_expected_status(
    serve: Callable[[str], str], sqlite_url: str
) -> None:
    table = section(DOCS / "quickstart.md", "The API by example")
    paths = re.findall(r"`(?:GET )?((?:/|\?)[^`]*)`", table)
    assert len(paths) == 23
    with httpx.Client(base_url=serve(sqlite_url)) as client:
        statuses = {
            path: client.get(path if path.startswith("/") else f"/api/v1/users{path}").status_code
            for path in paths
        }
    assert statuses == {path: 404 if "/7" in path else 200 for path in paths}
