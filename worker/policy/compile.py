"""Expressions: CEL (Google's runtime) over a closed, typed environment. The only file that knows CEL.

Two functions are compiled away, which keeps evaluation free of calls back into Python and makes their arguments
checkable: `level("AI")` becomes the variable `level.AI`, `held_for("label", duration("10m"))` becomes
`(held.label>=600000)`. Both replacements are padded to their old width, so columns in errors stay true.

Source: CEL language definition (cel-spec), "Syntax"; durations follow its `duration()`.
"""

import difflib
import re
from typing import Any

from cel_expr_python import cel

from worker.audit.evidence import FAMILIES
from worker.policy.inputs import ALSO_READS, CONSTANTS, DATED, FIELDS, VARIABLES, Inputs

EXPRESSION_CHARS_MAX = 2_000
KNOWN_MAX = 1_024  # results remembered by an expression
HELD_MAX_MS = 24 * 3_600_000

_CEL_TYPES: dict[Any, Any] = {
    bool: cel.Type.BOOL,
    int: cel.Type.INT,
    float: cel.Type.DOUBLE,
    str: cel.Type.STRING,
    list[str]: cel.Type.List(cel.Type.STRING),
    dict[str, int]: cel.Type.Map(cel.Type.STRING, cel.Type.INT),
}
_ENVIRONMENT = cel.NewEnv(variables={name: _CEL_TYPES[kind] for name, kind in VARIABLES.items()})

_TOKEN = re.compile(
    r"(?P<comment>//[^\n]*)|(?P<string>[rRbB]{0,2}(?:\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'))"
    r"|(?P<name>[A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)*)|(?P<number>\d[\w.]*)|(?P<space>\s+)|(?P<sign>.)",
    re.DOTALL,
)
_LEVEL = re.compile(r"""\blevel\s*\(\s*(?P<q>["'])(?P<family>[^"'\\]*)(?P=q)\s*\)""")
_HELD = re.compile(
    r"""\bheld_for\s*\(\s*(?P<q>["'])(?P<fact>[^"'\\]*)(?P=q)\s*,\s*"""
    r"""(?:duration\s*\(\s*)?(?P<d>["'])(?P<duration>[^"'\\]*)(?P=d)(?:\s*\))?\s*\)"""
)
_CEL_ERROR = re.compile(r"<input>:(\d+):(\d+): (.*)")
_DURATION = re.compile(r"(\d{1,9})(ms|s|m|h|d)")
_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class CompileError(Exception):
    """An expression was refused: `line` and `column` count from 1 within the expression."""

    def __init__(self, line: int, column: int, what: str) -> None:
        super().__init__(what)
        self.line = line
        self.column = column


class RuleError(Exception):
    """An expression failed when it was evaluated, for example by dividing by zero."""


def parse_duration(text: str) -> int | None:
    """`90s`, `30m`, `2h`, `30d` in ms; None when it is none of these."""
    found = _DURATION.fullmatch(text)
    return int(found[1]) * _UNIT_MS[found[2]] if found else None


class Program:
    """A compiled expression: what it reads, and whether it holds.

    Attributes:
        facts: facts it reads. families: families whose level it asks for.
    """

    __slots__ = ("_expression", "_known", "_names", "facts", "families", "text")

    def __init__(self, text: str, expression: Any, names: tuple[str, ...]) -> None:
        self.text = text
        self._expression = expression
        self._names = names
        # An expression is a function of its variables, and most rooms have the same: remember what was found.
        # None: it reads a list or a map, which cannot be looked up.
        hashable = all(VARIABLES[name] in (bool, int, float, str) for name in names)
        self._known: dict[tuple[Any, ...], bool] | None = {} if hashable else None
        heads = [name.split(".", 1) for name in names if "." in name]
        self.families = frozenset(rest for head, rest in heads if head == "level")
        self.facts = frozenset(
            {rest if head == "held" else head for head, rest in heads if head != "level"}
            | {ALSO_READS[name] for name in names if name in ALSO_READS}
        )

    def holds(self, inputs: Inputs) -> bool:
        """Whether it is true.

        Raises:
            RuleError: it has no value, because of a division by zero or because it takes more steps than CEL allows.
        """
        data = inputs.values(self._names)
        known = self._known
        if known is None:
            return self._evaluate(data)
        key = tuple(data.values())
        found = known.get(key)
        if found is None:
            found = self._evaluate(data)
            if len(known) >= KNOWN_MAX:
                known.clear()
            known[key] = found
        return found

    def _evaluate(self, data: dict[str, Any]) -> bool:
        try:
            value = self._expression.eval(data=data).value()
        except RuntimeError as error:  # CEL's budget of iterations bounds every evaluation
            raise RuleError(f"{str(error)[:200]}: too many steps; do not nest all, exists, map or filter") from None
        if value is True or value is False:
            return bool(value)
        raise RuleError(str(value)[:200])


