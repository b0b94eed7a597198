"""The image and the compose file, as far as they can be checked without a container engine."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import pytest
import yaml
from deploy.test_files import pins
from roster_process import ROSTER

from entrypoints.cli.main import main
from entrypoints.settings import Settings

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "docs" / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yml").read_text())
SAMPLE = (DEPLOY / "roster.env.example").read_text()
NAMES = {field.metadata["name"] for field in fields(Settings)}
OWN_SECRETS = {"ROSTER_JWT_SECRET": "5" * 64, "POSTGRES_PASSWORD": "a" * 64}


@dataclass(frozen=True)
class Instruction:
    """A line of the Containerfile, in its stage."""

    stage: int
    word: str
    rest: str


def instructions() -> Iterator[Instruction]:
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Containerfile").read_text(), flags=re.MULTILINE)
    stage = 0
    for line in filter(None, text.replace("\\\n", " ").splitlines()):
        word, _, rest = line.partition(" ")
        stage += word == "FROM"
        yield Instruction(stage, word, rest.strip())


INSTRUCTIONS = list(instructions())
FINAL = max(each.stage for each in INSTRUCTIONS)


def of_image(word: str) -> list[str]:
    """The arguments of the instructions of one kind in the last stage."""
    return [each.rest for each in INSTRUCTIONS if (each.stage, each.word) == (FINAL, word)]


def copied() -> set[str]:
    """The paths that are copied from the checkout."""
    found = (
        each.rest for each in INSTRUCTIONS if each.word == "COPY" and "--from" not in each.rest
    )
    return {source for rest in found for source in rest.split()[:-1]}


def test_the_image_is_built_from_files_of_the_checkout() -> None:
    assert [source for source in copied() if not (ROOT / source).exists()] == []
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    assert set(wheel["targets"]["wheel"]["only-include"]) <= copied()


def test_the_build_context_has_only_the_copied_files() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    assert {line[1:] for line in lines if line.startswith("!")} == copied()


def test_the_wheel_is_built_with_tested_versions() -> None:
    assert pins(DEPLOY / "build-requirements.txt") < pins(ROOT / "requirements.txt")


def commands(group: click.Group) -> set[str]:
    return set(group.list_commands(click.Context(group)))


def test_the_image_runs_a_command_that_exists_as_a_user_without_privileges() -> None:
    assert of_image("ENTRYPOINT") == ['["roster"]']
    (command,) = map(json.loads, of_image("CMD"))
    main.commands["serve"].make_context("serve", command[1:])
    assert of_image("USER") == ["10001"]
    assert of_image("VOLUME") == of_image("WORKDIR") == ["/data"]


def health_check(port: int) -> list[str]:
    (text,) = of_image("HEALTHCHECK")
    assert text.count("5000") == 1
    assert of_image("EXPOSE") == ["5000"]
    program, *arguments = json.loads(text.partition("CMD ")[2].replace("5000", str(port)))
    assert program == "python3"
    return [sys.executable, *arguments]


def test_the_image_checks_its_health(serve: Callable[[str], str], sqlite_url: str) -> None:
    port = urlsplit(serve(sqlite_url)).port
    assert port
    assert subprocess.run(health_check(port), check=False).returncode == 0


def test_an_image_that_does_not_respond_is_unhealthy() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as closed:
        port = closed.getsockname()[1]
    done = subprocess.run(health_check(port), stderr=subprocess.DEVNULL, check=False)
    assert done.returncode == 1


@pytest.mark.long
def test_the_stages_build_a_roster_that_runs(checkout: Path, tmp_path: Path) -> None:
    """Runs the build stage in a directory, without Debian's packages."""

    def inside(text: str) -> str:
        return re.sub(r"(?<![\w.])/(build|opt)/", rf"{tmp_path}/\1/", text)

    last = FINAL - 1
    for each in INSTRUCTIONS:
        if each.stage != last or each.rest.startswith("apt-get"):
            continue
        if each.word == "COPY":
            *sources, target = inside(each.rest).split()
            for source in sources:
                copy(checkout / source, Path(target))
        elif each.word == "RUN":
            done = subprocess.run(["sh", "-ec", inside(each.rest)], capture_output=True, text=True)
            assert done.returncode == 0, f"{each.rest}\n{done.stdout}{done.stderr}"
    assert of_image("COPY") == ["--from=build /opt/roster /opt/roster"]
    environment = {"PATH": os.environ["PATH"], "ROSTER_DATABASE_URL": f"sqlite:///{tmp_path}/r.db"}
    for command in (["db", "upgrade"], ["db", "check"], ["demo", "3"]):
        roster = [str(tmp_path / "opt/roster/bin/roster"), *command]
        subprocess.run(roster, cwd=tmp_path, env=environment, check=True)


def copy(source: Path, target: Path) -> None:
    """Copies the files of a directory, or a file into a directory, like COPY."""
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


# The compose file


def test_compose_builds_the_image_from_the_checkout() -> None:
    for name in ("roster", "migrate"):
        build = COMPOSE["services"][name]["build"]
        context = (DEPLOY / build["context"]).resolve()
        assert context == ROOT
        assert (context / build["dockerfile"]).is_file()
        arguments = {each.rest for each in INSTRUCTIONS if each.word == "ARG"}
        assert set(build["args"]) == arguments


