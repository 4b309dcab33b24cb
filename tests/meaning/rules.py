"""Rules of policies, evaluated with Google's CEL. CONTRACT.md, "Rules"."""

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from typing import Any

from cel_expr_python import cel

from tests.meaning.claims import CONFIRMED, NONE, POSSIBLE, SUSPECTED

LEVELS = {"WATCH": 1, "LABEL": 2, "LIMIT": 3, "RESTRICT": 4}
CERTAINTIES = {"NONE": NONE, "SUSPECTED": SUSPECTED, "POSSIBLE": POSSIBLE, "CONFIRMED": CONFIRMED}
VARIABLES = ("ai_presenter", "recorded", "tamper", "idle", "label", "registration", "driven", "likeness", "persona",
             "software_promotion", "product_media", "frame", "fleet", "history", "room", "signals")  # fmt: skip
LABEL_KINDS = ("ai_generated", "digital_human", "virtual_host")
AT_SUSPECTED = {"notify", "challenge", "sample_more", "add_label", "review"}
AT_POSSIBLE = AT_SUSPECTED | {"no_boost", "reduce_live_recommendation", "hide_public_traffic"}
BY_PERSON = {"limit_commerce", "suspend_live", "ban_account", "freeze_payout", "report_authorities"}
UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


@dataclass(frozen=True, slots=True)
class World:
    """What an expression may read: facts, levels, and for how long (ms) facts have been as they are."""

    facts: Mapping[str, Mapping[str, Any]]
    levels: Mapping[str, int] = field(default_factory=dict)
    held: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as its policy writes it, with the policy's defaults."""

    id: str
    when: str
    exempt: str
    scope: str
    ladder: tuple[tuple[str, ...], ...]
    escalate_after: int
    clear_after: int
    cooldown: int
    mode: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a rule holds at one look, and how surely."""

    holds: bool
    certainty: int = NONE


class _Asked:
    """The world that the functions of an expression under evaluation read."""

    world = World({})


def _level(family: str) -> int:
    return _Asked.world.levels.get(family, 0)


def _held_for(fact: str, span: datetime.timedelta) -> bool:
    return _Asked.world.held.get(fact, 0) >= span / datetime.timedelta(milliseconds=1)


@cache
def _environment() -> Any:
    kinds = cel.Type
    functions = [
        cel.FunctionDecl("level", [cel.Overload("level_s", kinds.INT, [kinds.STRING], impl=_level)]),
        cel.FunctionDecl(
            "held_for", [cel.Overload("held_for_sd", kinds.BOOL, [kinds.STRING, kinds.DURATION], impl=_held_for)]
        ),
    ]
    variables = dict.fromkeys(VARIABLES, kinds.DYN) | dict.fromkeys([*LEVELS, *CERTAINTIES], kinds.INT)
    return cel.NewEnv(variables=variables, functions=functions)


@cache
def _compiled(text: str) -> Any:
    return _environment().compile(text)


def true_in(text: str, world: World) -> bool:
    """Evaluate an expression. One that fails is false."""
    _Asked.world = world
    value = _compiled(text).eval(data={**world.facts, **LEVELS, **CERTAINTIES}).value()
    return value is True


def worlds_of(world: World) -> list[World]:
    """The world, with whatever is unknown of the label tried in all ways. What is continuous is visible."""
    label = world.facts["label"]
    known = [[True, False] if label[name] is None else [label[name]] for name in ("visible", "continuous")]
    kinds = LABEL_KINDS if label["visible"] is None else (label["kind"],)
    tried = [{"visible": v, "continuous": c, "kind": kind} for v, c, kind in product(*known, kinds) if v or not c]
    return [World({**world.facts, "label": {**label, **way}}, world.levels, world.held) for way in tried]


def masked(world: World, certainty: int, when: str) -> World:
    """The world without what is less sure than `certainty`. Two independent families at LIMIT make levels confirmed."""
    facts = {
        name: {**fact, "certainty": NONE} if fact.get("certainty", certainty) < certainty else fact
        for name, fact in world.facts.items()
    }
    if certainty > SUSPECTED:
        facts["signals"] = {}
    high = {family for family, level in world.levels.items() if level >= LEVELS["LIMIT"] and f'"{family}"' in when}
    at_limit = CONFIRMED if len({"AI" if family == "UNLABELLED" else family for family in high}) > 1 else POSSIBLE
    sure = {f: SUSPECTED if level < LEVELS["LIMIT"] else at_limit for f, level in world.levels.items()}
    levels = {family: level for family, level in world.levels.items() if sure[family] >= certainty}
    return World(facts, levels, world.held)


def verdict(rule: Rule, world: World) -> Verdict:
    """Whether `when` holds whatever is unknown and `exempt` cannot; the greatest certainty at which it still does."""
    if rule.scope == "selling" and not world.facts["room"]["selling"]:
        return Verdict(False)
    ways = worlds_of(world)
    if not all(true_in(rule.when, way) for way in ways) or any(true_in(rule.exempt, way) for way in ways):
        return Verdict(False)
    sure = (c for c in (CONFIRMED, POSSIBLE) if all(true_in(rule.when, masked(way, c, rule.when)) for way in ways))
    return Verdict(True, next(sure, SUSPECTED))


def leaves(step: Sequence[str], certainty: int) -> tuple[str, ...]:
    """The actions of a step that may leave at a certainty, without those that a person decides."""
    allowed = {SUSPECTED: AT_SUSPECTED, POSSIBLE: AT_POSSIBLE}.get(certainty)
    may = [action for action in step if allowed is None or action in allowed]
    return tuple(dict.fromkeys("review" if action in BY_PERSON else action for action in may)) or ("review",)


def milliseconds(text: str) -> int:
    return int(text[:-1]) * UNITS[text[-1]]


_RULES: dict[int, tuple[Mapping[str, Any], list[Rule]]] = {}
"""Documents that were read, by their identity."""


def rules_of(policy: Mapping[str, Any]) -> list[Rule]:
    """The rules of one policy document, which may not change."""
    known = _RULES.get(id(policy))
    if known is None or known[0] is not policy:
        known = _RULES[id(policy)] = (policy, list(_read(policy)))
    return known[1]


def _read(policy: Mapping[str, Any]) -> Iterator[Rule]:
    for raw in policy["rules"]:
        given = {**policy.get("defaults", {}), **raw}
        ladder = tuple(
            tuple(a if isinstance(a, str) else a["action"] for a in (step if isinstance(step, list) else [step]))
            for step in given["ladder"]
        )
        escalate, clear, cool = (
            milliseconds(given.get(name, "30m")) for name in ("escalate_after", "clear_after", "cooldown")
        )
        mode = given.get("rollout", {}).get("mode", "live")
        scope, exempt = given.get("scope", "selling"), given.get("exempt", "false")
        yield Rule(given["id"], given["when"], exempt, scope, ladder, escalate, clear, cool, mode)


def in_force(policies: Iterable[Mapping[str, Any]], platform: str, region: str, newest_ms: int) -> list[Rule]:
    """The rules that hold in a room: of the policies that name its platform, and of what these inherit."""
    book: dict[str, Mapping[str, Any]] = {}
    for policy in sorted(policies, key=lambda p: int(p["version"])):
        if policy.get("effective_from_ms", 0) <= newest_ms:
            book[policy["policy"]] = policy

    def reaches(policy: Mapping[str, Any]) -> bool:
        return region in policy.get("applies", {}).get("regions", [region])

    chosen = [p for p in book.values() if platform in p.get("applies", {}).get("platforms", []) and reaches(p)]
    names = dict.fromkeys(p["policy"] for p in chosen)
    for policy in chosen:
        names |= dict.fromkeys(n for n in policy.get("inherits", []) if n in book and reaches(book[n]))
    return [rule for name in names for rule in rules_of(book[name])]
