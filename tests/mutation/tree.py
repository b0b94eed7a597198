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
    """Copies the files that Git knows or would add, and links the virtual environment."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    with TemporaryDirectory(prefix="roster-mutation-") as name:
        tree = Path(name)
        for path in filter(None, listed.split("\0")):
            if (root / path).exists():  # else it is deleted, but not in the index yet
                (tree / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / path, tree / path)
        (tree / ".venv").symlink_to(root / ".venv")
        yield tree


@contextmanager
def changed_file(path: Path, source: bytes) -> Iterator[None]:
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
    """Makes this process and its children import the project from the copy."""
    os.chdir(tree)
    inside = [path for path in sys.path if not Path(path or root).resolve().is_relative_to(root)]
    packages = [path for path in sys.path if str(root / ".venv") in path]
    sys.path[:] = [str(tree), *inside, *packages]
    os.environ["PYTHONPATH"] = str(tree)
