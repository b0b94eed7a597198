"""Names in the code are standard terms and not words of the project's former dialect."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("domain", "application", "adapters", "entrypoints", "migrations")
FORBIDDEN = frozenset(
    {
        *("anew", "answered", "answering", "asked", "asking", "beside", "claimed", "dress"),
        *("helpers", "kept", "made_by", "manager", "manner", "meant", "mend"),
        *("nowhere", "outlandish", "recorded", "repetition", "said", "saying", "tally", "teller"),
        *("told", "trail", "utils", "whoever"),
    }
)
"""Words that are not permitted as names, with or without underscores, in any case."""


def names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """The classes, functions, parameters, variables and attributes that a module defines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno


def forbidden(source: str) -> list[tuple[str, int]]:
    return [
        (name, line)
        for name, line in names(ast.parse(source))
        if name.strip("_").lower() in FORBIDDEN
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_names_are_not_words_of_the_former_dialect(package: str) -> None:
    found = [
        f"{file.relative_to(ROOT)}:{line}: {name}"
        for file in sorted((ROOT / package).rglob("*.py"))
        for name, line in forbidden(file.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    ["told = 1", "def kept(): ...", "class Manager: ...", "def f(asked): ...", "a.meant = 1"],
)
def test_a_forbidden_name_is_found(source: str) -> None:
    assert len(forbidden(source)) == 1
