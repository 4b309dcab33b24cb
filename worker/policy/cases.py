"""The tests inside a policy file: given these facts, which actions does the rule open with, or does it stay quiet?

A fact that is not given is as if nothing were known, but a label that is not given is not there; `visible: unknown`
and `continuous: unknown` say that it is not known. The room sells, has 100 viewers and is an hour old unless `room`
says otherwise. `held: 20m` says for how long a fact has been so (a minute, if not given); `share` gives what
`share` finds, over whatever duration. `of: {host: h-1}` says whose room it is: one that is exempt expects none.
Expected are the actions that leave at the first step of the ladder, after certainty and reviewers have had their say,
as if the rule were live.
"""

import re
from collections.abc import Mapping
from typing import Any

import yaml
from msgspec.structs import replace

from worker.audit.events import Shop
from worker.audit.evidence import FAMILIES, Level
from worker.audit.facts import Certainty
from worker.audit.room import Room, Session
from worker.policy import shares
from worker.policy.actions import ACTIONS, recommend
from worker.policy.compile import RuleError
from worker.policy.document import Document, Missing
from worker.policy.exemptions import MILLIS_MAX, exemption_of
from worker.policy.inputs import DATED, FIELDS, MS_PER_MINUTE, SHARED, TAKEN_AWAY, Inputs, RoomFact
from worker.policy.model import WHOM, Case, Json, Policy, Problem, Rule
from worker.policy.reasons import certainty_of, holds

_NUMBER = re.compile(r"-?\d{1,9}(?:\.\d{1,9})?", re.ASCII)
NOW_MS = 1_700_000_000_000
DEFAULT_HELD_MS = MS_PER_MINUTE
UNKNOWABLE = ("label.visible", "label.continuous")


def read_case(doc: Document, node: yaml.Node) -> Case:
    """One `{given: …, expect: …}`."""
    entries = doc.mapping(node, "a test", ("given", "expect", "of", "at_ms"))
    given_node = doc.need(entries, "given", node, "a test")
    expect = _expected(doc, doc.need(entries, "expect", node, "a test"))
    given: dict[str, dict[str, Json]] = {}
    for fact, value in doc.open_mapping(given_node, "given").items():
        if fact == "level":
            given[fact] = _levels(doc, value)
        elif fact == "share":
            given[fact] = _shares(doc, value)
        elif fact in FIELDS:
            given[fact] = _fields(doc, fact, value)
        else:
            doc.note(value, f"unknown fact '{fact}', expected level, share or one of {', '.join(FIELDS)}")
    of = doc.mapping(entries["of"], "of", WHOM) if "of" in entries else {}
    at_ms = doc.integer(entries["at_ms"], "at_ms", 0, MILLIS_MAX) if "at_ms" in entries else NOW_MS
    whose = {whom: doc.text(of[whom], whom, 64) for whom in WHOM if whom in of}
    return Case(given, expect, whose, at_ms, node.start_mark.line + 1, node.start_mark.column + 1)


def _expected(doc: Document, node: yaml.Node) -> tuple[str, ...]:
    if isinstance(node, yaml.ScalarNode):
        if node.value != "none":
            raise doc.note(node, f"bad expect '{node.value}', expected none or a list of actions")
        return ()
    actions = tuple(doc.choice(item, "action", ACTIONS) for item in doc.sequence(node, "expect", len(ACTIONS)))
    if not actions:
        raise doc.note(node, "expect is an empty list; write none if the rule must stay quiet")
    return actions


def _levels(doc: Document, node: yaml.Node) -> dict[str, Json]:
    levels: dict[str, Json] = {}
    for family, value in doc.mapping(node, "level", FAMILIES).items():
        levels[family] = int(Level[doc.choice(value, "level", [level.name for level in Level])])
    return levels


def _shares(doc: Document, node: yaml.Node) -> dict[str, Json]:
    shares: dict[str, Json] = {}
    for name, value in doc.mapping(node, "share", SHARED).items():
        text = doc.text(value, f"share of {name}")
        if _NUMBER.fullmatch(text) is None or not 0 <= float(text) <= 1:
            raise doc.note(value, f"share of {name} must be from 0.0 to 1.0, is '{text}'")
        shares[name] = float(text)
    return shares


def _fields(doc: Document, fact: str, node: yaml.Node) -> dict[str, Json]:
    known = (*FIELDS[fact], "held") if fact in DATED else tuple(FIELDS[fact])
    values: dict[str, Json] = {}
    for field, value in doc.mapping(node, f"fact '{fact}'", known).items():
        if field not in known:
            continue
        try:
            values[field] = _value(doc, fact, field, value)
        except Missing:
            continue
    return values


