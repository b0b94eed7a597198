"""python -m docs.prose [PATTERN ...]: checks the prose of the tracked files that match a pattern.

Without patterns it checks all of them; uncovered.txt lists those that may still have faults.
With --report it counts the faults of each file instead.
"""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from docs.prose.extract import SUFFIXES, prose_in
from docs.prose.faults import Fault, faults_of

_ROOT: Final = Path(__file__).parents[2]
_UNCOVERED: Final = Path("docs/prose/uncovered.txt")
# Quotations of JSON:API, the Contributor Covenant, pages that are generated from texts in the code,
# examples of faults.
_NOT_CHECKED: Final = re.compile(
    r"tests/http/conformance/spec/|CODE_OF_CONDUCT\.md|docs/(conformance|reference|settings)\.md|tests/project/docs/test_prose\.py|\.gitignore"
)


def main(arguments: list[str], root: Path = _ROOT) -> int:
    """Returns 1 if there is a fault, else 0."""
    faults = {str(path): _faults(root / path) for path in _tracked_files(root)}
    if arguments == ["--report"]:
        sys.stdout.writelines(f"{line}\n" for line in _report(faults))
        return 0
    lines = list(_lines(faults, arguments) if arguments else _lines_of_all(faults, root))
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return int(bool(lines))


def _lines(faults: dict[str, list[Fault]], patterns: list[str]) -> Iterator[str]:
    for path, found in faults.items():
        if any(fnmatch(path, pattern) for pattern in patterns):
            yield from (f"{path}:{each.line}: {each.message}" for each in found)


def _lines_of_all(faults: dict[str, list[Fault]], root: Path) -> Iterator[str]:
    """The faults of the covered files, and each pattern whose files have more than their limit."""
    lines = (root / _UNCOVERED).read_text().splitlines()
    limits = {line.split()[0]: int(line.split()[1]) for line in lines if line and line[0] != "#"}
    for pattern, limit in limits.items():
        matching = [path for path in faults if fnmatch(path, pattern)]
        count = sum(len(faults.pop(path)) for path in matching)
        if count > limit or not count:
            advice = f"run python -m docs.prose '{pattern}'" if count else "remove the line"
            yield f"{_UNCOVERED}: {pattern} has {count} of at most {limit} faults → {advice}"
    yield from _lines(faults, ["*"])


def _report(faults: dict[str, list[Fault]]) -> Iterator[str]:
    """The number of faults, in all and of each kind: of all files, then of each, the most first."""
    counts = {path: Counter(each.kind for each in found) for path, found in faults.items() if found}
    rows = sorted(counts.items(), key=lambda row: -row[1].total())
    yield "FAULTS WORDS LENGTH LINES VERBS"
    for path, count in [("all files", sum(counts.values(), Counter())), *rows]:
        numbers = count.total(), count["word"], count["length"], count["line"], count["verb"]
        yield "{:6} {:5} {:6} {:5} {:5}  {}".format(*numbers, path)


def _tracked_files(root: Path) -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=root, check=True, capture_output=True)
    names = listed.stdout.decode().splitlines()
    paths = (Path(name) for name in names if not _NOT_CHECKED.match(name))
    return [path for path in paths if path.suffix in SUFFIXES and (root / path).exists()]


def _faults(path: Path) -> list[Fault]:
    return [fault for prose in prose_in(path, path.read_text()) for fault in faults_of(prose)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
