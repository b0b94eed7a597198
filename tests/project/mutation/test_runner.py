"""`make mutation` runs tests against the changed code, and reports how they ended."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mutation.tree import copied_tree, mutated_file

ROOT = Path(__file__).parents[3]
# pytest of this process and pytest in its fork would wait for each other.
RUN = """
import sys
from pathlib import Path
from mutation.runner import Runner

root, tree, seconds, *tests = sys.argv[1:]
run = Runner(Path(root), Path(tree)).run(tests, float(seconds))
print(run.result.value, run.test)
"""
RUN_RANKED = RUN.replace(
    ".run(tests, float(seconds))", ".run_ranked(['test_a.py'], tests.index, float(seconds), 60)"
)
TESTS = """
import signal

def test_passes():
    pass

def test_fails():
    assert False

def test_never_ends():
    signal.pause()
"""


def run(
    tree: Path, *tests: str, seconds: float = 60, script: str = RUN, start: tuple[str, ...] = ()
) -> str:
    """Runs tests of a tree in another process. Returns the result and the test that led to it."""
    command = [sys.executable, "-c", script, str(ROOT), str(tree), str(seconds), *tests]
    return subprocess.run(
        [*start, *command],
        env=os.environ | {"PYTHONPATH": str(ROOT / "tests")},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()[-1]


@pytest.fixture
def functions(tmp_path: Path) -> list[str]:
    """The tests of a tree in the temporary directory."""
    (tmp_path / "test_a.py").write_text(TESTS)
    return [f"test_a.py::test_{name}" for name in ("passes", "fails", "never_ends")]


@pytest.fixture(scope="module")
def tree() -> Iterator[Path]:
    with copied_tree(ROOT) as copy:
        yield copy


def test_names_the_first_test_that_fails(functions: list[str], tmp_path: Path) -> None:
    passes, fails, never_ends = functions
    assert run(tmp_path, passes).strip() == "passed"
    assert run(tmp_path, passes, fails, never_ends) == f"failed {fails}"


def test_runs_the_tests_of_a_file_together(functions: list[str], tmp_path: Path) -> None:
    (tmp_path / "test_b.py").write_text(TESTS)
    passes, fails, _ = functions
    other = "test_b.py::test_fails"
    assert run(tmp_path, passes, other, fails) == f"failed {fails}"


@pytest.mark.slow
def test_names_the_test_that_does_not_end(functions: list[str], tmp_path: Path) -> None:
    passes, fails, never_ends = functions
    assert run(tmp_path, passes, never_ends, fails, seconds=3) == f"timed out {never_ends}"


def test_starts_no_test_when_the_time_is_up(functions: list[str], tmp_path: Path) -> None:
    assert run(tmp_path, *functions, seconds=0, script=RUN_RANKED).strip() == "passed"


@pytest.mark.parametrize("program", ["python", "roster"])
def test_programs_of_the_copy_run_its_code_in_an_empty_environment(
    tree: Path, program: str, tmp_path: Path
) -> None:
    arguments = ["-c", "from roster_command import main; main()"] if program == "python" else []
    command = [str(tree / ".venv" / "bin" / program), *arguments]
    with mutated_file(tree / "roster_command.py", b"def main(): print('changed')"):
        shown = subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, text=True)
    assert shown.stdout == "changed\n"


def test_tests_of_the_copy_use_its_code_and_its_programs(tree: Path) -> None:
    code = """
import subprocess
import roster_command
from roster_process import ROSTER

def test_uses_the_copy(request):
    assert roster_command.__file__ == str(request.config.rootpath / "roster_command.py")
    assert subprocess.check_output([ROSTER], env={}) == b"changed\\n"
"""
    (tree / "tests" / "test_copy.py").write_text(code)
    with mutated_file(tree / "roster_command.py", b"def main(): print('changed')"):
        shown = run(tree, "tests/test_copy.py::test_uses_the_copy")
    assert shown.strip() == "passed", (tree / "pytest.log").read_text()


def test_a_run_in_the_background_can_interrupt_programs(tree: Path) -> None:
    code = """
import subprocess, sys

def test_interrupt():
    script = "import os, signal; os.kill(os.getpid(), signal.SIGINT); signal.pause()"
    assert subprocess.run([sys.executable, "-c", script], timeout=30).returncode == -2
"""
    (tree / "tests" / "test_interrupt.py").write_text(code)
    ignoring = ("sh", "-c", 'trap "" INT && exec "$@"', "sh")
    shown = run(tree, "tests/test_interrupt.py::test_interrupt", start=ignoring)
    assert shown.strip() == "passed", (tree / "pytest.log").read_text()
