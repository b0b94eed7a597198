"""The source follows the import rules in pyproject.toml, and each rule fails when broken."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("domain", "application", "adapters", "entrypoints", "migrations")
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
]

BREACHES = [
    ("layers", "domain/users.py", "import application.search"),
    ("layers", "application/search.py", "import adapters.jsonapi"),
    ("layers", "adapters/web/health.py", "import entrypoints.settings"),
    ("adapters", "adapters/jsonapi/content_negotiation.py", "import adapters.web.request_body"),
    ("adapters", "adapters/sql/search.py", "import adapters.memory.search"),
    ("adapters", "adapters/tokens/verifier.py", "import adapters.web.bearer"),
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


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages and their rules."""
    directory = tmp_path_factory.mktemp("architecture")
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, directory / package, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", directory)
    return directory


def lint(directory: Path) -> subprocess.CompletedProcess[str]:
    # `python -c` imports the packages in the current directory before any installed ones.
    run = "import sys; from importlinter.cli import lint_imports_command as lint; lint()"
    command = [sys.executable, "-c", run, "--no-cache"]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)


def test_the_source_breaks_no_rule(copy: Path) -> None:
    result = lint(copy)
    assert result.returncode == 0, result.stdout
    assert result.stdout.count("KEPT") == len(CONTRACTS)


@pytest.fixture(scope="session")
def report(copy: Path) -> dict[str, str]:
    """The linter's report about each contract if the source has all breaches."""
    before = {file: (copy / file).read_text() for _, file, _ in BREACHES if (copy / file).exists()}
    for _, file, line in BREACHES:
        (copy / file).parent.mkdir(exist_ok=True)
        with (copy / file).open("a") as module:
            module.write(f"\n{line}\n")
    result = lint(copy)
    for _, file, _ in BREACHES:
        if file in before:
            (copy / file).write_text(before[file])
        else:
            shutil.rmtree((copy / file).parent)
    assert result.returncode == 1
    details = result.stdout.split("\nBroken contracts\n")[1]
    parts = re.split(r"\n(\S.*)\n-{3,}\n", details)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


@pytest.mark.parametrize(("contract", "file", "line"), BREACHES)
def test_a_breach_is_reported(report: dict[str, str], contract: str, file: str, line: str) -> None:
    (name,) = (each["name"] for each in CONTRACTS if each["id"] == contract)
    module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    imported = f" -> {line.removeprefix('import ')} (l."
    new_package = file == "adapters/attic/__init__.py"
    assert f"- {module}{'' if new_package else imported}" in re.sub("- +", "- ", report[name])


def test_every_rule_has_a_breach() -> None:
    assert {each["id"] for each in CONTRACTS} == {contract for contract, _, _ in BREACHES}


def test_the_core_imports_the_standard_library_and_email_validator_only() -> None:
    graph = grimp.build_graph("domain", "application", include_external_packages=True)
    core = {m for m in graph.modules if m.partition(".")[0] in ("domain", "application")}
    outside = graph.modules - core - set(sys.stdlib_module_names)
    assert outside == {"email_validator"}


# Only the modules of a resource may import it.
MODULES_OF_RESOURCES = {
    "domain.groups",
    "application.groups",
    "adapters.resources.groups",
    "adapters.sql.groups",
    "domain.users",
    "application.users",
    "adapters.resources.users",
    "adapters.sql.users",
    "adapters.sql.email_keys",
}

MODULES_OF_ACCOUNTS = (
    "domain.accounts",
    "domain.passwords",
    "application.accounts",
    "adapters.accounts",
    "adapters.oauth",
    "adapters.mail",
    "adapters.resources.accounts",
    "adapters.sql.account_reader",
    "adapters.sql.account_tables",
    "adapters.sql.accounts",
    "adapters.sql.counters",
    "adapters.sql.emailed_links",
    "adapters.sql.outbox",
    "adapters.sql.sessions",
)
"""Modules and packages that may import users, because accounts are those of users."""


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
        for module in modules - MODULES_OF_RESOURCES
        if not any(
            module == each or module.startswith(f"{each}.")
            for each in (*covered, *MODULES_OF_ACCOUNTS)
        )
        and "." in module
    }
    assert missing == {
        "adapters.deadline_sockets",
        "adapters.https_client",
        "adapters.resources",
        "adapters.sql",
        "adapters.strict_json",
    }
    assert set(contract["forbidden_modules"]) == MODULES_OF_RESOURCES
