"""What the worker takes from Faust, mode and aiokafka beyond what they promise, read off its syntax tree.

`uses_in` lists every attribute that a module touches, `Contract` finds the class of a library that must have it.
A name is looked up where the library defines it: in its classes, or in what their methods assign to `self`.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

LIBRARIES = ("faust", "mode", "aiokafka")
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


# ---- what a class has


@dataclass(frozen=True, slots=True)
class Member:
    """What a class has under a name. `kind`: function, coroutine, property, task or data."""

    kind: str
    function: Any = None
    bound: bool = True  # its first parameter is the object


def is_library(cls: type) -> bool:
    return cls.__module__.partition(".")[0] in LIBRARIES


@cache
def assigned_in(cls: type) -> frozenset[str]:
    """Names that the methods of a class assign to `self`; none where there is no source."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except (OSError, TypeError):
        return frozenset()
    return frozenset(
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and receiver_of(node.value) == "self"
    )


def body_of(cls: type) -> list[str]:
    """Names that stand in the body of a class."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    assert isinstance(tree.body[0], ast.ClassDef)
    return [name for node in tree.body[0].body for name in _names_of(node) if name in vars(cls) and name[:2] != "__"]


def _names_of(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def member_of(classes: Iterable[type], name: str) -> Member | None:
    """What the first of the classes that knows `name` has there."""
    classes = list(classes)
    for cls in classes:
        if name in vars(cls):
            return _member(vars(cls)[name])
    return Member("data") if any(name in assigned_in(cls) for cls in classes) else None


def _member(found: Any) -> Member:
    if isinstance(found, staticmethod | classmethod):
        return Member(_kind(found.__func__), found.__func__, bound=isinstance(found, classmethod))
    if type(found).__name__ == "ServiceTask":
        return Member("task", found.fun)
    if isinstance(found, property | cached_property) or type(found).__name__ == "cached_property":
        return Member("property")
    if inspect.isroutine(found):
        return Member(_kind(found), found)
    return Member("data")


def _kind(function: Any) -> str:
    return "coroutine" if inspect.iscoroutinefunction(function) else "function"


def _signature(member: Member) -> inspect.Signature | None:
    """Without the object itself; None where there is none to read, as in compiled code."""
    try:
        signature = inspect.signature(member.function)
    except (TypeError, ValueError):
        return None
    parameters = list(signature.parameters.values())
    return signature.replace(parameters=parameters[1:] if member.bound else parameters)


def misuse(use: Use, member: Member) -> str:
    """How a call does not fit what is called; empty when it does, or nothing is known of it."""
    if use.arguments is None or member.kind in ("data", "property"):
        return ""
    signature = _signature(member)
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


def mismatch(ours: Member, theirs: Member) -> str:
    """How an override cannot stand for what it overrides; empty when it can."""
    if ours.kind != theirs.kind:
        return "" if "data" in (ours.kind, theirs.kind) else f"it is a {ours.kind}, theirs a {theirs.kind}"
    mine, other = (_signature(ours), _signature(theirs)) if ours.function is not None else (None, None)
    if mine is None or other is None:
        return ""
    return _unlike(mine, other)


def _unlike(mine: inspect.Signature, other: inspect.Signature) -> str:
    """Every way to call `other` must do for `mine`, by position and by name."""
    kinds = {parameter.kind for parameter in mine.parameters.values()}
    starred = inspect.Parameter.VAR_POSITIONAL in kinds, inspect.Parameter.VAR_KEYWORD in kinds
    if all(starred):
        return ""
    mine_in_order = [p for p in mine.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    for position, parameter in enumerate(other.parameters.values()):
        by_name = parameter.kind is parameter.KEYWORD_ONLY
        found = mine.parameters.get(parameter.name)
        if found is None and (starred[1] if by_name else starred[0]):
            continue
        if found is None or (not by_name and (position >= len(mine_in_order) or mine_in_order[position] is not found)):
            return f"it takes {mine}, theirs {other}"
        if parameter.default is not parameter.empty and found.default is found.empty:
            return f"{found.name} may be left out of theirs"
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    extra = [p for name, p in mine.parameters.items() if name not in other.parameters and p.kind not in variable]
    return f"it asks for more than theirs: {mine}, {other}" if any(p.default is p.empty for p in extra) else ""


# ---- the whole


@dataclass(frozen=True, slots=True)
class Need:
    """A name that a library must have, with all the places that need it."""

    owner: str
    name: str
    uses: list[Use]

    def __str__(self) -> str:
        return f"{self.owner}.{self.name}"


def family(path: str) -> list[type]:
    """The classes in which to look for a name of `module:Class`, or of one of several with ` | ` in between."""
    return [cls for one in path.split(" | ") for cls in load(one).__mro__]


def load(path: str) -> type:
    """The class that `module:Class` names. Raises ImportError or AttributeError."""
    module, _, name = path.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    assert isinstance(found, type), path
    return found


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
                self.overrides[f"{where}.{name}"] = mismatch(_member(vars(cls)[name]), member)
            elif name not in touched and _member(vars(cls)[name]).kind != "task":
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
