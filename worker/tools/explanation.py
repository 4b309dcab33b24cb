"""A violation in words: what `explain` shows of it, section by section. Texts are as the record has them."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from worker.tools.times import time_of

Violation = dict[str, Any]
WITHHELD = {
    "certainty": "the evidence is not certain enough for it",
    "cap": "the rule's cap is reached or the rule is paused, so it waits for release",
    "exemption": "the room is exempt",
    "review": "a person has to decide it",
    "rollout": "the rule is in shadow, or not yet rolled out to this room",
}
_WHO = {"reviewer": "a reviewer", "appeal": "an appeal"}


class Share(NamedTuple):
    """What one signal brought to a family's evidence. Signals that only start or age the bet have no value."""

    signal: str
    nats: float
    value: float | None
    norm: float | None
    blocks: int | None
    since: str


class Section(NamedTuple):
    """A heading and lines of (label, text); of evidence also its shares, which come before the lines."""

    heading: str
    lines: list[tuple[str, str]]
    shares: tuple[Share, ...] = ()


def sections(violation: Violation) -> Iterator[Section]:
    """Yield who and when, facts, evidence, counterfactual, excerpts, actions and the statement of reasons.

    Raises KeyError or TypeError when the record is no violation of the schema.
    """
    yield Section(f"{violation['rule']['id']}  {violation['rule']['title']}", _head(violation))
    yield Section("Facts that the rule read", [(name, _plain(value)) for name, value in violation["facts"].items()])
    if violation["evidence"]:
        yield _evidence(violation)
    if violation.get("transition") in ("opened", "escalated") and not violation.get("review"):
        told = [_sentence(name) for name in violation["counterfactual"]]
        none = "No single fact or signal: the rule would hold without any one of them."
        yield Section("What would have changed the outcome", _unlabelled(told or [none]))
    if violation["excerpts"]:
        yield Section("Excerpts (redacted)", _unlabelled(map(_excerpt, violation["excerpts"])))
    yield Section("Recommended", _unlabelled(_actions(violation)))
    yield Section("Statement of reasons", _unlabelled(_statement(violation["statement"])))


def _unlabelled(texts: Any) -> list[tuple[str, str]]:
    return [("", text) for text in texts]


def _head(violation: Violation) -> list[tuple[str, str]]:
    rule, basis, policy = violation["rule"], violation["rule"]["basis"], violation["policy"]
    window, log = violation["window"], violation["log"]
    shops = ", ".join(f"{shop['system']} {shop['id']}" for shop in violation["shop_ids"])
    rows = [
        ("violation", f"{violation['violation_id']} ({violation.get('transition')}, step {violation.get('step')})"),
        ("room", f"{violation['room_id']} on {violation['platform']} ({violation['region']})"),
        ("host", violation["host_id"] + (f", shops: {shops}" if shops else "")),
        ("session", violation["session_id"]),
        ("decided", f"{time_of(violation['decided_at_ms'])} (append time)"),
        ("evidence of", f"{time_of(window['start_ms'])} – {time_of(window['end_ms'])}"),
        ("basis", f"{basis['text']} ({basis['status']}, since {basis['since']}; {basis['source']})"),
        ("policy", f"{policy['id']} version {policy['version']}, sha256 {policy['sha256'][:12]}…, {violation['mode']}"),
        ("certainty", f"{violation['certainty']}, severity {rule['severity']} of 5"),
        ("log", f"{log['topic']}[{log['partition']}] offsets {log['first_offset']}–{log['last_offset']}"),
    ]
    if supersedes := violation.get("supersedes"):
        rows.append(("supersedes", supersedes))
    if review := violation.get("review"):
        rows.append(("review", f"{review['outcome']} by {_WHO[review['by']]} ({review['review_id']})"))
    return rows


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(_named(key, inner) for key, inner in value.items()) or "–"
    if isinstance(value, list):
        return " ".join(map(_plain, value)) or "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value in ("", None) else str(value)


def _named(key: str, value: object) -> str:
    if key == "since_ms" and isinstance(value, int):
        return f"since {time_of(value)}" if value else "since –"
    return f"{key} {_plain(value)}"


def _evidence(violation: Violation) -> Section:
    family, level = violation.get("family"), violation.get("level")
    shares = []
    for entry in violation["evidence"]:
        bets = entry["signal"] not in ("start", "time")
        value, norm, blocks = (entry[name] if bets else None for name in ("value", "norm", "blocks"))
        shares.append(Share(entry["signal"], entry["nats"], value, norm, blocks, time_of(entry["since_ms"])))
    lines = []
    log_e, threshold = violation.get("log_e"), violation.get("threshold")
    if log_e is not None and threshold is not None:
        total = sum(share.nats for share in shares)
        sums = "adds up" if abs(total - log_e) < 1e-6 else f"DOES NOT ADD UP to {log_e:.6f}"
        words = "past" if log_e >= threshold else "below"
        lines.append(f"{sums}; {words} the threshold of {threshold:.3f} nats")
    heading = f"Evidence of family {family} (level {level}), in nats; positive speaks against the room"
    return Section(heading, _unlabelled(lines), tuple(shares))


def _sentence(name: str) -> str:
    family, _, signal = name.partition(".")
    if name == "history.step":
        return "Without what people upheld before, the ladder would have begun at its first step."
    if signal:
        return f"Without signal '{signal}' of family {family} the rule would not hold."
    if name.isupper():
        return f"Without the evidence of family {name} the rule would not hold."
    return f"Had '{name}' said nothing, the rule would not hold."


def _excerpt(excerpt: dict[str, Any]) -> str:
    return f"{time_of(excerpt['at_ms'])}  {excerpt['kind']}, offset {excerpt['offset']}: {excerpt['text']}"


def _actions(violation: Violation) -> Iterator[str]:
    if not violation["actions"]:
        yield "nothing"
    for action in violation["actions"]:
        until = f" until {time_of(action['until_ms'])}" if action.get("until_ms") else ""
        place = f" in {action['territory']}" if action.get("territory") else ""
        yield f"{action['action']}{until}{place}"
    if violation.get("review_sample"):
        yield "review: drawn as a sample of what happens by itself"
    if exempt := violation.get("exemption"):
        yield f"exempt as {exempt['of']} until {time_of(exempt['until_ms'])}: {exempt['reason']}"
    for withheld in violation["withheld"]:
        yield f"withheld: {withheld['action']}: {WITHHELD.get(withheld['because'], withheld['because'])}"


def _statement(statement: dict[str, Any]) -> Iterator[str]:
    for name in ("ground", "facts_text", "redress"):
        yield statement[name]
    how = "automated" if statement["automated_decision"] else "left to a person"
    detected = "automated" if statement["automated_detection"] else "not automated"
    yield f"detection: {detected}; decision: {how}"
