"""Prepares the pages of the documentation site in build/site-source: `make docs-site`.

The site has the pages in docs/ and those at the top of the repository. Links between them are
rewritten. Links to files that the site does not have become plain text.
"""

import posixpath
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = {
    "README.md": "index.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "RELEASING.md": "RELEASING.md",
    "SECURITY.md": "SECURITY.md",
}
"""The path in the site of each page outside docs/."""
SOURCES: Final = ROOT / "build" / "site-source"
_EXCLUDED: Final = ("docs/generator/", "docs/prose/")
_LINK: Final = re.compile(r"(!?)\[([^][]*)\]\(([^()\s#]*)(#[^()\s]*)?\)")


def main() -> None:
    """Writes the sources of the site. Removes those of an earlier run."""
    shutil.rmtree(SOURCES, ignore_errors=True)
    names = subprocess.run(
        ["git", "ls-files", "docs"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    shown = [name for name in names if not name.startswith(_EXCLUDED) and not name.endswith(".py")]
    paths = PAGES | {name: name.removeprefix("docs/") for name in shown}
    for name, path in paths.items():
        target = SOURCES / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".md"):
            target.write_text(rewrite_links((ROOT / name).read_text(), name, paths))
        else:
            shutil.copy(ROOT / name, target)


def rewrite_links(text: str, source: str, paths: Mapping[str, str]) -> str:
    """Makes the links of a page lead to pages of the site.

    `source` is the path of the page in the repository, and `paths` has the path in the site of each
    file of the site. A link to any other file becomes the text of the link.
    """

    def rewrite(match: re.Match[str]) -> str:
        image, label, link, anchor = match[1], match[2], match[3], match[4] or ""
        if not link or ":" in link or link.startswith("/"):
            return match[0]
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link))
        if target not in paths:
            return label
        relative = posixpath.relpath(paths[target], posixpath.dirname(paths[source]) or ".")
        return f"{image}[{label}]({relative}{anchor})"

    return _LINK.sub(rewrite, text)


if __name__ == "__main__":
    main()
