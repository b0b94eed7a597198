"""Draws mutants at random, from each file in proportion to its size."""

from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from random import Random

from mutation.mutants import Mutant, mutants_of

_PACKAGES = ("domain", "application", "adapters")


def files_to_mutate(root: Path, patterns: list[str]) -> list[str]:
    """The modules that match a pattern, or all modules of the core and the adapters."""
    paths = sorted(
        str(path.relative_to(root)) for each in _PACKAGES for path in (root / each).rglob("*.py")
    )
    if not patterns:
        return paths
    return [path for path in paths if any(fnmatch(path, each) for each in patterns)]


def sample_mutants(root: Path, paths: list[str], seed: int) -> Iterator[Mutant]:
    """All mutants of the files in random order, at most one for each line.

    The same seed always draws the same mutants from the same files, and a longer sample starts with
    the shorter one.
    """
    random = Random(seed)
    waiting: dict[str, list[Mutant]] = {}
    sizes: dict[str, int] = {}
    for path in paths:
        source = (root / path).read_bytes()
        if mutants := mutants_of(path, source):
            random.shuffle(mutants)
            waiting[path], sizes[path] = mutants, len(source)
    lines: set[tuple[str, int]] = set()
    while waiting:
        (path,) = random.choices(list(waiting), [sizes[each] for each in waiting])
        mutant = waiting[path].pop()
        if not waiting[path]:
            del waiting[path]
        if (path, mutant.line) not in lines:
            lines.add((path, mutant.line))
            yield mutant
