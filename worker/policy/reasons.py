"""Why a rule holds: how certain it is, what would have changed it, and the statistics behind it.

**Certainty of a decision.** The condition is asked again with everything less certain than c taken away. The greatest
c for which it still holds is the decision's certainty: that of the weakest link in the strongest sufficient reason.
So of two reasons joined by `||` the surer counts, and of two joined by `&&` the less sure. Taken away means: an
accusing fact (one that has a certainty) below c is as if nothing were known, a family's level is NONE. Records and
measurements without a certainty (label, registration, frame, room …) stay; they are as they were read.

    a level's certainty    WATCH, LABEL → suspected; LIMIT, RESTRICT → possible
    confirmed              only where two independent families that the rule reads are both at LIMIT or above;
                           AI and UNLABELLED bet on the same detectors, so they are one
"""

from math import log
from typing import Any

from worker.audit.evidence import CLEAR_SHARE, DESIGNS, THRESHOLDS, Family, Level, level_of
from worker.audit.facts import Certainty
from worker.audit.room import Room
from worker.policy.inputs import ACCUSING, DEFAULTS, Inputs, as_json
from worker.policy.model import Evidence, Json, Rule

INDEPENDENT: dict[str, str] = {"AI": "detectors", "UNLABELLED": "detectors"}
"""Families that are not independent of each other share a word; every other family stands for itself."""

STATISTICAL: dict[str, tuple[str, frozenset[str]]] = {
    "ai_presenter": ("AI", frozenset({"detectors", "voice_and_visual", "detectors_and_challenge"})),
    "recorded": ("PLAY", frozenset({"repetition", "repetition_and_challenge"})),
}
"""Facts that may rest on a family: which, and the values of `by` that say so."""


def holds(rule: Rule, inputs: Inputs) -> bool:
    """Whether the rule holds: within its scope, its condition true, and not exempt."""
    if rule.scope == "selling" and not inputs.facts["room"].selling:
        return False
    return rule.when.holds(inputs) and not rule.exempt.holds(inputs)


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
    needed = Level.LABEL if certainty == Certainty.SUSPECTED else Level.LIMIT
    strong = {f for f in rule.when.families if inputs.levels.get(f, 0) >= needed}
    if certainty == Certainty.CONFIRMED and len({INDEPENDENT.get(f, f) for f in strong}) < 2:
        strong = set()
    return inputs.with_facts(weak).with_levels(dict.fromkeys(rule.when.families - strong, 0))


def counterfactual(rule: Rule, inputs: Inputs, room: Room) -> tuple[str, ...]:
    """Facts, families and signals without which the rule would not hold; exact, by asking again without each."""
    needed = []
    for name in sorted((rule.when.facts | rule.exempt.facts) - {"room"}):
        if inputs.facts[name] != DEFAULTS[name] and not holds(rule, inputs.with_facts({name: DEFAULTS[name]})):
            needed.append(name)
    for name in sorted(rule.when.families | rule.exempt.families):
        if not inputs.levels.get(name, 0):
            continue
        if not holds(rule, inputs.with_levels({name: 0})):
            needed.append(name)
        family = room.evidence(name)
        if family is None:
            continue
        for k, signal in enumerate(DESIGNS[family.name].signals):
            if not holds(rule, inputs.with_levels({name: _level_without(family, inputs.levels[name], k)})):
                needed.append(f"{name}.{signal}")
    return tuple(needed)


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
    for fact, (family, by) in STATISTICAL.items():
        if fact in rule.when.facts and inputs.facts[fact].by in by and _matters(rule, inputs, fact, None):
            found.append(family)
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
    return tuple(shares), sum(share.nats for share in shares)


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
    return out


def window_start_ms(rule: Rule, inputs: Inputs, family: Family | None) -> int:
    """Since when there has been evidence: of the family, or of the earliest accusing fact that the rule reads."""
    if family is not None:
        return min(family.since_ms, inputs.now_ms)
    since = [inputs.facts[name].since_ms for name in rule.when.facts & ACCUSING if inputs.facts[name].certainty]
    return min([since_ms for since_ms in since if since_ms > 0], default=inputs.now_ms)
