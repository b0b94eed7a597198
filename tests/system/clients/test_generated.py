"""Clients are generated from /openapi.json, compiled, and used with a real server."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.clients

HERE = Path(__file__).parent
NPM = HERE / "node_modules" / ".bin"
Run = Callable[..., str]


@pytest.mark.parametrize("program", ["users.ts", "list_and_form.ts"])
def test_a_generated_typescript_client_compiles_and_works(
    run: Run, base_url: str, tmp_path: Path, program: str
) -> None:
    for name in (program, "tsconfig.json", "package.json"):
        shutil.copy(HERE / "generated" / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(HERE / "node_modules")
    types = ("--default-non-nullable=false", "-o", tmp_path / "schema.d.ts")
    run("node", NPM / "openapi-typescript", f"{base_url}/openapi.json", *types)
    run("node", NPM / "tsc", "-p", tmp_path)
    assert "all done" in run("node", tmp_path / program, base_url)


def test_the_typescript_program_of_a_list_and_a_form_has_no_assertions() -> None:
    program = (HERE / "generated" / "list_and_form.ts").read_text()
    code = re.sub(r"//.*|'[^']*'|`[^`]*`", "", program)
    assert not re.search(r"\bas\b|[\w)\]]!|\bany\b|<[A-Z]\w*>[\w(]|@ts-", code)


def test_a_generated_python_client_works(run: Run, base_url: str, tmp_path: Path) -> None:
    output = ("--meta", "none", "--output-path", tmp_path / "roster_client", "--fail-on-warning")
    run("openapi-python-client", "generate", "--url", f"{base_url}/openapi.json", *output)
    shutil.copy(HERE / "generated" / "users.py", tmp_path)
    assert "all done" in run("python", tmp_path / "users.py", base_url)
