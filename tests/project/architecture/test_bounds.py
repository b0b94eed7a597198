"""Packages of which Roster uses more than the public interface have an upper bound."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
REQUIRED = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]


@pytest.mark.parametrize(
    "name",
    ["flask", "granian", "prometheus-client", "pymysql", "sqlalchemy", "throttled-py", "werkzeug"],
)
def test_the_package_has_an_upper_bound(name: str) -> None:
    (found,) = [each for each in REQUIRED if re.match(rf"{name}\b(?!-)", each)]
    assert re.search(r",<\d", found)
