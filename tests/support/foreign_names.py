"""What the worker takes from Faust, mode and aiokafka beyond what they promise, read off its syntax tree.

`uses_in` lists every attribute that a module touches, `Contract` finds the class of a library that must have it.
A name is looked up where the library defines it: in its classes, or in what their methods assign to `self`.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.members import (
    LIBRARIES,
    Member,
    as_member,
    assigned_in,
    body_of,
    family,
    is_library,
    load,
    member_of,
    mismatch,
    signature_of,
)

MODULE_NAME = re.compile(rf"(?:{'|'.join(LIBRARIES)})(?:\.\w+)+")
PYTHON = frozenset({"_replace", "_asdict", "_exit"})
"""Names with an underscore that Python itself documents: of named tuples, of `os`."""

Owners = Mapping[str, Mapping[str, str]]
"""Module of ours → receiver, as `receiver_of` names it → `module:Class` of the library, or of ours.
One of several: ` | ` in between."""


@dataclass(frozen=True, slots=True)
class Use:
    """One attribute in the text. `inside` is the class around it; `arguments` is None where it is not called."""

    module: str
    line: int
    receiver: str
    name: str
    inside: str
    arguments: tuple[int, tuple[str, ...], bool] | None  # positional ones, keywords, whether * or ** hides others
    awaited: bool

    def __str__(self) -> str:
        return f"{self.module}:{self.line}: {self.receiver}.{self.name}"


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def receiver_of(node: ast.expr) -> str:
    """An expression as its names: `self.fetcher`, `self.assignment()` whatever the arguments; `…` for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{receiver_of(node.value)}.{node.attr}"
    if isinstance(node, ast.Await):
        return receiver_of(node.value)
    if isinstance(node, ast.Call):
        return f"{receiver_of(node.func)}()"
    return "…"


