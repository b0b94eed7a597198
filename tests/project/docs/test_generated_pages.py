"""The generated pages agree with the code."""

import re
import subprocess
import sys
from pathlib import Path

from docs.generator import package_diagram

ROOT = Path(__file__).parents[3]
DIAGRAM = (ROOT / "docs" / "packages.svg").read_text()


def test_the_generated_pages_are_up_to_date() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "docs.generator", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, f"run `make docs`: {checked.stdout}{checked.stderr}"


def test_the_diagram_has_an_arrow_for_each_import_between_packages() -> None:
    assert re.findall(r"<title>(\w+) imports (\w+)</title>", DIAGRAM) == package_diagram.imports()


def test_every_package_has_a_box_in_the_diagram() -> None:
    adapters = ROOT / "adapters"
    packages = {path.name for path in adapters.iterdir() if (path / "__init__.py").exists()}
    packages |= {path.stem for path in adapters.glob("*.py") if path.stem != "__init__"}
    outside = {package for package in package_diagram.PACKAGES if package != "adapters"}
    assert packages | outside == package_diagram.BOXES.keys()


def test_the_boxes_do_not_overlap() -> None:
    boxes = list(package_diagram.BOXES.values())
    for number, one in enumerate(boxes):
        for other in boxes[number + 1 :]:
            apart_across = abs(one.x - other.x) * 2 >= one.width + other.width
            apart_down = abs(one.y - other.y) * 2 >= one.height + other.height
            assert apart_across or apart_down, (one, other)


def test_the_reference_explains_each_error_beyond_a_limit() -> None:
    limits = (ROOT / "docs" / "limits.md").read_text()
    codes = set(re.findall(r"\| `(\w+)` \|$", limits, re.MULTILINE))
    explained = (ROOT / "docs" / "reference.md").read_text() + (
        ROOT / "docs" / "bulk.md"
    ).read_text()
    assert codes
    assert {code for code in codes if f"`{code}`" not in explained} == set()
