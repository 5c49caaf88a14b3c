"""Which bugs are planted: small changes of a module's syntax tree, each applied alone.

Left alone: imports, decorators, annotations, docstrings and asserts (they speak to people and to the type checker). Everything else
is changed: comparisons and their boundaries, and/or and each of their operands, `not`, conditions, constants, arithmetic, results,
refusals, calls and assignments made for their effect, and each element of each set, table and dictionary.
"""

from __future__ import annotations

import ast
import copy
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

SWAPS: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.And: (ast.Or,), ast.Or: (ast.And,),
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.FloorDiv,), ast.Div: (ast.Mult,), ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.FloorDiv,), ast.Pow: (ast.Mult,), ast.BitAnd: (ast.BitOr,), ast.BitOr: (ast.BitAnd,), ast.BitXor: (ast.BitOr,),
    ast.LShift: (ast.RShift,), ast.RShift: (ast.LShift,),
}
NAMES = {"any": "all", "all": "any", "min": "max", "max": "min"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
SKIPPED_FIELDS = {"annotation", "returns", "decorator_list", "format_spec", "op", "ops", "ctx"}
CONDITIONS = {(ast.If, "test"), (ast.While, "test"), (ast.IfExp, "test"), (ast.comprehension, "ifs")}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One planted bug: where it is, and what it changes."""

    path: str
    index: int
    line: int
    span: tuple[int, int]
    """From the statement's first line to the changed node's last; a test that runs none of these lines cannot see the bug."""
    where: str
    owner: tuple[str, int] | None
    """Qualified name and first line of the outermost function around it; None in a module's or a class's body."""
    change: str
    code: str
    """Digest of the text of that function, or of the statement outside functions: while it stays, so does what was said of this bug."""

    @property
    def key(self) -> str:
        """Name the bug without its line, which moves."""
        return f"{self.path}::{self.where}::{self.change}"


@dataclass(frozen=True, slots=True)
class _Place:
    statement: int
    where: tuple[str, ...] = ()
    owner: tuple[str, int] | None = None
    node: ast.AST | None = None


def mutants(source: str, path: str) -> list[tuple[Mutant, Callable[[], ast.Module]]]:
    """Return each mutant of a module, in one fixed order, with a function that gives the module's tree with it inside.

    The tree is shared: a process calls one of the functions, once.
    """
    tree = ast.parse(source)
    found = []
    seen: Counter[tuple[str, str]] = Counter()
    codes: dict[int, str] = {}
    for index, (place, node, new, put) in enumerate(_visit(tree, _Place(0))):
        line = getattr(node, "lineno", place.statement)
        span = (place.statement or line, getattr(node, "end_lineno", line))
        where = ".".join(place.where) or "module"
        change = _change(node, new)
        seen[where, change] += 1
        if seen[where, change] > 1:
            change += f" (number {seen[where, change]})"
        code = codes.setdefault(id(place.node), hashlib.sha256(ast.unparse(place.node or tree).encode()).hexdigest()[:16])
        found.append((Mutant(path, index, line, span, where, place.owner, change, code), partial(_planted, tree, put, new)))
    return found


def _planted(tree: ast.Module, put: Callable[[ast.AST], None], new: ast.AST) -> ast.Module:
    put(new)
    return ast.fix_missing_locations(tree)


def _change(node: ast.AST, new: ast.AST) -> str:
    for name in ("keys", "elts", "ifs", "values"):
        old, rest = getattr(node, name, None), getattr(new, name, None)
        if type(node) is type(new) and isinstance(old, list) and isinstance(rest, list) and len(rest) < len(old):
            lost = next(index for index, element in enumerate(old) if index >= len(rest) or rest[index] is not element)
            element = old[lost]
            return f"{_text(node)} without {_text(element) if element is not None else f'part {lost + 1}'}"
    return f"{_text(node)} → {_text(new)}"


def _text(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 110 else f"{text[:80]} … {text[-28:]}"


def _visit(parent: ast.AST, place: _Place) -> Iterator[tuple[_Place, ast.AST, ast.AST, Callable[[ast.AST], None]]]:
    for name, value in ast.iter_fields(parent):
        if name in SKIPPED_FIELDS:
            continue
        items = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
        for index, child in items:
            if not isinstance(child, ast.AST) or _skipped(parent, name, child):
                continue
            here = _place(parent, name, child, place)
            for new in _changes(parent, name, child, here):
                yield here, child, ast.copy_location(new, child), _setter(parent, name, index)
            yield from _visit(child, here)


def _setter(parent: ast.AST, name: str, index: int | None) -> Callable[[ast.AST], None]:
    if index is None:
        return lambda new: setattr(parent, name, new)
    return lambda new: getattr(parent, name).__setitem__(index, new)


def _place(parent: ast.AST, name: str, child: ast.AST, place: _Place) -> _Place:
    where, owner, node = place.where, place.owner, place.node
    if isinstance(parent, (*FUNCTIONS, ast.ClassDef)) and name == "body":
        where = (*where, parent.name)
        if isinstance(parent, FUNCTIONS) and owner is None:
            lines = [parent.lineno, *(decorator.lineno for decorator in parent.decorator_list)]
            owner = (".".join(where), min(lines))
            node = parent
    if isinstance(child, ast.stmt) and owner is None:
        node = child
    return _Place(child.lineno if isinstance(child, ast.stmt) else place.statement, where, owner, node)


def _skipped(parent: ast.AST, name: str, child: ast.AST) -> bool:
    if isinstance(child, (ast.Import, ast.ImportFrom, ast.Assert)):
        return True
    if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
        return True
    if isinstance(child, ast.Assign) and any(isinstance(target, ast.Name) and target.id.startswith("__") for target in child.targets):
        return True
    return isinstance(parent, ast.Dict) and name == "keys" and isinstance(child, ast.Constant)  # losing the key is a mutant already


def _changes(parent: ast.AST, name: str, node: ast.AST, place: _Place) -> Iterator[ast.AST]:
    condition = any(isinstance(parent, kind) and name == field for kind, field in CONDITIONS)
    if condition and not isinstance(node, (ast.Compare, ast.BoolOp)) and not (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)):
        yield ast.UnaryOp(ast.Not(), node)
    match node:
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            for index, op in enumerate(ops):
                for new in SWAPS[type(op)]:
                    yield ast.Compare(left, [*ops[:index], new(), *ops[index + 1:]], comparators)
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(SWAPS[type(op)][0](), values)
            for index in range(len(values)):
                rest = [*values[:index], *values[index + 1:]]
                yield rest[0] if len(rest) == 1 else ast.BoolOp(op, rest)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.BinOp(left=left, op=op, right=right) if type(op) in SWAPS:
            yield ast.BinOp(left, SWAPS[type(op)][0](), right)
        case ast.AugAssign(target=target, op=op, value=value):
            yield ast.AugAssign(target, SWAPS[type(op)][0](), value)
            yield ast.Pass()
        case ast.Constant(value=value) if not isinstance(parent, ast.Return) or value is not None:
            yield from map(ast.Constant, _constants(value))
        case ast.Return(value=value) if value is not None and not (isinstance(value, ast.Constant) and value.value is None):
            yield ast.Return(ast.Constant(None))
        case ast.Raise() | ast.Delete() | ast.Expr():
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()
        case ast.Name(id=old, ctx=ast.Load()) if old in NAMES:
            yield ast.Name(NAMES[old], ast.Load())
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()
        case _:
            yield from _without_one(parent, name, node, place)


def _constants(value: object) -> Iterator[object]:
    match value:
        case bool():
            yield not value
        case int() | float():
            yield value + 1
        case str():
            yield "" if value else "x"
        case bytes():
            yield b"" if value else b"x"


def _without_one(parent: ast.AST, name: str, node: ast.AST, place: _Place) -> Iterator[ast.AST]:
    table = place.owner is None and not (isinstance(parent, ast.Subscript) and name == "slice")
    fields: tuple[str, ...] = ()
    match node:
        case ast.Set() | ast.List(ctx=ast.Load()):
            fields = ("elts",)
        case ast.Tuple(ctx=ast.Load()) if table:
            fields = ("elts",)
        case ast.Dict():
            fields = ("keys", "values")
        case ast.comprehension():
            fields = ("ifs",)
    for index in range(len(getattr(node, fields[0])) if fields else 0):
        new = copy.copy(node)
        for field in fields:
            elements = getattr(node, field)
            setattr(new, field, [*elements[:index], *elements[index + 1:]])
        yield new
    if isinstance(node, ast.match_case) and node.guard is not None:
        new = copy.copy(node)
        new.guard = None
        yield new
