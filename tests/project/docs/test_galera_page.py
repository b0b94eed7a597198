"""docs/operations/galera.md lists the settings that the tests on a cluster use."""

from pathlib import Path

import pytest
from galera.cluster import SETTINGS

from adapters.sql.dialects.mariadb import GALERA_VARIABLES

PAGE = (Path(__file__).parents[3] / "docs/operations/galera.md").read_text()


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_page_has_each_setting_of_the_nodes(setting: str) -> None:
    name, _, value = setting.removeprefix("--").partition("=")
    assert f"\n{name.replace('-', '_')} = {value}\n" in PAGE


@pytest.mark.parametrize("name", GALERA_VARIABLES)
def test_the_page_has_each_variable_of_a_session(name: str) -> None:
    assert f"`{name}`" in PAGE
