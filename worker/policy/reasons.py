"""Why a rule holds: how certain it is, what would have changed it, and the statistics behind it.

**Certainty of a decision.** The condition is asked again with everything less certain than c taken away. The greatest
c for which it still holds is the decision's certainty: that of the weakest link in the strongest sufficient reason.
So of two reasons joined by `||` the surer counts, and of two joined by `&&` the less sure. Taken away means: an
accusing fact (one that has a certainty) below c is as if nothing were known, a family's level is NONE. Records and
measurements without a certainty (label, registration, frame, room …) stay; they are as they were read. The share of an
accusing fact is that of the time for which it was possible or surer, so it never makes a decision confirmed.

    signals                suspected: no norm bounds how often one of them is high by chance
    a level's certainty    WATCH, LABEL → suspected; LIMIT, RESTRICT → possible
    confirmed              only where two independent families that the rule reads are both at LIMIT or above;
                           AI and UNLABELLED bet on the same detectors, so they are one
"""

from typing import Any

from msgspec.structs import replace

from worker.audit.evidence import CLEAR_SHARE, DESIGNS, THRESHOLDS, Family, Level, level_of
from worker.audit.facts import Certainty
from worker.audit.numbers import log, total
from worker.audit.room import Room
from worker.policy.inputs import ACCUSING, DEFAULTS, TAKEN_AWAY, Inputs, as_json
from worker.policy.model import Evidence, Json, Rule

INDEPENDENT: dict[str, str] = {"AI": "detectors", "UNLABELLED": "detectors"}
"""Families that are not independent of each other share a word; every other family stands for itself."""

RESTS_ON: dict[str, dict[str, tuple[str, ...]]] = {
    "ai_presenter": {
        "detectors": ("AI",),
        "voice_and_visual": ("AI",),
        "detectors_and_challenge": ("AI", "CHALLENGE"),
    },
    "recorded": {
        "repetition": ("PLAY",),
        "repetition_and_challenge": ("PLAY", "CHALLENGE"),
        "repetition_and_source": ("PLAY",),
    },
}
"""Facts that statistics may make (`audit.markers.presenter`): by the value of `by`, the families they rest on."""


def holds(rule: Rule, inputs: Inputs) -> bool:
    """Whether the rule holds: within its scope, its condition true, and not exempt."""
    if rule.scope == "selling" and not inputs.facts["room"].selling:
        return False
    return rule.when.holds(inputs) and not rule.exempt.may_hold(inputs)


def certainty_of(rule: Rule, inputs: Inputs) -> int:
    """How certain a rule that holds is; see the head of this module."""
    for certainty in (Certainty.CONFIRMED, Certainty.POSSIBLE):
        if rule.when.holds(_at_least(rule, inputs, certainty)):
            return certainty
    return Certainty.SUSPECTED


def _at_least(rule: Rule, inputs: Inputs, certainty: Certainty) -> Inputs:
    weak: dict[str, Any] = {
        name: DEFAULTS[name] for name in rule.when.facts & ACCUSING if inputs.facts[name].certainty < certainty
    }
    if "signals" in rule.when.facts:
        weak["signals"] = DEFAULTS["signals"]
    needed = Level.LABEL if certainty == Certainty.SUSPECTED else Level.LIMIT
    strong = {f for f in rule.when.families if inputs.levels.get(f, 0) >= needed}
    if certainty == Certainty.CONFIRMED and len({INDEPENDENT.get(f, f) for f in strong}) < 2:
        strong = set()
    fewer = inputs.with_facts(weak).with_levels(dict.fromkeys(rule.when.families - strong, 0))
    return fewer.without_shares(ACCUSING) if certainty == Certainty.CONFIRMED else fewer


def counterfactual(rule: Rule, inputs: Inputs, room: Room) -> tuple[str, ...]:
    """Facts, families and signals without which the rule would not hold; exact, by asking again without each.

    A family is taken away wherever it speaks: its level, its kin's (AI and UNLABELLED see the same looks), and the
    facts that rest on it fall back to what is left of them.
    """
    needed = []
    before = {name.partition(".")[0] for name, _ in rule.when.shares + rule.exempt.shares}
    for name in sorted((rule.when.facts | rule.exempt.facts) - {"room"}):
        spoke = inputs.facts[name] != TAKEN_AWAY[name] or name in before
        if spoke and not holds(rule, inputs.with_facts({name: TAKEN_AWAY[name]})):
            needed.append(name)
    named = rule.when.families | rule.exempt.families
    seen: set[str] = set()
    for name in (*sorted(named), *sorted(_families_behind(rule, inputs) - named)):
        kin = INDEPENDENT.get(name, name)
        family = room.evidence(name)
        if not inputs.levels.get(name, 0) or kin in seen or family is None:
            continue
        seen.add(kin)
        if not holds(rule, _without(rule, inputs, room, name, None)):
            needed.append(name)
        for k, signal in enumerate(DESIGNS[family.name].signals):
            if not holds(rule, _without(rule, inputs, room, name, k)):
                needed.append(f"{name}.{signal}")
    return tuple(needed)


def _families_behind(rule: Rule, inputs: Inputs) -> set[str]:
    """Families on which facts that the rule reads rest."""
    found: set[str] = set()
    for fact, by in RESTS_ON.items():
        if fact in rule.when.facts | rule.exempt.facts:
            found.update(by.get(inputs.facts[fact].by, ()))
    return found


