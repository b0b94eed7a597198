"""The documentation agrees with the commands, the settings, the Makefile and its own files."""

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
import pytest
from project.docs.sessions import DOCS, ROOT, run

from entrypoints.cli.main import main
from entrypoints.settings import Settings

README = (ROOT / "README.md").read_text()
COMMAND_LINE = (DOCS / "command-line.md").read_text()
TARGETS = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)
# A variable of click, and an example of a misspelled name.
OTHER_VARIABLES = {"ROSTER_COMPLETE", "ROSTER_DATABSE_URL"}


def commands(group: click.Group, path: str = "roster") -> Iterator[tuple[str, click.Command]]:
    """Every command that is not a group, with its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


@pytest.mark.parametrize(("path", "command"), list(commands(main)))
def test_every_command_has_a_help_text_and_documented_options(
    path: str, command: click.Command
) -> None:
    name = path.split()[-1]
    assert re.search(rf"`{path}\b|\$ {path}\b|`{name}`", COMMAND_LINE), path
    assert command.help
    for option in command.params:
        if isinstance(option, click.Option):
            assert any(name in COMMAND_LINE for name in option.opts), (path, option.opts)


@pytest.mark.parametrize(("path", "command"), list(commands(main)))
def test_the_examples_in_a_help_text_quote_special_characters(
    path: str, command: click.Command
) -> None:
    for example in re.findall(r"^.*\broster .*", command.help or "", re.MULTILINE):
        unquoted = re.sub(r"'[^']*'|\"[^\"]*\"", "", example)
        assert not re.search(r"[][*?$`]|\S[|&;<>]\S", unquoted), (path, example)


@pytest.mark.parametrize("target", re.findall(r"^make (\S+)", README, re.MULTILINE))
def test_the_make_targets_in_the_readme_exist(target: str) -> None:
    assert target in TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_make_finds_the_rules_for_a_target(target: str) -> None:
    assert run(f"make --dry-run --always-make {target}")


@pytest.mark.parametrize("setting", [field.metadata for field in fields(Settings)])
def test_every_setting_is_documented_with_its_default_and_meaning(
    setting: dict[str, str],
) -> None:
    default = f"`{setting['default']}`" if setting["default"] else "none"
    row = f"| `{setting['name']}` | {default} | {setting['meaning']} |"
    assert row in (DOCS / "settings.md").read_text()


@pytest.mark.parametrize("page", [ROOT / "README.md", *DOCS.rglob("*.md")], ids=lambda it: it.stem)
def test_a_page_names_only_settings_that_exist(page: Path) -> None:
    known = {field.metadata["name"] for field in fields(Settings)} | OTHER_VARIABLES
    assert set(re.findall(r"ROSTER_[A-Z0-9_]+", page.read_text())) <= known


@pytest.mark.parametrize(
    "page",
    [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), ROOT / "tests/README.md"],
    ids=lambda it: it.stem,
)
def test_every_block_of_code_ends_before_the_next_one_begins(page: Path) -> None:
    fences = re.findall(r"^ *```(\w*)", page.read_text(), re.MULTILINE)
    assert not any(fences[1::2]), "a block has no end"
    assert len(fences) % 2 == 0


def links() -> Iterator[str]:
    for page in (*ROOT.glob("*.md"), *DOCS.rglob("*.md")):
        for target in re.findall(r"\]\((?!http)([^)]+)", page.read_text()):
            path, _, anchor = target.partition("#")
            found = (page.parent / path).resolve() if path else page
            yield f"{found.relative_to(ROOT)}#{anchor}"


def anchors(page: Path) -> set[str]:
    """The anchors of the headings of a page."""
    headings = re.findall(r"^#+ (.*)", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("target", sorted(set(links())))
def test_the_target_of_a_link_exists(target: str) -> None:
    path, _, anchor = target.partition("#")
    assert (ROOT / path).exists()
    assert not anchor or anchor in anchors(ROOT / path)


@pytest.mark.parametrize(
    ("index", "directory"), [("README.md", "docs"), ("docs/operations.md", "docs/operations")]
)
def test_an_index_links_every_page_of_its_directory(index: str, directory: str) -> None:
    path = ROOT / index
    linked = {
        (path.parent / target).resolve()
        for target in re.findall(r"\]\(([^)#]+\.md)", path.read_text())
    }
    assert set((ROOT / directory).glob("*.md")) <= linked
