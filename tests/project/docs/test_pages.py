"""The sessions, examples and links of the documentation work as printed."""

import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import click
import pytest

from entrypoints.cli.main import main
from entrypoints.settings import Settings

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text()
DOCS = ROOT / "docs"
TARGETS = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)
COMMAND_LINE = (DOCS / "command-line.md").read_text()
PAGES = (
    "quickstart",
    "command-line",
    "search",
    "pages",
    "changes",
    "history",
    "bulk",
    "operations/databases",
    "operations/backups",
    "operations/monitoring",
)
ADDRESS = "http://127.0.0.1:5000"

# A variable of click, and an example of a misspelt name.
OTHER_VARIABLES = {"ROSTER_COMPLETE", "ROSTER_DATABSE_URL"}

BETWEEN = "-- done: "

# A command: up to a line's end that nothing continues, or to the END of what it reads.
COMMAND = re.compile(r".*<<'END'\n(?s:.*?)\nEND$|(?:.*\\\n)*.*", re.MULTILINE)
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")  # what differs from run to run


def section(page: Path, title: str) -> str:
    return page.read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]


def console(text: str) -> list[tuple[str, str]]:
    """The commands that a text shows, each with the output that it promises."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for command in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            told = COMMAND.match(command)
            assert told, command
            found.append((told[0], command[told.end() + 1 :]))
    return found


def steady(output: str) -> str:
    return "\n".join(line.rstrip() for line in TIME.sub("TIME", output).strip().splitlines())


def run(command: str, **environment: str) -> str:
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.replace("\r", "")


def test_the_session_with_tokens_works_as_printed(
    serve: Callable[[str], str], sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (secret, _), (start, _), (token, _), *requests = console(
        section(DOCS / "access-control.md", "Tokens")
    )
    monkeypatch.setenv("ROSTER_JWT_SECRET", run(f"{secret}; echo $ROSTER_JWT_SECRET").strip())
    assert start == ".venv/bin/roster serve"
    base_url = serve(sqlite_url)
    assert len(requests) == 3
    for command, promised in requests:
        request = command.replace(ADDRESS, base_url)
        assert steady(run(f"{token}; {request}")) == steady(promised), command


def test_the_commands_of_an_installation_work_as_printed(sqlite_url: str) -> None:
    run(".venv/bin/roster db upgrade", ROSTER_DATABASE_URL=sqlite_url)
    for command, promised in console((DOCS / "install.md").read_text()):
        output = run(command, ROSTER_DATABASE_URL=sqlite_url)
        assert output == promised or (not promised and "Usage: roster" in output), command


def in_one_shell(commands: list[str], directory: Path, **environment: str) -> list[list[str]]:
    """What each command writes, as a terminal shows it, and its exit status."""
    script = "".join(f"{command}\necho {BETWEEN}$?\n" for command in ("exec 2>&1", *commands))
    done = subprocess.run(
        ["bash"],
        input=script,
        cwd=directory,
        env=os.environ | {"LC_ALL": "C.UTF-8"} | environment,
        stdout=subprocess.PIPE,
        text=True,
        timeout=300,
        check=False,
    )
    parts = re.split(f"{BETWEEN}(\\d+)\n", done.stdout)[2:-1]
    return [list(pair) for pair in zip(parts[::2], parts[1::2], strict=True)]


@pytest.mark.parametrize("page", ["README", *PAGES])
def test_the_session_of_a_page_works_as_printed(
    page: str, base_url: str, sqlite_url: str, tmp_path: Path
) -> None:
    session = console(README if page == "README" else (DOCS / f"{page}.md").read_text())
    assert session
    done = in_one_shell(
        [command.replace(ADDRESS, base_url) for command, _ in session],
        tmp_path,
        PATH=f"{ROOT}/.venv/bin:{os.environ['PATH']}",
        ROSTER_DATABASE_URL=sqlite_url,
    )
    for (command, promised), (answer, status) in zip(session, done, strict=True):
        assert steady(answer.replace(base_url, ADDRESS)) == steady(promised), command
        assert (status == "0") == ("Error: " not in promised), command


def commands(group: click.Group, path: str = "roster") -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


@pytest.mark.parametrize(("path", "command"), list(commands(main)))
def test_every_command_is_told_with_its_options_and_says_what_it_does(
    path: str, command: click.Command
) -> None:
    name = path.split()[-1]
    assert re.search(rf"`{path}\b|\$ {path}\b|`{name}`", COMMAND_LINE), path
    assert command.help
    for option in command.params:
        if isinstance(option, click.Option):
            assert any(name in COMMAND_LINE for name in option.opts), (path, option.opts)


def test_the_examples_of_the_api_are_answered(base_url: str) -> None:
    table = section(DOCS / "quickstart.md", "The API by example")
    paths = re.findall(r"`(?:GET )?((?:/|\?)[^`]*)`", table)
    assert len(paths) > 12
    for path in paths:
        url = path if path.startswith("/") else f"/api/v1/users{path}"
        command = f"curl -s -g -o /dev/null -w '%{{http_code}}' {shlex.quote(base_url + url)}"
        expected = "404" if "/7" in url else "200"
        assert run(command.replace(" Jane", "%20Jane")) == expected, url


@pytest.mark.parametrize("target", re.findall(r"^make (\S+)", README, re.MULTILINE))
def test_the_commands_to_begin_with_exist(target: str) -> None:
    assert target in TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_make_knows_how_to_make_each_of_its_targets(target: str) -> None:
    assert run(f"make --dry-run --always-make {target}")


@pytest.mark.parametrize("setting", [field.metadata for field in fields(Settings)])
def test_every_setting_has_its_default_and_meaning_on_the_page(setting: dict[str, str]) -> None:
    default = f"`{setting['default']}`" if setting["default"] else "none"
    row = f"| `{setting['name']}` | {default} | {setting['meaning']} |"
    assert row in (DOCS / "settings.md").read_text()


@pytest.mark.parametrize("page", [ROOT / "README.md", *DOCS.rglob("*.md")], ids=lambda it: it.stem)
def test_a_page_names_only_settings_that_exist(page: Path) -> None:
    known = {field.metadata["name"] for field in fields(Settings)} | OTHER_VARIABLES
    assert set(re.findall(r"ROSTER_[A-Z_]+", page.read_text())) <= known


def links() -> Iterator[str]:
    for page in (*ROOT.glob("*.md"), *DOCS.rglob("*.md")):
        for target in re.findall(r"\]\((?!http)([^)]+)", page.read_text()):
            path, _, anchor = target.partition("#")
            found = (page.parent / path).resolve() if path else page
            yield f"{found.relative_to(ROOT)}#{anchor}"


def anchors(page: Path) -> set[str]:
    """What the headings of a page are called in links."""
    headings = re.findall(r"^#+ (.*)", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("target", sorted(set(links())))
def test_links_between_pages_lead_somewhere(target: str) -> None:
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
