"""A copy of the project in which one file at a time is mutated."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import cache_from_source
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def copied_tree(root: Path) -> Iterator[Path]:
    """Copies the files that Git knows or would add, with a virtual environment of its own."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    with TemporaryDirectory(prefix="roster-mutation-") as name:
        tree = Path(name)
        for path in filter(None, listed.split("\0")):
            if (root / path).exists():  # else it is deleted, but not in the index yet
                (tree / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / path, tree / path)
        _add_environment(tree, root / ".venv")
        yield tree


def _add_environment(tree: Path, environment: Path) -> None:
    """Adds a virtual environment whose programs import the project from the copy.

    It has the libraries of the other environment, but not its editable installation. Python does
    not read the .pth files of a directory that a .pth file adds.
    """
    (libraries,) = (environment / "lib").glob("python*/site-packages")
    own = tree / libraries.relative_to(environment.parent)
    own.mkdir(parents=True)
    (own / "copy.pth").write_text(f"{tree}\n{libraries}\n")
    shutil.copy2(environment / "pyvenv.cfg", tree / ".venv")
    programs = tree / ".venv" / "bin"
    programs.mkdir()
    for program in (environment / "bin").iterdir():
        (programs / program.name).symlink_to(program)
    roster = programs / "roster"
    text = roster.read_text().replace(str(environment), str(tree / ".venv"), 1)
    roster.unlink()
    roster.write_text(text)
    roster.chmod(0o755)


@contextmanager
def mutated_file(path: Path, source: bytes) -> Iterator[None]:
    """In the block, the file has another content. Its bytecode is always deleted.

    Bytecode counts as current if the size and the second of the change are the same.
    """
    original = path.read_bytes()
    try:
        _write(path, source)
        yield
    finally:
        _write(path, original)


def _write(path: Path, source: bytes) -> None:
    Path(cache_from_source(str(path))).unlink(missing_ok=True)
    path.write_bytes(source)


def use_tree(tree: Path, root: Path) -> None:
    """Makes this process and the programs that it starts import the project from the copy.

    The programs need no PYTHONPATH, because tests start some of them in an empty environment.
    """
    os.chdir(tree)
    inside = [path for path in sys.path if not Path(path or root).resolve().is_relative_to(root)]
    packages = [path for path in sys.path if str(root / ".venv") in path]
    sys.path[:] = [str(tree), *inside, *packages]
    sys.executable = str(tree / ".venv" / "bin" / "python")
    os.environ.pop("PYTHONPATH", None)
