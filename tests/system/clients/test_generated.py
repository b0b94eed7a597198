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


@pytest.mark.parametrize("program", ["users.ts", "list_and_form.ts", "groups.ts"])
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


@pytest.mark.parametrize("program", ["list_and_form.ts", "groups.ts"])
def test_a_typescript_program_has_no_type_assertions(program: str) -> None:
    code = re.sub(r"//.*|'[^']*'|`[^`]*`", "", (HERE / "generated" / program).read_text())
    assert not re.search(r"\bas\b|[\w)\]]!|\bany\b|<[A-Z]\w*>[\w(]|@ts-", code)


def test_a_generated_python_client_works(run: Run, base_url: str, tmp_path: Path) -> None:
    output = ("--meta", "none", "--output-path", tmp_path / "roster_client", "--fail-on-warning")
    run("openapi-python-client", "generate", "--url", f"{base_url}/openapi.json", *output)
    for program in ("users.py", "groups.py"):
        shutil.copy(HERE / "generated" / program, tmp_path)
        assert "all done" in run("python", tmp_path / program, base_url)
