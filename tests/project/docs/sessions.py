"""Finds console sessions in the documentation, and runs their commands."""

import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
ADDRESS = "http://127.0.0.1:5000"
# A command ends at the end of a line without a backslash, or at the END of a here-document.
_COMMAND = re.compile(r".*<<'END'\n(?s:.*?)\nEND$|(?:.*\\\n)*.*", re.MULTILINE)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_SEPARATOR = "-- exit status: "


class Step(NamedTuple):
    """A command, and the output that the page shows."""

    command: str
    output: str


def section(page: Path, title: str) -> str:
    return page.read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]


def session(text: str) -> list[Step]:
    """The steps in the console blocks of a page."""
    steps = []
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command = _COMMAND.match(step)
            assert command, step
            steps.append(Step(command[0], step[command.end() + 1 :]))
    return steps


def normalized(output: str) -> str:
    """The output without timestamps and without spaces at the ends of lines."""
    return "\n".join(line.rstrip() for line in _TIME.sub("TIME", output).strip().splitlines())


def run(command: str, **environment: str) -> str:
    """The standard output of a command that succeeds in the root of the repository."""
    process = subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout.replace("\r", "")


def run_in_one_shell(
    commands: list[str], directory: Path, **environment: str
) -> list[tuple[str, str]]:
    """The output of each command, as a terminal shows it, and its exit status."""
    lines = (f"{command}\necho {_SEPARATOR}$?\n" for command in ("exec 2>&1", *commands))
    process = subprocess.run(
        ["bash"],
        input="".join(lines),
        cwd=directory,
        env=os.environ | {"LC_ALL": "C.UTF-8"} | environment,
        stdout=subprocess.PIPE,
        text=True,
        timeout=300,
        check=False,
    )
    parts = re.split(f"{_SEPARATOR}(\\d+)\n", process.stdout)[2:-1]
    return list(zip(parts[::2], parts[1::2], strict=True))
