"""Finds the prose in a file: Markdown, docstrings, comments, messages and the names of tests."""

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from pathlib import PurePath
from typing import Final, NamedTuple

_MARKERS: Final = {".mjs": "//", ".ts": "//", ".lua": "--"} | dict.fromkeys(
    (".toml", ".yml", ".conf", ".service", ".mako", ""), "#"
)
SUFFIXES: Final = {".py", ".md", *_MARKERS}
# Fenced code, HTML comments, targets of links, bold labels of paragraphs; inline code and URLs.
_MASKED: Final = re.compile(
    r"^ *(?P<fence>```|~~~).*?^ *(?P=fence) *$|<!--.*?-->"
    r"|(?<=\])\([^()\s]*\)|(?:^|(?<=^- ))\*\*[^*\n]+\.\*\* "
    r"|(?P<inline>(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`)|<?\b\w+://[^\s)>]+>?)",
    re.MULTILINE | re.DOTALL,
)
_FIRST_LINE: Final = re.compile(r"^ *(#+( \d+\.)?|[-*]|\d+\.|>) |^\|")
_DIRECTIVE: Final = re.compile(r"#(!| *(type:|noqa|fmt:|mypy:))")
_VALUE: Final = re.compile(r"""\s*[\w-]+\s*[:=]\s*["']?(.*?)["']?\s*""")
_CODE: Final = re.compile(r"[<>={}]")
# Three words in a row, the last two in lower case: neither SQL nor a list of names.
_SENTENCE: Final = re.compile(r"\b[A-Za-z][\w']*[,;:]? [a-z][a-z'-]*[,;:]? [a-z'-]+\b")


class Prose(NamedTuple):
    """A paragraph, list item, table cell or heading, without code and URLs."""

    line: int
    text: str
    by_lines: bool = False  # Each line must be one sentence.
    by_function: bool = False  # It begins with what a function does.


def prose_in(path: PurePath, source: str) -> Iterator[Prose]:
    """Finds the prose of a file according to its extension."""
    if path.suffix == ".md":
        return _blocks(source, 1, by_lines=True)
    if path.suffix == ".py":
        return chain(_comments(_python_comments(source)), _python_texts(ast.parse(source)))
    lines = source.split("\n")
    marker = re.compile(rf"(?:^|\s){_MARKERS[path.suffix]}+ (.*)")
    found = ((number, marker.search(line)) for number, line in enumerate(lines, 1))
    comments = _comments((number, match.start(), match[1]) for number, match in found if match)
    return chain(comments, _values(lines) if path.suffix in {".toml", ".yml"} else ())


def _blocks(text: str, first_line: int, *, by_lines: bool = False) -> Iterator[Prose]:
    """Splits Markdown into blocks."""
    block: list[str] = []
    start = first_line
    for number, line in enumerate([*_masked(text).split("\n"), ""], first_line):
        if block and (not line.strip() or _FIRST_LINE.match(line) or block[0][0] == "#"):
            yield from _block(start, block, by_lines)
            block = []
        if line.strip():
            start = start if block else number
            block.append(line)


def _masked(text: str) -> str:
    """The text without code and URLs, in as many lines; an X stands for each within a sentence."""
    return _MASKED.sub(
        lambda match: "X" * bool(match["inline"]) + "\n" * match[0].count("\n"), text
    )


def _block(start: int, lines: list[str], by_lines: bool) -> Iterator[Prose]:
    if lines[0].startswith("|"):
        yield from (Prose(start, cell.strip()) for cell in lines[0].split("|"))
    else:
        yield Prose(start, "\n".join([_FIRST_LINE.sub("", lines[0]), *lines[1:]]), by_lines)


def _comments(comments: Iterable[tuple[int, int, str]]) -> Iterator[Prose]:
    """Joins comments, given as (line, column, text), of consecutive lines and one column."""
    numbered = enumerate(comments)
    for _, group in groupby(numbered, lambda each: (each[1][0] - each[0], each[1][1])):
        lines = [comment for _, comment in group]
        yield from _blocks("\n".join(text for *_, text in lines), lines[0][0])


def _python_comments(source: str) -> Iterator[tuple[int, int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline) if "#" in source else ():
        if token.type == tokenize.COMMENT and not _DIRECTIVE.match(token.string):
            yield *token.start, token.string.lstrip("# ")


def _python_texts(node: ast.AST) -> Iterator[Prose]:
    """Finds docstrings, string literals that read like sentences, and the names of tests."""
    if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
        yield Prose(node.lineno, node.name[5:].replace("_", " "))
    elif isinstance(node, ast.FunctionDef) and not _is_command(node):
        yield Prose(node.body[0].lineno, ast.get_docstring(node) or "", by_function=True)
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Constant | ast.JoinedStr):
            text = _literal(child)
            is_message = _SENTENCE.search(text) and not _CODE.search(_masked(text))
            if is_message or isinstance(node, ast.Expr):
                yield from _blocks(text, child.lineno)
        else:
            yield from _python_texts(child)


def _is_command(function: ast.FunctionDef) -> bool:
    """Returns True if click shows the docstring as help, in the imperative."""
    return any(
        isinstance(each, ast.Call | ast.Attribute)
        and re.search(r"\.(command|group)\b", ast.unparse(each))
        for each in function.decorator_list
    )


def _literal(node: ast.expr) -> str:
    """The text of a literal, with an X for each value in an f-string."""
    if isinstance(node, ast.JoinedStr):
        return "".join(_literal(each) for each in node.values)
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    return "X"


def _values(lines: list[str]) -> Iterator[Prose]:
    """Finds the values in TOML and YAML that read like sentences."""
    for number, line in enumerate(lines, 1):
        if (match := _VALUE.fullmatch(line)) and _SENTENCE.search(match[1]):
            yield Prose(number, match[1])
