"""Attributes and relationships with the names of options and commands, on the command line."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result
from contract.books.plain import new_metadata, plain_resource, plain_type
from dependency_injector import providers

from adapters.sql import schema
from application.relationships import Association, ToOne
from entrypoints.cli.main import main
from entrypoints.container import Container
from entrypoints.settings import Settings

pytestmark = pytest.mark.slow

ATTRIBUTES: Final = (
    *("actor", "filter", "help", "json", "yes", "as_json", "which", "filters", "limit", "output"),
    *("sort", "no_sort", "null_limit", "no_json", "attribute_json"),
)
OWN: Final = ("actor", "filter", "help", "json", "yes")
"""The attributes whose names are those of options that create and update have."""
RELATIONSHIPS: Final = (
    *("list", "show", "count", "create", "update", "delete", "import", "export"),
    *("add", "remove", "see_also"),
)
Roster = Callable[..., Result]


@pytest.fixture
def roster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a command over a new database with one resource."""
    things = plain_type("old_things", ATTRIBUTES, ("erase",))
    pairs = [
        Association(f"p_{each}", each, things, each, things, f"of_{each}") for each in RELATIONSHIPS
    ]
    metadata = new_metadata()
    resource = plain_resource(
        things,
        metadata,
        to_one=[ToOne("erase", things, things)],
        associations=pairs,
        inverse=pairs,
    )
    url = f"sqlite:///{tmp_path}/roster.db"
    settings = Settings.of({"ROSTER_DATABASE_URL": url})
    engine = Container(settings=settings, resources=[resource]).engine()
    schema.upgrade(engine)
    metadata.create_all(engine)
    engine.dispose()
    monkeypatch.setattr("entrypoints.resources.RESOURCES", (resource,))
    environment = {"ROSTER_DATABASE_URL": url, "NO_COLOR": "1"}

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(
            main, ("old-things", *arguments), env=environment, prog_name="roster"
        )
        assert result.exit_code == 0, (arguments, result.output)
        return result

    with Container.resources.override(providers.Object((resource,))):
        yield run


def attributes_of(result: Result) -> dict[str, Any]:
    attributes: dict[str, Any] = json.loads(result.stdout)["data"]["attributes"]
    return attributes


def test_attributes_with_the_names_of_options_can_be_set(roster: Roster) -> None:
    help_text = roster("create", "--help").stdout
    described = re.findall(r"(--[\w-]+) TEXT\s+Set (\w+)\.", help_text)
    options = {name: option for option, name in described}
    assert {*options} == {*ATTRIBUTES}
    assert {f"--attribute-{each}" for each in OWN} <= set(options.values())
    assert (options["sort"], options["as_json"]) == ("--sort", "--as-json")
    values = {name: f"value of {name}" for name in options}
    arguments = [text for name in values for text in (options[name], values[name])]
    own = ("--actor", "ann", "--json")
    created = attributes_of(roster("create", *arguments, *own))
    assert created == created | values
    for name in values:
        changed = attributes_of(roster("update", "1", options[name], f"new {name}", *own))
        assert changed[name] == f"new {name}"
        null = f"--no-{options[name].removeprefix('--')}"
        assert attributes_of(roster("update", "1", null, *own))[name] is None
    for event in json.loads(roster("history", "1", "--all", "--json").stdout)["data"]:
        assert event["attributes"]["actor"] == "ann"
    roster("update", "--filter", "id=1", "--yes", "--sort", "by filter")
    assert attributes_of(roster("show", "1", "--json"))["sort"] == "by filter"


def test_relationships_with_the_names_of_commands_have_other_commands(roster: Roster) -> None:
    for _ in range(2):
        roster("create", "--sort", "a")
    for relationship in RELATIONSHIPS:
        name = relationship.replace("_", "-")
        assert roster(f"add-{name}", "1", "2").stdout == "1 added, 0 unchanged\n"
        command = name if name == "see-also" else f"list-{name}"
        listed = roster(command, "1", "--json").stdout
        assert [each["id"] for each in json.loads(listed)["data"]] == ["2"]
        assert roster(f"remove-{name}", "1", "2").stdout == "1 removed, 0 unchanged\n"
    assert roster("count").stdout == "2\n"
    assert "roster old-things list" in roster("list", "--help").stdout
    roster("delete", "1", "--erase", "--yes")
    assert roster("count").stdout == "1\n"
