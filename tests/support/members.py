"""What a class has under a name, of which kind, and whether one signature can stand for another.

A name is looked up where a class defines it: in its body, or in what its methods assign to `self`.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

LIBRARIES = ("faust", "mode", "aiokafka")


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
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and getattr(node.value, "id", "") == "self"
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
            return as_member(vars(cls)[name])
    return Member("data") if any(name in assigned_in(cls) for cls in classes) else None


def as_member(found: Any) -> Member:
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


def signature_of(member: Member) -> inspect.Signature | None:
    """Without the object itself; None where there is none to read, as in compiled code."""
    try:
        signature = inspect.signature(member.function)
    except (TypeError, ValueError):
        return None
    parameters = list(signature.parameters.values())
    return signature.replace(parameters=parameters[1:] if member.bound else parameters)


def mismatch(ours: Member, theirs: Member) -> str:
    """How an override cannot stand for what it overrides; empty when it can."""
    if ours.kind != theirs.kind:
        return "" if "data" in (ours.kind, theirs.kind) else f"it is a {ours.kind}, theirs a {theirs.kind}"
    mine, other = (signature_of(ours), signature_of(theirs)) if ours.function is not None else (None, None)
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
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            if parameter.kind not in kinds:
                return f"it takes {mine}, theirs {other}"
            continue
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


def protocol_members(protocol: type) -> dict[str, Member]:
    """What a Protocol asks for, its bases' members among it."""
    bases = [cls for cls in protocol.__mro__ if getattr(cls, "_is_protocol", False) and cls.__module__ != "typing"]
    names = {name for cls in bases for name in (*body_of(cls), *inspect.get_annotations(cls))}
    return {name: member_of(bases, name) or Member("data") for name in names}


def shortfall(path: str, protocol: type) -> list[str]:
    """How the class at `path` (`module:Class`) falls short of a Protocol; empty when it does not."""
    found = []
    for name, wanted in protocol_members(protocol).items():
        member = member_of(load(path).__mro__, name)
        if member is None:
            found.append(f"{path} has no {name}")
        elif wanted.function is not None and (problem := mismatch(member, wanted)):
            found.append(f"{path}.{name}: {problem}")
    return found


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
