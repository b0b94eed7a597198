"""The README tells every setting as it is."""

from dataclasses import fields
from pathlib import Path

import pytest

from entrypoints.settings import Settings

README = (Path(__file__).parents[2] / "README.md").read_text()


@pytest.mark.parametrize("told", [each.metadata for each in fields(Settings)])
def test_every_setting_is_in_the_readme(told: dict[str, str]) -> None:
    default = f"`{told['default']}`" if told["default"] else "none"
    assert f"| `{told['name']}` | {default} | {told['meaning']} |" in README