def _value(doc: Document, fact: str, field: str, node: yaml.Node) -> Json:
    what = f"{fact}.{field}"
    if field == "held":
        return doc.duration_ms(node, what)
    if field == "certainty":
        return int(Certainty[doc.choice(node, what, [c.name for c in Certainty])])
    kind = FIELDS[fact][field]
    if kind is bool:
        unknown = ("unknown",) if what in UNKNOWABLE else ()
        return {"true": True, "false": False}.get(doc.choice(node, what, ("true", "false", *unknown)))
    if kind is int:
        return doc.integer(node, what, 0, 1 << 53)
    if kind is float:
        text = doc.text(node, what)
        if _NUMBER.fullmatch(text) is None:
            raise doc.note(node, f"{what} must be a number such as 0.5, is '{text}'")
        return float(text)
    if kind is str:
        return doc.text(node, what)
    if kind == list[str]:
        return [doc.text(item, what) for item in doc.sequence(node, what, 64)]
    return {key: doc.integer(item, what, 0, 1_000_000) for key, item in doc.open_mapping(node, what).items()}


def inputs_of(case: Case, policy: Policy) -> Inputs:
    """What the rule reads in a test."""
    room: Any = RoomFact(
        platform=min(policy.platforms, default="other"),
        region=min(policy.regions, default="CN"),
        selling=True,
        viewers=100,
        age_minutes=60,
    )
    facts: dict[str, Any] = {**TAKEN_AWAY, "room": room}
    gap = case.given.get("label", {}).get("gap_minutes")
    for name, fields in case.given.items():
        if name in ("level", "share"):
            continue
        held: Any = fields.get("held", DEFAULT_HELD_MS)
        if name in ("label", "ai_presenter") and isinstance(gap, int) and "held" not in fields:
            held = gap * MS_PER_MINUTE
        if name == "idle" and "minutes" in fields:
            held = _int(fields["minutes"]) * MS_PER_MINUTE
        values = {f: v for f, v in fields.items() if f in facts[name].__struct_fields__}
        if name in DATED:
            values["since_ms"] = case.at_ms - held
        facts[name] = replace(facts[name], **values)
    levels: Mapping[str, Any] = case.given.get("level", {})
    given: Mapping[str, Any] = case.given.get("share", {})
    return Inputs(
        facts,
        levels,
        case.at_ms,
        missing_ms=gap * MS_PER_MINUTE if isinstance(gap, int) else _missing_ms(case, facts),
        shares=lambda name, window_ms: (given[name], given[name]) if name in given else shares.UNKNOWN,
    )


def _missing_ms(case: Case, facts: Mapping[str, Any]) -> int:
    since_ms = max(facts["label"].since_ms, facts["ai_presenter"].since_ms)
    return case.at_ms - since_ms if since_ms else 0


def _room_of(case: Case) -> Room:
    of = case.of
    shops = [Shop("", of["shop"])] if "shop" in of else []
    session = Session(host_id=of.get("host", ""), operator_id=of.get("operator", ""), shop_ids=shops)
    return Room(of.get("room", ""), session=session)


def _int(value: Json) -> int:
    assert isinstance(value, int)
    return value


def outcome(rule: Rule, case: Case, policy: Policy) -> tuple[tuple[str, ...], str]:
    """The actions with which the rule would open (none: it stays quiet), and a word of explanation."""
    inputs = inputs_of(case, policy)
    if not holds(rule, inputs):
        return (), "the condition does not hold"
    certainty = certainty_of(rule, inputs)
    exemption = exemption_of(rule, _room_of(case), case.at_ms)
    actions, withheld = recommend(
        rule.ladder[0], certainty, live=True, exempt=exemption is not None, now_ms=case.at_ms, territory=""
    )
    kept = ", ".join(f"{w.action} for {w.because}" for w in withheld)
    why = f"certainty {Certainty(certainty).name.lower()}" + (f"; withheld: {kept}" if kept else "")
    return tuple(action.action for action in actions), why


def run_cases(rule: Rule, policy: Policy) -> list[Problem]:
    """Run a rule's tests; every failure is a problem."""
    problems = []
    for case in rule.cases:
        try:
            actions, why = outcome(rule, case, policy)
        except RuleError as error:
            actions, why = (), f"the expression failed: {error}"
            what = f"test failed: {why}; guard the expression"
        else:
            if actions == case.expect:
                continue
            what = f"test failed: expected {_words(case.expect)}, got {_words(actions)} ({why})"
        problems.append(Problem(rule.file, case.line, case.column, rule.id, what))
    return problems


def _words(actions: tuple[str, ...]) -> str:
    return f"[{', '.join(actions)}]" if actions else "none"
