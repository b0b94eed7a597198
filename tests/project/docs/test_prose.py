"""The linter of the prose finds each kind of fault in each kind of file."""

import subprocess
import sys
from pathlib import Path, PurePath

import pytest

from docs.prose.__main__ import main
from docs.prose.extract import prose_in
from docs.prose.faults import MAX_WORDS, faults_of

CODESPELL = Path(sys.executable).with_name("codespell")
LONG = " ".join(["word"] * (MAX_WORDS + 1))
GOOD = "Returns the user with this id."


def faults(name: str, source: str) -> list[tuple[int, str]]:
    found = (fault for each in prose_in(PurePath(name), source) for fault in faults_of(each))
    return sorted((fault.line, fault.kind) for fault in found)


@pytest.mark.parametrize(
    ("name", "source", "line"),
    [
        ("a.md", "# Title\n\nA client reads it anew.\n", 3),
        ("a.md", "- item\n- read it\n  anew\n", 3),
        ("a.md", "| a | b |\n| --- | --- |\n| `code` | read anew |\n", 3),
        ("a.md", "```console\n$ anew\n```\n\nRead [anew](https://example.org/).\n", 5),
        ("a.py", '"""One.\n\nReads it anew.\n"""\n', 3),
        ("a.py", 'def read():\n    """Reads it\n    anew."""\n', 3),
        ("a.py", "x = 1\n# Read it\n# anew.\n", 3),
        ("a.py", "x = 1  # read anew\n", 1),
        ("a.py", "raise ValueError('This must be read anew.')\n", 1),
        ("a.py", "raise ValueError(f'The {name} must be read anew.')\n", 1),
        ("a.py", "option('--x', help='Read all of it anew.')\n", 1),
        ("a.py", "def test_a_user_is_read_anew() -> None: ...\n", 1),
        ("Makefile", "a:\n\ttrue\n\nread: install ## read it anew\n", 4),
        ("a.toml", 'name = "Reads all of it anew"\n', 1),
        ("a.yml", "groups:\n  - x\n    summary: The users are read anew\n", 3),
        ("a.conf", "listen 80; # read anew\n", 1),
        ("a.mjs", "const a = 1\n// read anew\n", 2),
        ("a.lua", "-- read anew\n", 1),
    ],
)
def test_a_forbidden_word_is_reported_with_its_line(name: str, source: str, line: int) -> None:
    found = faults(name, source)
    assert [each for each in found if each[1] == "word"] == [(line, "word")]


@pytest.mark.parametrize(
    ("name", "source"),
    [
        (
            "a.md",
            "```python\nanew = told = whoever\n```\n\nCall `anew` at <https://anew.org/anew>.\n",
        ),
        ("a.md", "<!-- anew -->\n\nSee [the page](anew.md).\n"),
        ("a.py", "anew = told(nobody)\nTELLS = {'anew': 'told'}\n"),
        ("a.py", "SQL = 'SELECT anew FROM told WHERE nobody = 1'\n"),
        ("a.py", "RULE = 'if x = 1 then read anew'\n"),
        ("a.py", '"""Calls `anew`."""\n'),
    ],
)
def test_code_is_not_prose(name: str, source: str) -> None:
    assert faults(name, source) == []


@pytest.mark.parametrize(
    "sentence",
    [
        "Whoever asks is let in.",
        "One client more reads it.",
        "A null is no text.",
        "The result hangs on the order.",
        "Of one without events the history is empty.",
        "Whether the user exists.",
        "What is returned.",
        "This holds for groups, too.",
        "Names are equal in whatever letters.",
        "Use another server than this one.",
        "It has other columns than the table.",
        "It replaces the value by the result.",
    ],
)
def test_phrases_of_several_words_are_found(sentence: str) -> None:
    assert (1, "word") in faults("a.py", f'"""{sentence}"""')


