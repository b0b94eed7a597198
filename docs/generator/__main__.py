"""python -m docs.generator: writes what is made out of the code.

With --check it only says what would change.
"""

import difflib
import sys
from pathlib import Path

from docs.generator import floor_plan, reference

DOCS = Path(__file__).parents[1]


def main(arguments: list[str]) -> int:
    """0, or 1 if a page was not as it would be written."""
    made = {DOCS / "reference.md": reference.page(), DOCS / "floor-plan.svg": floor_plan.picture()}
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