def test_compose_upgrades_the_tables_before_it_serves() -> None:
    services = COMPOSE["services"]
    assert services["migrate"]["command"] == ["db", "upgrade"]
    database = main.commands["db"]
    assert isinstance(database, click.Group)
    assert "upgrade" in commands(database)
    assert "command" not in services["roster"]  # the default of the image
    waits = {name: each.get("depends_on", {}) for name, each in services.items()}
    assert waits == {
        "database": {},
        "migrate": {"database": {"condition": "service_healthy"}},
        "roster": {"migrate": {"condition": "service_completed_successfully"}},
    }
    assert services["database"]["healthcheck"]["test"][0] == "CMD"


def test_compose_publishes_the_port_of_the_image_on_this_machine_only() -> None:
    published = [each.get("ports", []) for each in COMPOSE["services"].values()]
    assert published == [[], [], [f"127.0.0.1:5000:{of_image('EXPOSE')[0]}"]]


def test_compose_keeps_the_database_and_the_keys_in_volumes() -> None:
    mounts = [mount for each in COMPOSE["services"].values() for mount in each["volumes"]]
    assert {mount.partition(":")[0] for mount in mounts} == COMPOSE["volumes"].keys()
    for name in ("roster", "migrate"):
        assert COMPOSE["services"][name]["volumes"] == [f"data:{of_image('VOLUME')[0]}"]


def filled_in(value: str, values: dict[str, str]) -> str:
    """Replaces each ${NAME:?…} with its value."""
    return re.sub(r"\$\{(\w+):\?[^}]*\}", lambda found: values[found[1]], value)


def test_the_services_of_compose_use_the_same_database() -> None:
    sample = read(SAMPLE) | OWN_SECRETS
    of_server = COMPOSE["services"]["database"]["environment"]
    url = filled_in(COMPOSE["services"]["roster"]["environment"]["ROSTER_DATABASE_URL"], sample)
    assert Settings.of({"ROSTER_DATABASE_URL": url}).database == "postgresql"
    found = urlsplit(url)
    assert (found.hostname, found.username, found.path) == (
        "database",
        of_server["POSTGRES_USER"],
        f"/{of_server['POSTGRES_DB']}",
    )
    assert found.password == filled_in(of_server["POSTGRES_PASSWORD"], sample)


def test_compose_names_settings_that_exist() -> None:
    for name in ("roster", "migrate"):
        assert set(COMPOSE["services"][name]["environment"]) <= NAMES
        assert f"{COMPOSE['services'][name]['env_file']}.example" == "roster.env.example"


# The sample of the settings


def read(text: str) -> dict[str, str]:
    """The variables of a file, as a shell reads them."""
    show = "import json, os; print(json.dumps(dict(os.environ)))"
    script = f"set -a\n{text}\nexec {sys.executable} -c '{show}'"
    done = subprocess.run(["sh", "-ec", script], env={}, capture_output=True, text=True, check=True)
    names = set(re.findall(r"^(\w+)=", text, re.MULTILINE))
    found: dict[str, Any] = json.loads(done.stdout)
    return {name: found[name] for name in names}


def examples() -> dict[str, str]:
    """The sample with every example switched on."""
    return read(re.sub(r"^#(?=\w+=)", "", SAMPLE, flags=re.MULTILINE))


def test_the_sample_names_settings_that_exist_and_explains_each() -> None:
    named = set(examples())
    assert len(named) > 15
    assert named - {"POSTGRES_PASSWORD"} <= NAMES
    lines = SAMPLE.splitlines()
    for before, line in pairwise(lines):
        if re.match(r"#?\w+=", line):
            assert re.match(r"# |#?ROSTER_\w+=", before), line


def test_the_sample_has_no_secret_that_everyone_knows() -> None:
    secrets = {name for name in examples() if re.search("SECRET|PASSWORD", name)}
    assert {name: examples()[name] for name in secrets} == dict.fromkeys(secrets, "")


def test_the_sample_does_not_start_a_service_until_its_secrets_are_set(
    tmp_path: Path,
) -> None:
    roster = [ROSTER, "serve", "--port", "0"]
    done = subprocess.run(
        roster, env=read(SAMPLE), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    line = "Error: ROSTER_JWT_SECRET: must have 32 bytes or more\n"
    assert (done.returncode, done.stderr) == (2, line)


def test_the_sample_is_valid_once_its_secrets_are_set() -> None:
    settings = Settings.of(read(SAMPLE) | OWN_SECRETS)
    assert not settings.is_open
    every = {**examples(), **OWN_SECRETS, "ROSTER_CURSOR_SECRET": "7" * 64}
    assert "" not in every.values()
    assert Settings.of(every).rate_limit


def test_systemd_and_compose_read_the_sample_as_a_shell_does() -> None:
    for line in SAMPLE.splitlines():
        if found := re.match(r"#?\w+=(.*)", line):
            value = found[1]
            plain = re.fullmatch(r"[\w./:@,*-]*", value)
            quoted = re.fullmatch(r"'[^'\\]*'", value)
            assert plain or quoted, line
