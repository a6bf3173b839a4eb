"""Mutants of a function: its source with one small change, as a learner may make it by mistake."""

import ast
import copy
from collections.abc import Callable, Iterator

SWAPS = {
    ast.Add: [ast.Sub], ast.Sub: [ast.Add], ast.Mult: [ast.Div, ast.Add], ast.Div: [ast.Mult, ast.FloorDiv],
    ast.FloorDiv: [ast.Div], ast.Mod: [ast.FloorDiv], ast.Pow: [ast.Mult], ast.MatMult: [ast.Mult],
    ast.Lt: [ast.LtE, ast.Gt], ast.LtE: [ast.Lt, ast.GtE], ast.Gt: [ast.GtE, ast.Lt], ast.GtE: [ast.Gt, ast.LtE],
    ast.Eq: [ast.NotEq], ast.NotEq: [ast.Eq], ast.In: [ast.NotIn], ast.NotIn: [ast.In],
    ast.And: [ast.Or], ast.Or: [ast.And], ast.BitAnd: [ast.BitOr], ast.BitOr: [ast.BitAnd],
}  # fmt: skip
NAMES = {
    "min": ["max"], "max": ["min"], "floor": ["ceil", "trunc"], "ceil": ["floor"], "any": ["all"], "all": ["any"],
    "int": ["float", "round"], "round": ["int"], "sum": ["max"], "mean": ["sum"], "square": ["abs"], "abs": ["square"],
    "sorted": ["list"], "True": ["False"], "shape": ["size"], "minimum": ["maximum"], "sqrt": ["square"],
}  # fmt: skip


def mutants(source: str, name: str, namespace: dict[str, object]) -> Iterator[tuple[str, Callable[..., object]]]:
    """Yield each mutant of the function or class `name` in `source`, with its source.

    Args:
        source: Python source that defines `name`.
        name: of the function or class.
        namespace: global variables that the source needs.
    """
    tree = ast.parse(source)
    original, seen = ast.unparse(tree), set()
    for place, node in enumerate(ast.walk(tree)):
        for change in changes(node):
            mutant = copy.deepcopy(tree)
            change(next(other for number, other in enumerate(ast.walk(mutant)) if number == place))
            text = ast.unparse(ast.fix_missing_locations(mutant))
            if text != original and text not in seen:
                seen.add(text)
                variables = dict(namespace)
                exec(compile(text, "mutant", "exec"), variables)
                yield text, variables[name]


def changes(node: ast.AST) -> Iterator[Callable[[ast.AST], None]]:
    """Yield the changes of one node, each a function that changes such a node in place."""
    if isinstance(node, ast.BinOp):
        yield lambda other: _exchange(other, "left", "right")
        yield lambda other: _become(other, other.left)
        yield lambda other: _become(other, other.right)
    if isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp):
        for operator in SWAPS.get(type(node.op), []):
            yield lambda other, operator=operator: setattr(other, "op", operator())
    if isinstance(node, ast.BoolOp):
        for place in range(len(node.values)):
            yield lambda other, place=place: other.values.pop(place) if len(other.values) > 1 else None
    if isinstance(node, ast.UnaryOp):
        yield lambda other: _become(other, other.operand)
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            for swap in SWAPS.get(type(operator), []):
                yield lambda other, place=place, swap=swap: other.ops.__setitem__(place, swap())
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield lambda other: setattr(other, "value", not other.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        for step in (-1, 1):
            yield lambda other, step=step: setattr(other, "value", other.value + step)
    if isinstance(node, ast.Name | ast.Attribute):
        field = "id" if isinstance(node, ast.Name) else "attr"
        for name in NAMES.get(getattr(node, field), []):
            yield lambda other, field=field, name=name: setattr(other, field, name)
    if isinstance(node, ast.Call):
        if len(node.args) >= 2:
            yield lambda other: other.args.__setitem__(slice(0, 2), other.args[1::-1])
        for place in range(len(node.keywords)):
            yield lambda other, place=place: other.keywords.pop(place)
    if isinstance(node, ast.IfExp):
        yield lambda other: _exchange(other, "body", "orelse")
    if isinstance(node, ast.Slice):
        for field in ("lower", "upper", "step"):
            yield lambda other, field=field: setattr(other, field, None)
    if isinstance(node, ast.Tuple | ast.List) and len(node.elts) >= 2:
        yield lambda other: other.elts.__setitem__(slice(0, 2), other.elts[1::-1])
    if isinstance(node, ast.comprehension) and node.ifs:
        yield lambda other: other.ifs.clear()
    for field in ("body", "orelse"):
        for place, child in enumerate(
            getattr(node, field, None) or [] if not isinstance(node, ast.IfExp | ast.Lambda) else []
        ):
            if isinstance(child, ast.If) and not child.orelse:
                yield lambda other, field=field, place=place: getattr(other, field).__setitem__(place, ast.Pass())


def _exchange(node: ast.AST, one: str, other: str) -> None:
    first, second = getattr(node, one), getattr(node, other)
    setattr(node, one, second)
    setattr(node, other, first)


def _become(node: ast.AST, other: ast.AST) -> None:
    """Turn a node into another one, in place."""
    node.__class__ = other.__class__
    node.__dict__ = other.__dict__
