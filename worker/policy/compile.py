"""Expressions: CEL (Google's runtime) over a closed, typed environment. The only file that knows CEL.

Three functions are compiled away, which keeps evaluation free of calls back into Python and makes their arguments
checkable: `level("AI")` becomes the variable `level.AI`, `held_for("label", duration("10m"))` becomes
`(held.label>=600000)`, each `share("label.visible", duration("30m"))` a variable of its own. Replacements are padded to
their old width, so columns in errors stay true.

Source: CEL language definition (cel-spec), "Syntax"; durations follow its `duration()`.
"""

import difflib
import re
from collections.abc import Iterator
from itertools import product
from typing import Any

from cel_expr_python import cel

from worker.audit.evidence import FAMILIES
from worker.policy.inputs import ALSO_READS, CONSTANTS, DATED, FIELDS, SHARED, VARIABLES, Inputs

EXPRESSION_CHARS_MAX = 2_000
KNOWN_MAX = 1_024  # results remembered by an expression
HELD_MAX_MS = 24 * 3_600_000
SHARES_MAX = 4  # of one expression
_SHARE_NAMES = tuple(f"share.s{n}" for n in range(SHARES_MAX))

_CEL_TYPES: dict[Any, Any] = {
    bool: cel.Type.BOOL,
    int: cel.Type.INT,
    float: cel.Type.DOUBLE,
    str: cel.Type.STRING,
    list[str]: cel.Type.List(cel.Type.STRING),
    dict[str, int]: cel.Type.Map(cel.Type.STRING, cel.Type.INT),
    dict[str, float]: cel.Type.Map(cel.Type.STRING, cel.Type.DOUBLE),
}
_TYPES = {name: _CEL_TYPES[kind] for name, kind in VARIABLES.items()}
_ENVIRONMENT = cel.NewEnv(variables=_TYPES | dict.fromkeys(_SHARE_NAMES, cel.Type.DOUBLE))

