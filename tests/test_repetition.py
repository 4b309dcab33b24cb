"""No two places in `worker/` share more than 15 lines: of what is written twice, one copy is left as it was.

Lines are compared by their shape: the same keywords and signs, whatever the names, numbers and strings are. Imports,
docstrings, comments and lone brackets do not count, nor do rows of a table, which are all of a shape or two.
"""

import ast
import io
import keyword
import tokenize
from collections.abc import Iterator
from itertools import combinations

import pytest

from tests.test_tidy import SHIPPED, name_of, refuse, text_of

LINES_MAX = 15
TABLE_SHAPES_MAX = 3  # rows, and the brackets around them
NOT_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
KINDS = {tokenize.NUMBER: "number", tokenize.STRING: "string", tokenize.NAME: "name"}

REPEATED: dict[tuple[str, str], str] = {}
"""(path, path) → why these two may share lines."""

Line = tuple[int, str]


def shapes(text: str) -> list[Line]:
    """(line number, shape) of the lines of a module that count."""
    passed_over: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Expr | ast.Import | ast.ImportFrom):
            continue
        if not isinstance(node, ast.Expr) or isinstance(node.value, ast.Constant):  # a docstring
            passed_over.update(range(node.lineno, (node.end_lineno or 0) + 1))
    lines: dict[int, list[str]] = {}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NOT_CODE and token.start[0] not in passed_over:
            same = token.type not in KINDS or keyword.iskeyword(token.string)
            lines.setdefault(token.start[0], []).append(token.string if same else KINDS[token.type])
    return [(number, " ".join(line)) for number, line in sorted(lines.items()) if any(map(str.isalnum, line))]


def runs(lines: list[Line]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """(first line, shapes) of each run that is one line too long to stand twice; not of tables."""
    for first in range(len(lines) - LINES_MAX):
        run = tuple(shape for _, shape in lines[first : first + LINES_MAX + 1])
        if len(set(run)) > TABLE_SHAPES_MAX:
            yield lines[first][0], run


def repeated(texts: dict[str, str]) -> dict[tuple[str, str], str]:
    """(path, path) → where a run of lines of the one stands again in the other, or further down in the same."""
    places: dict[tuple[str, ...], list[tuple[str, int]]] = {}
    for name, text in texts.items():
        for first, run in runs(shapes(text)):
            places.setdefault(run, []).append((name, first))
    found: dict[tuple[str, str], str] = {}
    for where in places.values():
        for (one, at), (other, again) in combinations(where, 2):
            if one != other or again - at > LINES_MAX:
                found.setdefault((one, other), f"{one}:{at} ~ {other}:{again}")
    return found


@pytest.fixture(scope="module")
def found() -> dict[tuple[str, str], str]:
    return repeated({name_of(path): text_of(path) for path in SHIPPED})


def test_no_two_places_of_the_worker_share_more_than_15_lines(found: dict[tuple[str, str], str]) -> None:
    refuse([where for pair, where in found.items() if pair not in REPEATED], "one piece of code serves both places")


def test_every_exemption_from_it_is_still_needed_and_says_why(found: dict[tuple[str, str], str]) -> None:
    refuse([f"{one} ~ {other}" for one, other in REPEATED.keys() - found.keys()], "these share no more than others")
    refuse([f"{one} ~ {other}" for (one, other), why in REPEATED.items() if len(why) < 10], "an exemption says why")


def function(name: str, lines: int) -> str:
    """A function whose lines are of three shapes, in turns."""
    body = [(f"{name}_{i} = {i}", f"call({name}_{i})", f"if {name}_{i} > {i}: pass")[i % 3] for i in range(lines - 1)]
    return f"def {name}():\n    " + "\n    ".join(body) + "\n"


def test_code_that_stands_twice_under_other_names_would_be_seen() -> None:
    one, other = (f'"""A module."""\nimport {name}\n\n\n{function(name, 16)}' for name in ("first", "second"))
    assert repeated({"a.py": one, "b.py": other}) == {("a.py", "b.py"): "a.py:5 ~ b.py:5"}
    assert repeated({"c.py": one + other.partition("\n\n\n")[2]}).keys() == {("c.py", "c.py")}


def test_fifteen_lines_and_tables_may_stand_twice() -> None:
    assert repeated({"a.py": function("first", 15), "b.py": function("second", 15)}) == {}
    table = "ROWS = (\n" + "".join(f'    row("{i}", {i}),\n' for i in range(40)) + ")\n"
    assert repeated({"a.py": table, "b.py": table}) == {}


def test_the_worker_is_read_at_all() -> None:
    counted = sum(len(shapes(text_of(path))) for path in SHIPPED)
    assert counted > 8_000