def compile_expression(text: str) -> Program:
    """Compile a condition.

    Raises:
        CompileError: too long, unknown name, wrong type, not a condition, or no value on a room of which nothing
            is known.
    """
    if len(text) > EXPRESSION_CHARS_MAX:
        raise CompileError(1, 1, f"longer than {EXPRESSION_CHARS_MAX} characters; split the rule")
    plain = _blank_comments(text)
    plain = _HELD.sub(lambda m: _held(plain, m), plain)
    plain = _LEVEL.sub(lambda m: _level(plain, m), plain)
    names = _names_in(plain)
    try:
        expression = _ENVIRONMENT.compile(plain)
    except RuntimeError as error:
        raise _explained(str(error)) from None
    if expression.return_type() != cel.Type.BOOL:
        kind = expression.return_type().name().lower()
        raise CompileError(1, 1, f"the expression is of type {kind}, expected bool; compare it with something")
    return Program(text, expression, names)


def _blank_comments(text: str) -> str:
    """The text without comments, at its old width; what `level` and `held_for` become cannot be written by hand."""
    kept = []
    for token in _TOKEN.finditer(text):
        kept.append(" " * len(token[0]) if token.lastgroup == "comment" else token[0])
        head, dot, _ = token[0].partition(".")
        if token.lastgroup == "name" and dot and head.strip() in ("level", "held"):
            line, column = _position(text, token.start())
            raise CompileError(line, column, _unknown("level" if head.strip() == "level" else "held_for"))
    return "".join(kept)


def _position(text: str, at: int) -> tuple[int, int]:
    before = text[:at]
    return before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1


def _padded(new: str, old: str) -> str:
    newlines = old.count("\n")
    return new + " " * (len(old) - len(new) - newlines) + "\n" * newlines


def _level(text: str, found: re.Match[str]) -> str:
    family = found["family"]
    if family not in FAMILIES:
        line, column = _position(text, found.start("family"))
        raise CompileError(line, column, f"unknown family '{family}', expected one of {', '.join(FAMILIES)}")
    return _padded(f"level.{family}", found[0])


def _held(text: str, found: re.Match[str]) -> str:
    fact = found["fact"]
    if fact not in DATED:
        line, column = _position(text, found.start("fact"))
        expected = ", ".join(sorted(DATED))
        raise CompileError(line, column, f"held_for cannot ask about '{fact}', expected one of {expected}")
    held_ms = parse_duration(found["duration"])
    if held_ms is None or not 0 < held_ms <= HELD_MAX_MS:
        line, column = _position(text, found.start("duration"))
        raise CompileError(
            line, column, f'bad duration \'{found["duration"]}\', expected such as "90s" or "30m", up to "24h"'
        )
    return _padded(f"(held.{fact}>={held_ms})", found[0])


def _names_in(text: str) -> tuple[str, ...]:
    """The variables that occur. A name bound by a macro may shadow one: then one variable too many is read, no harm."""
    names: dict[str, None] = {}
    for token in _TOKEN.finditer(text):
        if token.lastgroup != "name":
            continue
        parts = re.sub(r"\s", "", token[0]).split(".")
        if parts[0] in FIELDS and len(parts) > 1:
            _check_field(text, token, parts[0], parts[1])
        name = ".".join(parts[:2])
        if name in VARIABLES:
            names[name] = None
        elif parts[0] in CONSTANTS:
            names[parts[0]] = None
    return tuple(names)


def _check_field(text: str, token: re.Match[str], fact: str, field: str) -> None:
    if field in FIELDS[fact]:
        return
    line, column = _position(text, token.start() + token[0].index(field, len(fact)))
    near = difflib.get_close_matches(field, FIELDS[fact], n=1)
    hint = f"; did you mean '{fact}.{near[0]}'?" if near else ""
    raise CompileError(
        line, column, f"fact '{fact}' has no field '{field}', expected one of {', '.join(sorted(FIELDS[fact]))}{hint}"
    )


def _explained(error: str) -> CompileError:
    """CEL's message as ours: where, what, what was expected."""
    found = _CEL_ERROR.search(error)
    if found is None:
        return CompileError(1, 1, error.splitlines()[0][:300])
    line, column, what = int(found[1]), int(found[2]), found[3].removesuffix(" [INVALID_ARGUMENT]")
    if unknown := re.match(r"undeclared reference to '([^']*)'", what):
        return CompileError(line, column, _unknown(unknown[1]))
    if mismatch := re.match(r"found no matching overload for '([^']*)' applied to '\((.*)\)'", what):
        operator = mismatch[1].strip("_@")
        hint = "; ratios are double: write 0.5 or 1.0" if "double" in mismatch[2] else ""
        what = f"'{operator}' cannot take ({mismatch[2]}), expected operands of matching types{hint}"
        return CompileError(line, column, what)
    if what.startswith("Syntax error"):
        what = what.split(" expecting ")[0] + ", expected a complete CEL expression"
    return CompileError(line, column, what[:300])


def _unknown(name: str) -> str:
    if name in FIELDS:
        return f"'{name}' is a fact, expected one of its fields: {', '.join(f'{name}.{f}' for f in FIELDS[name])}"
    if name in ("level", "held_for"):
        example = 'level("AI")' if name == "level" else 'held_for("label", duration("10m"))'
        return f"{name} needs literal arguments, such as {example}"
    near = difflib.get_close_matches(name, [*VARIABLES, *FIELDS, "level", "held_for"], n=1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return (
        f"unknown name '{name}', expected a fact ({', '.join(FIELDS)}), a constant ({', '.join(CONSTANTS)}), "
        f"level(family) or held_for(fact, duration){hint}"
    )
