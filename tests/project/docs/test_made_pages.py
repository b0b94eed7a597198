"""What is made out of the code is as the code stands."""

import re
import subprocess
import sys
from pathlib import Path

from docs.generator import floor_plan

ROOT = Path(__file__).parents[3]
PLAN = (ROOT / "docs" / "floor-plan.svg").read_text()


def test_the_pages_that_are_made_are_up_to_date() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "docs.generator", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, f"run `make docs`: {checked.stdout}{checked.stderr}"


def test_the_plan_has_an_arrow_for_each_import_between_rooms() -> None:
    assert re.findall(r"<title>(\w+) imports (\w+)</title>", PLAN) == floor_plan.imports()


def test_every_room_has_its_place_on_the_plan() -> None:
    adapters = ROOT / "adapters"
    rooms = {path.name for path in adapters.iterdir() if (path / "__init__.py").exists()}
    rooms |= {path.stem for path in adapters.glob("*.py") if path.stem != "__init__"}
    outside = {package for package in floor_plan.PACKAGES if package != "adapters"}
    assert rooms | outside == floor_plan.ROOMS.keys()


def test_no_two_rooms_overlap() -> None:
    rooms = list(floor_plan.ROOMS.values())
    for number, one in enumerate(rooms):
        for other in rooms[number + 1 :]:
            apart_across = abs(one.x - other.x) * 2 >= one.width + other.width
            apart_down = abs(one.y - other.y) * 2 >= one.height + other.height
            assert apart_across or apart_down, (one, other)
