"""python -m docs.generator: writes the pages that are generated from the code.

With --check it only shows the differences.
"""

import difflib
import sys
from pathlib import Path

from docs.generator import package_diagram, reference, settings

DOCS = Path(__file__).parents[1]


def main(arguments: list[str]) -> int:
    """Returns 1 if a checked page is out of date, else 0."""
    made = {
        DOCS / "reference.md": reference.page(),
        DOCS / "settings.md": settings.page(),
        DOCS / "packages.svg": package_diagram.diagram(),
    }
    if "--check" in arguments:
        return int(sum(_differs(path, text) for path, text in made.items()) > 0)
    for path, text in made.items():
        path.write_text(text)
    return 0


def _differs(path: Path, text: str) -> bool:
    stands = path.read_text() if path.exists() else ""
    lines = difflib.unified_diff(
        stands.splitlines(), text.splitlines(), path.name, "as `make docs` writes it", "", "", 1, ""
    )
    shown = "\n".join(lines)
    sys.stdout.write(f"{shown}\n" if shown else "")
    return bool(shown)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
