"""A question does not change what it is asked about: in the pure parts, what says yes or no and changes is a verb.

A function changes state if it assigns to, deletes from, or calls a changing method of something that it was given.
"""

import ast
from collections.abc import Iterator

import pytest

from tests.test_tidy import REPOSITORY, SHIPPED, functions_of, name_of, refuse

PURE = ("audit", "identities", "ingress", "policy")
VERBS = {
    "advance", "close", "count", "discover", "fold", "let", "note", "remember", "take", "update", "uphold",
}  # fmt: skip
"""How the name of a function begins that changes something and tells whether it did, or how it went."""
CACHES = {
    "worker/policy/compile.py:_holds": "keeps the answers that it has computed; the next answer is the same",
}
"""path:function → why it changes nothing that anyone can see."""
CHANGING = {
    "add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft", "remove",
    "reverse", "setdefault", "sort", "update",
}  # fmt: skip

Function = ast.FunctionDef | ast.AsyncFunctionDef


def root(node: ast.expr) -> str:
    """The name that an attribute or an item is reached from; empty for any other expression."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def given(function: Function) -> set[str]:
    """The names of parameters and of what is reached through them."""
    names = {argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Attribute) and root(node.value) in names:
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def changes(function: Function) -> Iterator[str]:
    """What a function changes of what it was given."""
    names = given(function)
    for node in ast.walk(function):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign | ast.Delete):
            targets = list(node.targets)
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            targets = [node.target]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGING:
            targets = [node.func]
        for target in targets:
            if isinstance(target, ast.Attribute | ast.Subscript) and root(target) in names:
                yield ast.unparse(target)


def is_question(function: Function) -> bool:
    return function.returns is not None and ast.unparse(function.returns) == "bool"


def test_what_answers_yes_or_no_changes_nothing_unless_its_name_is_a_verb() -> None:
    found = []
    asked = 0
    for path in SHIPPED:
        if path.relative_to(REPOSITORY / "worker").parts[0] in PURE:
            for function in filter(is_question, functions_of(path)):
                asked += 1
                changed = sorted(set(changes(function)))
                where = f"{name_of(path)}:{function.name}"
                if changed and where not in CACHES and function.name.strip("_").split("_")[0] not in VERBS:
                    found.append(f"{where} changes {', '.join(changed)}")
    assert asked > 40
    refuse(found, "a question leaves what it is asked about as it was; split it, or name it for what it does")


@pytest.mark.parametrize(
    "body",
    [
        "room.seen = 1",
        "room.counts.late += 1",
        "del room.episodes[rule]",
        "room.names.append(rule)",
        "names = room.names; names.add(rule)",
    ],
)
def test_a_question_that_changes_its_room_would_be_seen(body: str) -> None:
    function = ast.parse(f"def has_place(room: Room, rule: str) -> bool:\n    {body}\n    return True").body[0]
    assert isinstance(function, ast.FunctionDef)
    assert list(changes(function))


def test_what_a_question_makes_for_itself_is_its_own() -> None:
    text = "def has_place(room: Room) -> bool:\n    names = set(room.names)\n    names.add('x')\n    return bool(names)"
    function = ast.parse(text).body[0]
    assert isinstance(function, ast.FunctionDef)
    assert not list(changes(function))
