"""A verdict is the same bytes on every machine: what decides calls nothing that another machine may round otherwise."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_tidy import SHIPPED, name_of, refuse, tree_of

DECIDES = ("worker/audit/", "worker/policy/", "worker/ingress/", "worker/egress/", "worker/identities/",
           "worker/partition/", "worker/records.py")  # fmt: skip
"""Folders and modules of which verdicts are made."""

ROUNDED = {"sqrt", "isqrt", "floor", "ceil", "trunc", "frexp", "ldexp", "modf", "fmod", "fabs", "copysign", "nextafter",
           "ulp", "isfinite", "isinf", "isnan", "inf", "nan", "gcd", "lcm", "comb", "perm", "factorial"}  # fmt: skip
"""What `math` has that is exact, or rounded as IEEE 754 demands."""

OTHERWISE = {"statistics", "cmath", "random", "numpy", "unicodedata", "locale"}
"""Modules that add, draw or read by means of their own."""

POWERS = {"pow", "ipow", "__pow__", "__rpow__", "__ipow__"}
CALLED = {"sum": "numbers.total or numbers.whole", "pow": "numbers.power", "hash": "a digest"}
"""Built-in functions and what is meant; `hash` of a text differs in each process."""


def deciding() -> list[Path]:
    """The files of `DECIDES`."""
    return [path for path in SHIPPED if name_of(path).startswith(DECIDES)]


def _inexact(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Lines that compute by something else than exactly rounded operations."""
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=complex()):
                yield node.lineno, "a complex number"
            case ast.Name(id=name, ctx=ast.Load()) if name in CALLED:
                yield node.lineno, f"{name}: {CALLED[name]} is meant"
            case ast.Import(names=names):
                yield from ((node.lineno, a.name) for a in names if a.name.partition(".")[0] in OTHERWISE)
                yield from ((node.lineno, f"math as {a.asname}") for a in names if a.name == "math" and a.asname)
            case ast.ImportFrom(module="math", names=names):
                yield from ((node.lineno, f"math.{a.name}") for a in names if a.name not in ROUNDED)
            case ast.ImportFrom(module="operator", names=names):
                yield from ((node.lineno, f"operator.{a.name}") for a in names if a.name in POWERS)
            case ast.Attribute(attr=name) if name in POWERS:
                yield node.lineno, name
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in OTHERWISE:
                yield node.lineno, module
            case ast.Attribute(value=ast.Name(id="math"), attr=name) if name not in ROUNDED:
                yield node.lineno, f"math.{name}"
            case ast.BinOp(op=ast.Pow()) if not _of_integers(node):
                yield node.lineno, "**: numbers.power is meant, or a product"
            case ast.AugAssign(op=ast.Pow()):
                yield node.lineno, "**=: numbers.power is meant, or a product"


def _of_integers(power: ast.BinOp) -> bool:
    return all(isinstance(side, ast.Constant) and isinstance(side.value, int) for side in (power.left, power.right))


def test_every_place_that_decides_is_there() -> None:
    for place in DECIDES:
        assert any(name_of(path).startswith(place) for path in deciding()), place


def test_what_decides_computes_by_exactly_rounded_operations_only() -> None:
    found = [
        f"{name_of(path)}:{line}: {what}"
        for path in deciding()
        if name_of(path) != "worker/audit/numbers.py"
        for line, what in _inexact(tree_of(path))
    ]
    refuse(found, "verdicts are made of + − × ÷, square roots and `worker.audit.numbers`")


@pytest.mark.parametrize(
    "line",
    ["sum(x)", "map(sum, x)", "x ** 2", "2 ** x", "x **= 2", "2.0 ** 3", "pow(x, y)", "from math import log",
     "math.exp(x)", "from math import fsum", "import statistics",
     "import math as m", "from statistics import fmean", "from operator import pow", "operator.pow(x, y)", "hash(x)",
     "sorted(x, key=hash)"],
)  # fmt: skip
def test_an_inexact_function_would_be_found(line: str) -> None:
    assert list(_inexact(ast.parse(line)))


@pytest.mark.parametrize(
    "line", ["whole(x)", "2 ** 53", "from math import sqrt", "math.frexp(x)", "x * x", "round(x, 2)"]
)
def test_an_exact_one_would_not(line: str) -> None:
    assert not list(_inexact(ast.parse(line)))
