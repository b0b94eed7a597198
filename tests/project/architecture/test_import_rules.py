"""The rules in pyproject.toml hold, and each of them would notice if it were broken."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("domain", "application", "adapters", "entrypoints", "migrations")
LINT = Path(sys.executable).with_name("lint-imports")
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
]

BREACHES = [
    ("layers", "domain/users.py", "import application.search"),
    ("layers", "application/search.py", "import adapters.jsonapi"),
    ("layers", "adapters/web/health.py", "import entrypoints.settings"),
    ("adapters", "adapters/jsonapi/content_negotiation.py", "import adapters.web.request_body"),
    ("adapters", "adapters/sql/search.py", "import adapters.memory.search"),
    ("adapters", "adapters/tokens/tokens.py", "import adapters.web.bearer"),
    ("adapters", "adapters/web/bearer.py", "import adapters.tokens.keys"),
    ("adapters", "adapters/resources/users.py", "import adapters.api.root"),
    ("adapters", "adapters/tabular/csv.py", "import adapters.jsonapi.resource"),
    ("adapters", "adapters/strict_json.py", "import adapters.jsonapi.errors"),
    ("adapters", "adapters/https_client.py", "import adapters.tokens.keys"),
    ("adapters", "adapters/attic/__init__.py", "import domain.text"),
    ("core", "domain/users.py", "import sqlalchemy"),
    ("core", "application/users.py", "import flask"),
    ("format", "adapters/jsonapi/errors.py", "import flask"),
    ("generic", "adapters/jsonapi/documents.py", "import domain.users"),
    ("generic", "adapters/sql/repository.py", "import application.users"),
    ("generic", "adapters/memory/store.py", "import domain.users"),
    ("generic", "adapters/api/collection.py", "import adapters.resources.users"),
    ("generic", "application/commands.py", "import application.users"),
    ("generic", "entrypoints/container.py", "import adapters.sql.users"),
    ("resources", "adapters/resources/users.py", "import flask"),
    ("flask", "entrypoints/serve.py", "import flask"),
    ("sqlalchemy", "entrypoints/serve.py", "import sqlalchemy"),
    ("container", "entrypoints/wsgi.py", "import dependency_injector"),
    ("schemas", "adapters/jsonapi/documents.py", "import marshmallow_jsonapi"),
    ("addresses", "domain/users.py", "import email_validator"),
]


def lint(directory: Path) -> subprocess.CompletedProcess[str]:
    # What `-c` runs finds the packages in the current directory before any installed ones.
    run = "import sys; from importlinter.cli import lint_imports_command as lint; lint()"
    command = [sys.executable, "-c", run, "--no-cache"]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("architecture")
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, copy / package, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


def test_every_rule_is_kept(pristine: Path) -> None:
    result = lint(pristine)
    assert result.returncode == 0, result.stdout
    assert result.stdout.count("KEPT") == len(CONTRACTS)


@pytest.mark.parametrize(("contract", "file", "line"), BREACHES)
def test_a_breach_is_found_and_named(pristine: Path, contract: str, file: str, line: str) -> None:
    name = next(each["name"] for each in CONTRACTS if each["id"] == contract)
    target = pristine / file
    before = target.read_text() if target.exists() else None
    target.parent.mkdir(exist_ok=True)
    target.write_text(f"{before or ''}\n{line}\n")
    try:
        result = lint(pristine)
    finally:
        if before is None:
            shutil.rmtree(target.parent)
        else:
            target.write_text(before)
    assert result.returncode == 1
    assert f"{name} BROKEN" in result.stdout


def test_every_rule_has_a_breach_that_tries_it() -> None:
    assert {each["id"] for each in CONTRACTS} == {contract for contract, _, _ in BREACHES}


def test_the_core_imports_the_standard_library_and_the_judge_of_addresses_only() -> None:
    graph = grimp.build_graph("domain", "application", include_external_packages=True)
    core = {m for m in graph.modules if m.partition(".")[0] in ("domain", "application")}
    outside = graph.modules - core - set(sys.stdlib_module_names)
    assert outside == {"email_validator"}


# The modules that may know a resource: those of users.
OF_USERS = {
    "domain.users",
    "application.users",
    "adapters.resources.users",
    "adapters.sql.users",
    "adapters.sql.email_keys",
}


def test_the_generic_contract_covers_every_module_that_is_not_of_a_resource() -> None:
    (contract,) = (each for each in CONTRACTS if each["id"] == "generic")
    covered = tuple(contract["source_modules"])
    modules = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for package in ("domain", "application", "adapters")
        for file in (ROOT / package).rglob("*.py")
    }
    missing = {
        module
        for module in modules - OF_USERS
        if not any(module == each or module.startswith(f"{each}.") for each in covered)
        and "." in module
    }
    assert missing == {
        "adapters.https_client",
        "adapters.resources",
        "adapters.sql",
        "adapters.strict_json",
    }
    assert set(contract["forbidden_modules"]) == OF_USERS