def _without(rule: Rule, inputs: Inputs, room: Room, name: str, signal: int | None) -> Inputs:
    """The inputs without a family, or without one of its signals (in its kin too)."""
    kin = INDEPENDENT.get(name, name)
    levels = {}
    for other, level in inputs.levels.items():
        if level and INDEPENDENT.get(other, other) == kin:
            family = room.evidence(other)
            levels[other] = 0 if signal is None or family is None else _level_without(family, level, signal)
    fewer = inputs.with_levels(levels)
    facts: dict[str, Any] = {}
    for fact, by in RESTS_ON.items():
        value = inputs.facts[fact]
        behind = {INDEPENDENT.get(other, other) for other in by.get(value.by, ())}
        if fact in rule.when.facts | rule.exempt.facts and kin in behind:
            facts[fact] = _fallen(fact, value, fewer, room)
    return fewer.with_facts(facts)


def _fallen(fact: str, value: Any, fewer: Inputs, room: Room) -> Any:
    """What is left of a statistical fact when a family is weakened: what markers say, or the level that remains."""
    main = RESTS_ON[fact][value.by][0]
    level = fewer.levels.get(main, 0)
    left = Certainty.POSSIBLE if level >= Level.LIMIT else Certainty(level >= Level.LABEL)
    if fact == "recorded" and room.session.facts.frame.same_source_audio:
        left = Certainty.CONFIRMED if level >= Level.LIMIT else Certainty.POSSIBLE
    if fact == "ai_presenter" and room.session.marked.certainty >= left:
        return room.session.marked
    return replace(value, certainty=min(left, Certainty(value.certainty))) if left else DEFAULTS[fact]


def _level_without(family: Family, level: int, signal: int) -> int:
    """The level without one signal. A level that only holds on above a twentieth of its bar may do so here too."""
    mass = family.mass_without(signal)
    lingering = family.mass() < THRESHOLDS[level]
    if lingering and mass >= THRESHOLDS[level] * CLEAR_SHARE:
        return level
    return level_of(mass, 0, level)


def driving_family(rule: Rule, inputs: Inputs) -> str | None:
    """The family of evidence that the rule rests on, if statistics drive it: one that is needed, or enough alone."""
    found = []
    for family in rule.when.families:
        if inputs.levels.get(family, 0) and _matters(rule, inputs, None, family):
            found.append(family)
    for fact, by in RESTS_ON.items():
        behind = by.get(inputs.facts[fact].by, ())
        if behind and fact in rule.when.facts and _matters(rule, inputs, fact, None):
            found.append(behind[0])
    return max(found, key=lambda f: (inputs.levels.get(f, 0), f), default=None)


def _matters(rule: Rule, inputs: Inputs, fact: str | None, family: str | None) -> bool:
    one_fact = {fact: DEFAULTS[fact]} if fact else {}
    one_level = {family: 0} if family else {}
    if not rule.when.holds(inputs.with_facts(one_fact).with_levels(one_level)):
        return True
    others = {name: DEFAULTS[name] for name in rule.when.facts & ACCUSING if name != fact}
    levels = dict.fromkeys((f for f in rule.when.families if f != family), 0)
    return rule.when.holds(inputs.with_facts(others).with_levels(levels))


def evidence_of(family: Family) -> tuple[tuple[Evidence, ...], float]:
    """A family's shares and their sum, which is ln M. Shares are summed in their order, so anyone can repeat it."""
    shares = [
        Evidence("start", family.start_nats, 0.0, 0.0, 0, family.since_ms),
        Evidence("time", family.time_nats, 0.0, 0.0, 0, family.since_ms),
    ]
    for k, signal in enumerate(DESIGNS[family.name].signals):
        if family.blocks[k]:
            value = family.values[k] or 0.0
            shares.append(Evidence(signal, family.nats[k], value, family.norms[k], family.blocks[k], family.since_ms))
    return tuple(shares), total(share.nats for share in shares)


def bar_of(level: int) -> float | None:
    """ln of the mass that a level needs."""
    return log(THRESHOLDS[level]) if level else None


def facts_read(rule: Rule, inputs: Inputs) -> dict[str, Json]:
    """The value of every fact that the rule read, for people; levels in words."""
    names = sorted(rule.when.facts | rule.exempt.facts | ({"room"} if rule.scope == "selling" else set()))
    out: dict[str, Json] = {name: as_json(inputs, name) for name in names}
    families = sorted(rule.when.families | rule.exempt.families)
    if families:
        out["level"] = {f: Level(inputs.levels.get(f, 0)).name.lower() for f in families}
    asked = sorted({*rule.when.shares, *rule.exempt.shares})
    if asked:
        out["share"] = {f"{name} of {ms // 1000} s": inputs.share(name, ms) for name, ms in asked}
    return out


def window_start_ms(rule: Rule, inputs: Inputs, family: Family | None) -> int:
    """Since when there has been evidence: of the family, or of the earliest accusing fact that the rule reads."""
    if family is not None:
        return min(family.since_ms, inputs.now_ms)
    since = [inputs.facts[name].since_ms for name in rule.when.facts & ACCUSING if inputs.facts[name].certainty]
    return min([since_ms for since_ms in since if since_ms > 0], default=inputs.now_ms)