_TOKEN = re.compile(
    r"(?P<comment>//[^\n]*)|(?P<string>[rRbB]{0,2}(?:\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'))"
    r"|(?P<name>[A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)*)|(?P<number>\d[\w.]*)|(?P<space>\s+)|(?P<sign>.)",
    re.ASCII | re.DOTALL,
)
_LEVEL = re.compile(r"""\blevel\s*\(\s*(?P<q>["'])(?P<family>[^"'\\]*)(?P=q)\s*\)""", re.ASCII)
_HELD = re.compile(
    r"""\bheld_for\s*\(\s*(?P<q>["'])(?P<fact>[^"'\\]*)(?P=q)\s*,\s*"""
    r"""(?:duration\s*\(\s*)?(?P<d>["'])(?P<duration>[^"'\\]*)(?P=d)(?:\s*\))?\s*\)""",
    re.ASCII,
)
_SHARE = re.compile(
    r"""\bshare\s*\(\s*(?P<q>["'])(?P<fact>[^"'\\]*)(?P=q)\s*,\s*"""
    r"""(?:duration\s*\(\s*)?(?P<d>["'])(?P<duration>[^"'\\]*)(?P=d)(?:\s*\))?\s*\)""",
    re.ASCII,
)
_CEL_ERROR = re.compile(r"<input>:(\d+):(\d+): (.*)", re.ASCII)
_DURATION = re.compile(r"(\d{1,9})(ms|s|m|h|d)", re.ASCII)
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
        facts: facts it reads. families: families whose level it asks for. shares: (name, ms) of each share it asks for.
    """

    __slots__ = ("_doubtful", "_expression", "_known", "_names", "facts", "families", "shares", "text")

    def __init__(self, text: str, expression: Any, names: tuple[str, ...], shares: tuple[tuple[str, int], ...]) -> None:
        self.text = text
        self.shares = shares
        self._expression = expression
        self._names = names
        self._doubtful = tuple(name for name in names if name in ("label.visible", "label.continuous", "label.kind"))
        # An expression is a function of its variables, and most rooms have the same: remember what was found.
        # None: it reads a list or a map, which cannot be looked up.
        hashable = all(VARIABLES[name] in (bool, int, float, str) for name in names)
        self._known: dict[tuple[Any, ...], bool] | None = {} if hashable else None
        heads = [name.split(".", 1) for name in names if "." in name]
        self.families = frozenset(rest for head, rest in heads if head == "level")
        self.facts = frozenset(
            {rest if head == "held" else head for head, rest in heads if head != "level"}
            | {name for name in names if name in FIELDS}
            | {ALSO_READS[name] for name in names if name in ALSO_READS}
            | {name.partition(".")[0] for name, _ in shares}
        )

    def holds(self, inputs: Inputs) -> bool:
        """Whether it is true; of shares and a label that are not known, whether it is true whatever they are.

        Raises:
            RuleError: it has no value, because of a division by zero or because it takes more steps than CEL allows.
        """
        if not self.shares and not (self._doubtful and inputs.label_ways):
            return self._holds(inputs.values(self._names))
        return all(map(self._holds, self._cases(inputs)))

    def may_hold(self, inputs: Inputs) -> bool:
        """Whether it is true; of shares and a label that are not known, whether it may be. Raises as `holds`."""
        return any(map(self._holds, self._cases(inputs)))

    def _cases(self, inputs: Inputs) -> Iterator[dict[str, Any]]:
        """The values to try: every share once at its least and once at its most, the label in all ways that may be."""
        data = inputs.values(self._names)
        each = [dict.fromkeys(inputs.share_bounds(name, window_ms)) for name, window_ms in self.shares]
        ways = dict.fromkeys(tuple(way[name] for name in self._doubtful) for way in inputs.label_ways)
        for shares, way in product(product(*each), ways or [()]):
            yield {
                **data,
                **dict(zip(_SHARE_NAMES, shares, strict=False)),
                **dict(zip(self._doubtful, way, strict=False)),
            }

    def _holds(self, data: dict[str, Any]) -> bool:
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
    shares: list[tuple[str, int]] = []
    plain = _SHARE.sub(lambda m: _add_share(plain, m, shares), plain)
    names = _names_in(plain)
    _check_asked(plain)
    _check_zones(plain)
    try:
        expression = _ENVIRONMENT.compile(plain)
    except RuntimeError as error:
        raise _explained(str(error)) from None
    if expression.return_type() != cel.Type.BOOL:
        kind = expression.return_type().name().lower()
        raise CompileError(1, 1, f"the expression is of type {kind}, expected bool; compare it with something")
    return Program(text, expression, names, tuple(shares))


def _blank_comments(text: str) -> str:
    """The text without comments, at its old width; what the functions become cannot be written by hand."""
    kept = []
    for token in _TOKEN.finditer(text):
        kept.append(" " * len(token[0]) if token.lastgroup == "comment" else token[0])
        head, dot, _ = token[0].partition(".")
        if token.lastgroup == "name" and dot and _dense(head) in ("level", "held", "share"):
            line, column = _position(text, token.start())
            raise CompileError(line, column, _unknown("held_for" if _dense(head) == "held" else _dense(head)))
    return "".join(kept)


def _dense(name: str) -> str:
    return re.sub(r"\s", "", name, flags=re.ASCII)


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
    return _padded(f"(held.{fact}>={_window_ms(text, found)})", found[0])


def _add_share(text: str, found: re.Match[str], shares: list[tuple[str, int]]) -> str:
    name = found["fact"]
    if name not in SHARED:
        line, column = _position(text, found.start("fact"))
        raise CompileError(line, column, f"share cannot ask about '{name}', expected one of {', '.join(SHARED)}")
    asked = (name, _window_ms(text, found))
    if asked not in shares:
        shares.append(asked)
    if len(shares) > SHARES_MAX:
        line, column = _position(text, found.start())
        raise CompileError(line, column, f"more than {SHARES_MAX} different shares; split the rule")
    return _padded(_SHARE_NAMES[shares.index(asked)], found[0])


def _window_ms(text: str, found: re.Match[str]) -> int:
    window_ms = parse_duration(found["duration"])
    if window_ms is None or not 0 < window_ms <= HELD_MAX_MS:
        line, column = _position(text, found.start("duration"))
        raise CompileError(
            line, column, f'bad duration \'{found["duration"]}\', expected such as "90s" or "30m", up to "24h"'
        )
    return window_ms


def _names_in(text: str) -> tuple[str, ...]:
    """The variables that occur. A name bound by a macro may shadow one: then one variable too many is read, no harm."""
    names: dict[str, None] = {}
    for token in _TOKEN.finditer(text):
        if token.lastgroup != "name":
            continue
        parts = _dense(token[0]).split(".")
        if parts[0] in FIELDS and len(parts) > 1:
            _check_field(text, token, parts[0], parts[1])
        name = ".".join(parts[:2])
        if name in VARIABLES:
            names[name] = None
        elif parts[0] in VARIABLES:  # a constant, or a map of which a key is asked for
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


def _check_asked(text: str) -> None:
    """Of a signal that abstains there is nothing to read: whoever reads it asks `has` for it too."""
    tokens = [token for token in _TOKEN.finditer(text) if token.lastgroup != "space"]
    read: dict[str, int] = {}
    asked: set[str] = set()
    for i, token in enumerate(tokens):
        head, _, field = _dense(token[0]).partition(".")
        if token.lastgroup != "name" or head != "signals":
            continue
        if not field:
            raise CompileError(*_position(text, token.start()), _unknown(head))
        if [before[0] for before in tokens[max(0, i - 2) : i]] == ["has", "("]:
            asked.add(field)
        else:
            read.setdefault(field, token.start())
    for field, at in read.items():
        if field not in asked:
            what = f"signals.{field} is absent when the signal abstains; ask first: has(signals.{field}) && …"
            raise CompileError(*_position(text, at), what)


def _check_zones(text: str) -> None:
    """Refuse `getHours("Asia/Shanghai")` and its like: tables of time zones differ between machines."""
    tokens = [token for token in _TOKEN.finditer(text) if token.lastgroup != "space"]
    for name, bracket, argument in zip(tokens, tokens[1:], tokens[2:], strict=False):
        method = _dense(name[0]).rpartition(".")[2]
        if name.lastgroup == "name" and method.startswith("get") and bracket[0] == "(" and argument[0] != ")":
            what = f"{method} reads UTC and takes no time zone; add the offset to the timestamp"
            raise CompileError(*_position(text, argument.start()), what)


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
    if name in _EXAMPLES:
        return f"{name} needs literal arguments, such as {_EXAMPLES[name]}"
    near = difflib.get_close_matches(name, [*VARIABLES, *FIELDS, *_EXAMPLES], n=1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return (
        f"unknown name '{name}', expected a fact ({', '.join(FIELDS)}), a constant ({', '.join(CONSTANTS)}), "
        f"level(family), held_for(fact, duration) or share(fact, duration){hint}"
    )


_EXAMPLES = {
    "level": 'level("AI")',
    "held_for": 'held_for("label", duration("10m"))',
    "share": 'share("label.visible", duration("30m"))',
}
