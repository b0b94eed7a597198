"""The table of conformance: each normative sentence, whom it binds, and its tests."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from conformance.specification import SPECIFICATIONS, Sentence

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs" / "conformance.md"

CLASSES = {
    "server": "binds servers; tests verify it",
    "client": "binds clients; tests verify the response to a client that violates it",
    "definition": "defines a term, or binds authors of extensions and profiles",
    "not offered": "binds servers with a feature that Roster does not have; see the reason",
}
TITLES = {
    "jsonapi": ("JSON:API 1.1", "https://jsonapi.org/format/1.1/"),
    "atomic": ("Atomic operations", "https://jsonapi.org/ext/atomic/"),
    "cursor-pagination": (
        "Cursor pagination",
        "https://jsonapi.org/profiles/ethanresnick/cursor-pagination/",
    ),
}

Outcomes = Mapping[str, Mapping[str, str]]
"""The outcomes of the tests, by test and then by server: "passed", or how it failed."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A sentence of the table. `why` is the reason if it needs no test."""

    sentence: Sentence
    levels: tuple[str, ...]
    binds: str
    tests: tuple[str, ...] = ()
    why: str = ""

    @property
    def must_be_held(self) -> bool:
        """True if the sentence needs a passing test."""
        return self.binds == "server"

    def lacking(self, outcomes: Outcomes, servers: Iterable[str]) -> list[str]:
        """The reasons why the sentence is not verified on the servers."""
        if not self.must_be_held:
            return []
        if not self.tests:
            return ["it has no test"]
        return [
            f"{test}: {came} on {server}"
            for test in self.tests
            for server in servers
            if (came := outcomes.get(test, {}).get(server, "not run")) != "passed"
        ]


def entries(path: Path = HERE / "sentences.toml") -> list[Entry]:
    """Reads the table."""
    rows = tomllib.loads(path.read_text("utf-8"))["sentence"]
    return [
        Entry(
            Sentence(row["specification"], row["number"], " ".join(row["text"].split())),
            tuple(row["level"].split(", ")),
            row["class"],
            tuple(row.get("tests", ())),
            row.get("why", ""),
        )
        for row in rows
    ]


def files_of_tests() -> dict[str, str]:
    """The names of the suite's tests, each with the name of its file."""
    return {
        name: path.name
        for path in sorted(HERE.glob("test_*.py"))
        for name in re.findall(r"^def (test_\w+)\(", path.read_text("utf-8"), re.MULTILINE)
    }


# -- for the terminal --------------------------------------------------------------------------


def report(table: Sequence[Entry], outcomes: Outcomes, servers: Sequence[str]) -> Iterator[str]:
    """Each sentence with its level, its tests and their outcomes; then the unverified sentences."""
    for entry in table:
        levels, sentence = ", ".join(entry.levels), entry.sentence
        yield f"{sentence.specification} {sentence.number}: {levels} ({entry.binds})"
        yield f"    {sentence.text}"
        for test in entry.tests:
            results = (
                f"{server} {outcomes.get(test, {}).get(server, 'not run')}" for server in servers
            )
            yield f"    - {test}: {', '.join(results)}"
        if entry.why:
            yield f"    - {entry.why}"
    yield ""
    unheld = [(e.sentence, why) for e in table for why in e.lacking(outcomes, servers)]
    yield from (f"NOT VERIFIED {s.specification} {s.number}: {why}" for s, why in unheld)
    held = sum(entry.must_be_held and not entry.lacking(outcomes, servers) for entry in table)
    wanted = sum(entry.must_be_held for entry in table)
    yield f"{held} of {wanted} sentences for servers are verified on {' and '.join(servers)}"


# -- for the page ------------------------------------------------------------------------------

_INTRODUCTION = """\
# Conformance

This page lists each requirement of [JSON:API 1.1]({jsonapi}), its \
[atomic operations]({atomic}) and the [cursor pagination profile]({cursors}).
Next to each sentence are the tests that verify it.
The tests send HTTP requests to a running server, on SQLite and on PostgreSQL.

`make conformance` runs the tests and prints their outcomes.
It fails if a sentence that binds servers has no passing test.
It also writes this page, from \
[`tests/http/conformance/sentences.toml`](../tests/http/conformance/sentences.toml).

The tests need only a URL and a description of one resource and of those related to it.
For Roster, these are [`users.toml`](../tests/http/conformance/users.toml) and \
[`groups.toml`](../tests/http/conformance/groups.toml).
The tests can check another server as well:

```
.venv/bin/python -m pytest tests/http/conformance --proof --server URL --resource FILE
```
"""


def page(table: Sequence[Entry]) -> str:
    """The table in Markdown."""
    links = dict(
        zip(("jsonapi", "atomic", "cursors"), (u for _, u in TITLES.values()), strict=True)
    )
    parts = [_INTRODUCTION.format(**links), "\n".join(_summary(table))]
    files = files_of_tests()
    for specification in SPECIFICATIONS:
        title, url = TITLES[specification]
        parts.append(
            f"## {title}\n\n| sentence | level | text | tests |\n| --- | --- | --- | --- |"
        )
        parts[-1] += "".join(
            f"\n{_row(entry, url, files)}"
            for entry in table
            if entry.sentence.specification == specification
        )
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _summary(table: Sequence[Entry]) -> Iterator[str]:
    counts = Counter((entry.sentence.specification, entry.binds) for entry in table)
    titles = [TITLES[specification][0] for specification in SPECIFICATIONS]
    yield f"| sentences | {' | '.join(titles)} | |"
    yield "| --- | ---: | ---: | ---: | --- |"
    for name, meaning in CLASSES.items():
        numbers = " | ".join(str(counts[specification, name]) for specification in SPECIFICATIONS)
        yield f"| {name} | {numbers} | {meaning} |"


def _row(entry: Entry, url: str, files: Mapping[str, str]) -> str:
    anchor = entry.sentence.number.rpartition(".")[0]
    text = entry.sentence.text.replace("](#", f"]({url}#").replace("](/", "](https://jsonapi.org/")
    held = [] if entry.must_be_held else [f"*{entry.binds}*"]
    held += [
        f"[{test.removeprefix('test_').replace('_', ' ')}](../tests/http/conformance/{files[test]})"
        for test in entry.tests
    ]
    held += [entry.why] if entry.why else []
    levels = ", ".join(entry.levels)
    cells = (f"[{entry.sentence.number}]({url}#{anchor})", levels, text, "<br>".join(held))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