@pytest.mark.parametrize(
    "sentence",
    [
        "The key is no longer valid.",
        "Send one or more users.",
        "The command asks for confirmation.",
        "What is a cursor?",
        "An `X` stands for a value.",
        "No more than 25 are returned.",
        "Use an anchor, e.g. This one.",
        "# 53. Title",
        "**Context.** The text has a label.",
        "- **Context.** The item has a label.",
    ],
)
def test_plain_sentences_pass(sentence: str) -> None:
    assert faults("a.md", f"{sentence}\n") == []


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("a.md", f"{LONG}.\n"),
        ("a.md", f"| a |\n| --- |\n| {LONG} |\n"),
        ("a.py", f'"""{LONG}."""\n'),
        ("a.py", f"# {LONG[:60]}\n# {LONG[60:]}\n"),
        ("a.py", f'raise ValueError("{LONG}")\n'),
        ("a.py", f"def test_{LONG.replace(' ', '_')}() -> None: ...\n"),
    ],
)
def test_a_long_sentence_is_reported(name: str, source: str) -> None:
    assert [kind for _, kind in faults(name, source)] == ["length"]


def test_sentences_are_counted_one_by_one() -> None:
    half = " ".join(["word"] * (MAX_WORDS // 2 + 1))
    assert faults("a.py", f'"""{half}. And {half}? `{half}` is code."""\n') == []


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("# Title\n\nIt is one. It is two.\n", 3),
        ("It is one. `two` is another.\n", 1),
        ("It is\none.\n", 1),
        ("- It is one.\n  It is\n  two.\n", 2),
    ],
)
def test_markdown_has_one_sentence_per_line(source: str, line: int) -> None:
    assert faults("a.md", source) == [(line, "line")]


def test_docstrings_and_tables_break_lines_anywhere() -> None:
    assert faults("a.py", '"""It is one. It is two,\nwhich goes to the next line.\n"""\n') == []
    assert faults("a.md", "| a |\n| --- |\n| It is one. It is two. |\n") == []


def test_a_docstring_states_what_the_function_does() -> None:
    function = '{}def read() -> None:\n    """{} the user.\n\n    Call it once.\n    """\n'
    assert faults("a.py", function.format("", "Read")) == [(2, "verb")]
    assert faults("a.py", function.format("", "Reads")) == []
    assert faults("a.py", function.format("@group.command()\n", "Read")) == []
    assert faults("a.py", function.format("@click.group\n", "Read")) == []


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a good file and a file with one fault."""
    (tmp_path / "docs/prose").mkdir(parents=True)
    (tmp_path / "good.md").write_text(f"{GOOD}\n")
    (tmp_path / "bad.md").write_text(f"{GOOD}\nRead it anew.\n")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.parametrize(
    ("uncovered", "status", "output"),
    [
        ("# no file\n", 1, 'bad.md:2: "anew" → '),
        ("bad.md 1\n", 0, ""),
        ("bad.md 0\n", 1, "docs/prose/uncovered.txt: bad.md has 1 of at most 0 faults → "),
        (
            "*.md 1\ngone.md 3\n",
            1,
            "docs/prose/uncovered.txt: gone.md has 0 of at most 3 faults → ",
        ),
    ],
)
def test_uncovered_files_may_have_the_faults_that_they_have(
    repository: Path,
    capsys: pytest.CaptureFixture[str],
    uncovered: str,
    status: int,
    output: str,
) -> None:
    (repository / "docs/prose/uncovered.txt").write_text(uncovered)
    assert main([], repository) == status
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == status
    assert all(line.startswith(output) for line in printed)


def test_the_files_of_a_pattern_are_checked_even_if_uncovered(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "docs/prose/uncovered.txt").write_text("bad.md 1\n")
    assert main(["good.*"], repository) == 0
    assert main(["bad.*"], repository) == 1
    assert "again" in capsys.readouterr().out


def test_the_report_counts_by_file(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--report"], repository) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[1:] == [
        ["1", "1", "0", "0", "0", "all", "files"],
        ["1", "1", "0", "0", "0", "bad.md"],
    ]


def test_misspelled_words_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("Returns teh user.\n")  # codespell:ignore teh
    found = subprocess.run([CODESPELL, tmp_path / "a.md"], capture_output=True, text=True)
    assert (found.returncode, "==> the" in found.stdout) == (65, True)