def uses_in(module: str, tree: ast.Module) -> Iterator[Use]:
    """Every attribute that is read, written or called, and every private name in a literal getattr or setattr."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}

    def inside(node: ast.AST) -> str:
        names = []
        while (node := parents.get(node)) is not None:  # type: ignore[assignment]
            if isinstance(node, ast.ClassDef):
                names.append(node.name)
        return ".".join(reversed(names))

    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            call = parents[node]
            called = isinstance(call, ast.Call) and call.func is node
            yield Use(
                module,
                node.lineno,
                receiver_of(node.value),
                node.attr,
                inside(node),
                _arguments(call) if called else None,
                called and isinstance(parents[call], ast.Await),
            )
        elif isinstance(node, ast.Call) and receiver_of(node.func) in {"getattr", "setattr", "hasattr", "delattr"}:
            name = node.args[1] if len(node.args) > 1 else None
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield Use(module, node.lineno, receiver_of(node.args[0]), name.value, inside(node), None, False)


def _arguments(call: Any) -> tuple[int, tuple[str, ...], bool]:
    hidden = any(isinstance(a, ast.Starred) for a in call.args) or any(k.arg is None for k in call.keywords)
    return len(call.args), tuple(k.arg for k in call.keywords if k.arg is not None), hidden


def modules_named_in(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of what is imported of the libraries, also as text for `import_module`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and MODULE_NAME.fullmatch(node.value):
            yield node.lineno, node.value


def exists(dotted: str) -> bool:
    """Whether a module, or a name in a module, can be imported."""
    try:
        importlib.import_module(dotted)
    except ImportError:
        module, _, name = dotted.rpartition(".")
        try:
            return bool(module) and hasattr(importlib.import_module(module), name)
        except ImportError:
            return False
    return True


# ---- how it is used


def misuse(use: Use, member: Member) -> str:
    """How a call does not fit what is called; empty when it does, or nothing is known of it."""
    if use.arguments is None or member.kind in ("data", "property"):
        return ""
    signature = signature_of(member)
    positional, keywords, hidden = use.arguments
    if signature is not None and not hidden:
        try:
            signature.bind(*range(positional), **dict.fromkeys(keywords))
        except TypeError as wrong:
            return f"{wrong}: it takes {signature}"
    if use.awaited and member.kind == "function" and _returns_plainly(member):
        return "it is awaited, and is no coroutine function"
    return ""


def _returns_plainly(member: Member) -> bool:
    """Whether a function says that it returns nothing which can be awaited."""
    returns = str(getattr(member.function, "__annotations__", {}).get("return", ""))
    return bool(returns) and not re.search(r"Awaitable|Coroutine|Future|Task|Any", returns)


# ---- the whole


@dataclass(frozen=True, slots=True)
class Need:
    """A name that a library must have, with all the places that need it."""

    owner: str
    name: str
    uses: list[Use]

    def __str__(self) -> str:
        return f"{self.owner}.{self.name}"


@dataclass
class Contract:
    """Every name of a library that the trees of our modules need, and what cannot be placed.

    Attributes:
        overrides: what classes of ours override → why that cannot work; empty when it can.
        unplaced: private names whose owner neither the class around them nor `owners` tells.
        unused: rows of `owners` that no module needs.
        idle: what a class of ours adds to a library's, which overrides nothing and which we never use.
        covered: attributes that ours assign to `self` although the library has the name for something else.
    """

    trees: Mapping[str, ast.Module]
    owners: Owners
    needs: dict[tuple[str, str], Need] = field(default_factory=dict)
    overrides: dict[str, str] = field(default_factory=dict)
    unplaced: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    idle: list[str] = field(default_factory=list)
    covered: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        touched: set[str] = set()
        left = {(module, receiver) for module, rows in self.owners.items() for receiver in rows}
        for module, tree in self.trees.items():
            for use in uses_in(module, tree):
                touched.add(use.name)
                if use.receiver in self.owners.get(module, {}):
                    left.discard((module, use.receiver))
                self._place(use, tree)
        self.unused = [f"{module}: {receiver}" for module, receiver in sorted(left)]
        for cls in self._classes():
            self._add_overrides(cls, touched)

    def _place(self, use: Use, tree: ast.Module) -> None:
        path = self.owners.get(use.module, {}).get(use.receiver)
        if path is not None:
            self._need(path, family(path), use)
        elif use.receiver in ("self", "cls", "super()") and use.inside:
            cls = self._class(use.module, use.inside)
            if cls is not None and any(map(is_library, cls.__mro__)):
                classes = cls.__mro__[1:] if use.receiver == "super()" else cls.__mro__
                self._need(f"{use.module}:{use.inside}", classes, use)
        elif is_private(use.name) and use.name not in PYTHON and not self._is_ours(use, tree):
            self.unplaced.append(str(use))

    def _need(self, owner: str, classes: Iterable[type], use: Use) -> None:
        """Notes what only the library can have; what a class of ours has needs no contract."""
        classes = list(classes)
        if member_of((cls for cls in classes if not is_library(cls)), use.name) is None:
            where = owner if use.receiver != "super()" else f"super of {owner}"
            self.needs.setdefault((where, use.name), Need(where, use.name, [])).uses.append(use)

    def _is_ours(self, use: Use, tree: ast.Module) -> bool:
        """Whether the module itself defines the name; where it imports a library, a row must say so instead."""
        if any(name.partition(".")[0] in LIBRARIES for _, name in modules_named_in(tree)):
            return False
        defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        return use.name in defined or any(
            isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and node.attr == use.name
            for node in ast.walk(tree)
        )

    def _class(self, module: str, name: str) -> type | None:
        """None for a class inside a function, which must have no base of a library."""
        try:
            return load(f"{module}:{name}")
        except AttributeError:
            return None

    def _classes(self) -> Iterator[type]:
        """Ours that build upon one of a library's."""
        for module, tree in self.trees.items():
            for node in tree.body:
                if isinstance(node, ast.ClassDef) and node.bases:
                    cls = load(f"{module}:{node.name}")
                    if not is_library(cls) and any(map(is_library, cls.__mro__)):
                        yield cls

    def _add_overrides(self, cls: type, touched: set[str]) -> None:
        library = [base for base in cls.__mro__ if is_library(base)]
        where = f"{cls.__module__}:{cls.__qualname__}"
        for name in body_of(cls):
            member = member_of(library, name)
            if member is not None:
                self.overrides[f"{where}.{name}"] = mismatch(as_member(vars(cls)[name]), member)
            elif name not in touched and as_member(vars(cls)[name]).kind != "task":
                self.idle.append(f"{where}.{name}")
        self.covered += [f"{where}.{name}" for name in assigned_in(cls) if member_of(library, name) is not None]

    def missing(self, need: Need) -> str:
        """Why a need is not met; empty when it is."""
        classes = family(need.owner.removeprefix("super of "))
        member = member_of(classes[1:] if need.owner.startswith("super of ") else classes, need.name)
        if member is None:
            return f"{need} is not there any more, and {need.uses[0]} needs it"
        wrong = ((use, misuse(use, member)) for use in need.uses)
        return next((f"{use}: {problem}" for use, problem in wrong if problem), "")
