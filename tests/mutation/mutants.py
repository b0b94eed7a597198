"""The mutants of a file: small changes of its code, each of which a test should notice.

Annotations, docstrings and texts with a space are not changed. Neither are the arguments of
`dataclass`, because `frozen` and `slots` hardly ever change what a program does.
"""

import ast
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from difflib import unified_diff
from typing import Final

_COMPARISONS: Final[dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_OPERATORS: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_NAMES: Final = {
    one: other
    for pair in (
        ("min", "max"),
        ("any", "all"),
        ("lower", "upper"),
        ("lstrip", "rstrip"),
        ("startswith", "endswith"),
        ("partition", "rpartition"),
        ("removeprefix", "removesuffix"),
    )
    for one, other in (pair, pair[::-1])
}
_STUBS: Final = frozenset({"Protocol", "TypedDict", "NamedTuple"})


@dataclass(frozen=True)
class Mutant:
    """A change of a file. The positions are in the bytes of its source."""

    path: str
    line: int
    start: int
    end: int
    replacement: str

    def apply(self, source: bytes) -> bytes:
        return source[: self.start] + self.replacement.encode() + source[self.end :]

    def diff(self, source: bytes) -> list[str]:
        """The changed lines, with - and + in front."""
        before, after = source.decode().splitlines(), self.apply(source).decode().splitlines()
        lines = unified_diff(before, after, n=0, lineterm="")
        return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def mutants_of(path: str, source: bytes) -> list[Mutant]:
    """All mutants of a file, in the order of its lines."""
    offsets = [0]
    for line in source.splitlines(keepends=True):
        offsets.append(offsets[-1] + len(line))
    mutants = {
        Mutant(
            path,
            node.lineno,
            offsets[node.lineno - 1] + node.col_offset,
            offsets[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0),
            replacement,
        )
        for node, replacement in _Changes().of(ast.parse(source))
    }
    return sorted(mutants, key=lambda each: (each.start, each.end, each.replacement))


_Change = tuple[ast.expr | ast.stmt | ast.keyword, str]


class _Changes:
    """Finds the nodes that can be changed, and the text that replaces each."""

    def of(self, node: ast.AST) -> Iterator[_Change]:
        """The changes of a node and of the nodes in it."""
        if isinstance(node, ast.expr):
            yield from self._of_expression(node)
        elif isinstance(node, ast.stmt):
            yield from self._of_statement(node)
        for child in self._children(node):
            yield from self.of(child)

    def _children(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes in a node, without those that are not code."""
        match node:
            case ast.AnnAssign():
                yield from [node.value] if node.value else []
            case ast.arguments():
                yield from (each for each in (*node.defaults, *node.kw_defaults) if each)
            case ast.FunctionDef(decorator_list=decorators, args=arguments):
                yield from (each for each in decorators if not _is_call_of(each, "overload"))
                yield arguments
                yield from _body(node)
            case ast.ClassDef(decorator_list=decorators, bases=bases):
                if not any(_name(each) in _STUBS for each in bases):
                    yield from (each for each in decorators if not _is_call_of(each, "dataclass"))
                    yield from (each.value for each in node.keywords)
                    yield from _body(node)
            case ast.Module():
                yield from _body(node)
            case ast.If(test=ast.Name("TYPE_CHECKING")) | ast.JoinedStr():
                pass  # before Python 3.12, the positions in an f-string are wrong
            case ast.Call(func=ast.Name("cast"), args=[_, value]):
                yield value
            case ast.Call(func=ast.Name("TypeVar" | "NewType")):
                pass
            case ast.Assign(targets=[ast.Name("__all__" | "__slots__")]):
                pass
            case _:
                yield from ast.iter_child_nodes(node)

    def _of_statement(self, node: ast.stmt) -> Iterator[_Change]:
        match node:
            case ast.Expr(value=ast.Call()) | ast.Raise() | ast.Delete():
                yield node, "pass"
            case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
                yield node, "pass"
            case ast.Return(value=ast.expr() as value) if ast.unparse(value) != "None":
                yield node, "return None"
            case ast.AugAssign(op=operator) if type(operator) in _OPERATORS:
                yield node, _unparsed(node, op=_OPERATORS[type(operator)]())
            case ast.Continue():
                yield node, "break"
            case ast.Break():
                yield node, "continue"
            case ast.If(test=test) | ast.While(test=test) if _name(test) != "TYPE_CHECKING":
                yield from _negated(test)
            case _:
                pass

    def _of_expression(self, node: ast.expr) -> Iterator[_Change]:
        match node:
            case ast.Compare(ops=[operator]):
                for other in _COMPARISONS[type(operator)]:
                    yield node, f"({_unparsed(node, ops=[other()])})"
            case ast.BoolOp(op=operator, values=values):
                other_operator = ast.Or() if isinstance(operator, ast.And) else ast.And()
                yield node, f"({_unparsed(node, op=other_operator)})"
                yield node, f"({_joined(node, values[1:])})"
                yield node, f"({_joined(node, values[:-1])})"
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                yield node, f"({ast.unparse(operand)})"
            case ast.BinOp(op=operator) if type(operator) in _OPERATORS:
                yield node, f"({_unparsed(node, op=_OPERATORS[type(operator)]())})"
            case ast.IfExp(test=test):
                yield from _negated(test)
            case ast.Constant(value=value):
                yield from ((node, text) for text in _other_constants(value))
            case ast.Call(func=ast.Name("TypeVar" | "NewType")):
                pass
            case ast.Call(func=function, keywords=keywords):
                yield from _of_function(function)
                yield from _without_keywords(node, keywords)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                for each in node.generators:
                    for condition in each.ifs:
                        yield from _negated(condition)
            case _:
                pass


def _body(node: ast.Module | ast.ClassDef | ast.FunctionDef) -> list[ast.stmt]:
    return node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body


def _negated(test: ast.expr) -> Iterator[_Change]:
    """The opposite of a condition, unless another change already is that."""
    if not isinstance(test, ast.Compare | ast.UnaryOp):
        yield test, f"(not ({ast.unparse(test)}))"


def _of_function(function: ast.expr) -> Iterator[_Change]:
    match function:
        case ast.Name(name) if name in _NAMES:
            yield function, _NAMES[name]
        case ast.Attribute(value=value, attr=name) if name in _NAMES:
            yield function, f"{_operand(value)}.{_NAMES[name]}"
        case _:
            pass


def _without_keywords(node: ast.Call, keywords: list[ast.keyword]) -> Iterator[_Change]:
    for each in keywords:
        if each.arg:
            yield node, _unparsed(node, keywords=[other for other in keywords if other is not each])


def _other_constants(value: object) -> Iterator[str]:
    match value:
        case bool():
            yield str(not value)
        case int():
            yield str(value + 1)
            yield f"({value - 1})"
        case float():
            yield str(value + 1)
        case str() if " " not in value.strip():
            yield repr(f"XX{value}")
        case bytes() if b" " not in value.strip():
            yield repr(b"XX" + value)
        case _:
            pass


def _name(node: ast.expr) -> str:
    """The last part of a name, such as `Protocol` of `typing.Protocol[T]`."""
    match node:
        case ast.Name(name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(value=value) | ast.Call(func=value):
            return _name(value)
        case _:
            return ""


def _is_call_of(node: ast.expr, name: str) -> bool:
    return _name(node) == name


def _unparsed(node: ast.AST, **fields: object) -> str:
    """The code of a node with other values of its fields."""
    changed = deepcopy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return ast.unparse(changed)


def _joined(node: ast.BoolOp, values: list[ast.expr]) -> str:
    return ast.unparse(values[0]) if len(values) == 1 else _unparsed(node, values=values)


def _operand(node: ast.expr) -> str:
    text = ast.unparse(node)
    return (
        text
        if isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Subscript)
        else f"({text})"
    )
