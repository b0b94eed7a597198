"""Packages that hide or replace Roster's packages are reported in one line with a remedy."""

import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("domain", "application", "adapters", "entrypoints", "migrations")
Roster = Callable[..., subprocess.CompletedProcess[str]]


def package(path: Path, text: str = "raise SystemExit('foreign code ran')") -> None:
    """A foreign package."""
    path.mkdir(parents=True)
    (path / "__init__.py").write_text(text)


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_in_pythonpath_is_reported(roster: Roster, tmp_path: Path, name: str) -> None:
    package(tmp_path / name)
    result = roster("--help", PYTHONPATH=".")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"Error: {tmp_path / name} hides Roster's package in {ROOT / name}. "
        f"Unset PYTHONPATH, or remove {tmp_path} from it\n"
    )


def test_a_module_in_pythonpath_is_reported(roster: Roster, tmp_path: Path) -> None:
    (tmp_path / "domain.py").write_text("raise SystemExit('foreign code ran')")
    result = roster("--help", PYTHONPATH=str(tmp_path))
    assert result.returncode == 1
    assert result.stderr.startswith(f"Error: {tmp_path / 'domain.py'} hides Roster's package")
    assert result.stderr.count("\n") == 1


def test_directories_that_are_not_packages_hide_nothing(roster: Roster, tmp_path: Path) -> None:
    for name in PACKAGES:
        (tmp_path / name).mkdir()
    result = roster("--help", PYTHONPATH=".")
    assert (result.returncode, result.stderr) == (0, "")


def run_installed(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the command from that installation, with the libraries of this environment.

    -P and -S keep the checkout and its editable installation out.
    """
    paths = [str(installed), sysconfig.get_path("purelib")]
    script = f"import sys; sys.path[:0] = {paths!r}; from roster_command import main; main()"
    return subprocess.run(
        [sys.executable, "-P", "-S", "-c", script, *arguments],
        cwd=installed.parent,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_an_installation_of_its_own_runs(installed: Path) -> None:
    result = run_installed(installed, "users", "--help")
    assert (result.returncode, result.stderr) == (0, "")


def test_another_directory_of_the_environment_is_reported(installed: Path) -> None:
    elsewhere = installed.parent / "elsewhere"
    package(elsewhere / "adapters")
    paths = [str(elsewhere), str(installed)]
    script = f"import sys; sys.path[:0] = {paths!r}; from roster_command import main; main()"
    command = [sys.executable, "-P", "-S", "-c", script]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 1
    assert result.stderr == (
        f"Error: {elsewhere / 'adapters'} hides Roster's package in {installed / 'adapters'}. "
        "To avoid this, install Roster in an environment of its own: "
        "pipx install roster-directory\n"
    )


def test_an_interrupt_while_modules_are_imported_ends_the_command(installed: Path) -> None:
    (installed / "domain" / "users.py").write_text("import signal; signal.raise_signal(2)")
    result = run_installed(installed, "users", "list")
    assert (result.returncode, result.stdout, result.stderr) == (1, "", "Aborted!\n")


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("class User: ...", ["--help"]),  # ImportError: cannot import name
        ("class User: ...", ["users", "list"]),
        ("class User: ...", ["db", "upgrade"]),
        ("import no_such_module", ["--help"]),
        ("class User:\n    id: int\n\nUser.email", ["users", "list"]),  # AttributeError
        ("raise RuntimeError('first line\\nsecond line')", ["--help"]),
        ("def broken(:", ["--help"]),  # SyntaxError
    ],
)
def test_a_replaced_module_is_reported(installed: Path, text: str, command: list[str]) -> None:
    (installed / "domain" / "users.py").write_text(text)
    result = run_installed(installed, *command)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: Roster cannot be imported (")
    assert result.stderr.endswith("pipx install roster-directory\n")
    assert result.stderr.count("\n") == 1


def test_the_traceback_of_a_failed_import_is_shown_on_request(installed: Path) -> None:
    (installed / "domain" / "errors.py").write_text("")
    result = run_installed(installed, "--traceback", "db", "current")
    assert result.returncode == 1
    assert result.stderr.startswith("Traceback")


@pytest.mark.parametrize("missing", ["users.py", "__init__.py", "errors.py"])
def test_a_missing_file_is_reported(installed: Path, missing: str) -> None:
    (installed / "domain" / missing).unlink()
    result = run_installed(installed, "--help")
    assert (result.returncode, result.stdout) == (1, "")
    assert "is missing or belongs to another package." in result.stderr
    assert result.stderr.count("\n") == 1
