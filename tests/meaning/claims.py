"""What single records claim: certainties of facts, as CONTRACT.md, "Claims" lists them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.meaning.label import first_of_each
from tests.meaning.log import Entry

NONE, SUSPECTED, POSSIBLE, CONFIRMED = range(4)
SYNTHETIC = {"trainedalgorithmicmedia": CONFIRMED, "compositewithtrainedalgorithmicmedia": CONFIRMED,
             "compositesynthetic": POSSIBLE}  # fmt: skip
PRESENTER_KINDS = ("digital_human", "virtual_host")
STRENGTH = ("operator", "ip", "script", "device", "voice", "face")
"""Kinds of identities, by how hard they are to share."""


@dataclass(frozen=True, slots=True)
class Claim:
    """How sure a record makes a fact, and what it says beside."""

    certainty: int
    says: Mapping[str, Any] = field(default_factory=dict)
    grade: float = 0.0  # of claims that are equally sure, the one of the highest grade says the rest


def presenter(x: Entry) -> Claim | None:
    """What a marker says of an AI presenter."""
    event = x.event
    if x.type == "watermark.read":
        certainty = {"detected": CONFIRMED, "uncertain": SUSPECTED}.get(event["outcome"], NONE)
        return Claim(certainty, {"by": "watermark"}) if certainty else None
    if x.type == "label.state":
        declares = event["visible"] and event["by"] == "host" and event["kind"] in PRESENTER_KINDS
        return Claim(POSSIBLE, {"by": "declared", "declared": True}) if declares else None
    if x.type != "provenance.read":
        return None
    if event["source"] == "gb45438":
        said = next((value for key, value in (event.get("aigc") or {}).items() if key.lower() == "label"), None)
        label = str(said).strip() if isinstance(said, str | int | float) and not isinstance(said, bool) else ""
        certainty = {"1": CONFIRMED, "2": POSSIBLE}.get(label, SUSPECTED)
        return Claim(certainty, {"by": "gb45438"}) if label else None
    source = str(event.get("digital_source_type") or "").rstrip("/").rsplit("/", 1)[-1].lower()
    if source not in SYNTHETIC:
        return None
    sound = event["trusted"] and not event["tampered"]
    return Claim(SYNTHETIC[source] if sound else SUSPECTED, {"by": event["source"]})


def tamper(x: Entry) -> Claim | None:
    if x.type == "label.state":  # one that hides the platform's
        return Claim(POSSIBLE, {"by": "label"})
    if x.type == "provenance.read" and x.event["tampered"]:
        return Claim(CONFIRMED if x.event["trusted"] else POSSIBLE, {"by": x.event["source"]})
    return None


def sure(similarity: float) -> int:
    """How sure a match with a person is."""
    return next(
        (c for least, c in ((0.95, CONFIRMED), (0.85, POSSIBLE), (0.70, SUSPECTED)) if similarity >= least), NONE
    )


def persona(x: Entry) -> Claim | None:
    if x.type != "persona.flag" or x.event["confidence"] < 0.6:
        return None
    says = {"kind": x.event["kind"], "conduct": x.event["conduct"], "confidence": float(x.event["confidence"])}
    return Claim(POSSIBLE if x.event["confidence"] >= 0.9 else SUSPECTED, says, says["confidence"])


def product_media(x: Entry) -> Claim | None:
    if x.type != "product.media" or not (x.event["synthetic"] or x.event["misleading"]):
        return None
    says = {name: x.event[name] for name in ("synthetic", "misleading", "product_id")}
    return Claim(POSSIBLE if says["misleading"] else NONE, says, says["synthetic"])


Reader = Callable[[Entry], Claim | None]
FACTS: dict[str, tuple[Reader, dict[str, Any]]] = {
    "ai_presenter": (presenter, {"by": "", "declared": False}),
    "tamper": (tamper, {"by": ""}),
    "persona": (persona, {"kind": "", "conduct": "", "confidence": 0.0}),
    "product_media": (product_media, {"synthetic": False, "misleading": False, "product_id": ""}),
}
"""Facts that join: name → who reads the claim, and what the fact says without one."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A fact after all its claims. `since[c]`: append time of the first record that made it at least c."""

    certainty: int
    says: Mapping[str, Any]
    since: Mapping[int, int]


def join(name: str, entries: Sequence[Entry]) -> Joined:
    """The greatest certainty, then the highest grade; of equals the least (e, rank) says the rest; `declared` if any
    did."""
    read, blank = FACTS[name]
    claims = [(claim, x) for x in first_of_each(entries) if (claim := read(x)) is not None]
    if not claims:
        return Joined(NONE, blank, {})
    best = min(claims, key=lambda c: (-c[0].certainty, -c[0].grade, c[1].e, c[1].key[1]))[0]
    says = {**blank, **best.says}
    if "declared" in blank:
        says["declared"] = any(claim.says.get("declared", False) for claim, _ in claims)
    since = {c: min(x.append for claim, x in claims if claim.certainty >= c)
             for c in (SUSPECTED, POSSIBLE, CONFIRMED) if best.certainty >= c}  # fmt: skip
    return Joined(best.certainty, says, since)


def likeness(entries: Sequence[Entry]) -> dict[str, Any]:
    """The newest match of each person; over persons the surest without consent."""
    newest = {x.event["person_id"]: x for x in first_of_each([x for x in entries if x.type == "likeness.match"])}
    found = [
        (sure(x.event["similarity"]), x.event["consent"] == "none", float(x.event["similarity"]), person, x)
        for person, x in newest.items()
    ]
    if not found:
        return {"certainty": NONE, "similarity": 0.0, "consent": "unknown", "person_id": ""}
    certainty, _, similarity, person, x = max(found, key=lambda f: (f[1] and f[0] > NONE, *f[:1], *f[2:4]))
    return {"certainty": certainty, "similarity": similarity, "consent": x.event["consent"], "person_id": person}


def newest_of(entries: Sequence[Entry], *types: str) -> Entry | None:
    """The register: the last writer by (min(at, A + 120 s), rank)."""
    return max((x for x in first_of_each(entries) if x.type in types), key=lambda x: x.key, default=None)


def registration(entries: Sequence[Entry]) -> dict[str, Any]:
    """The newest answer by the registry's own offset."""
    answers = [x for x in entries if x.type == "registration.state"]
    fields = ("avatar_registered", "driver_verified", "likeness_consent")
    if not answers:
        return {"known": False, **dict.fromkeys(fields, False)}
    event = max(answers, key=lambda x: (x.event["registry_offset"], x.event.get("known", True), *x.key)).event
    return {"known": event.get("known", True), **{name: event[name] for name in fields}}


def fleet(entries: Sequence[Entry]) -> dict[str, Any]:
    """The newest answer of each identity; over identities one that is not permitted, then the strongest, the largest.

    If none is in two rooms, what came last is shown.
    """
    newest: dict[tuple[str, str], Entry] = {}
    for x in sorted((x for x in entries if x.type == "fleet.matched"), key=lambda x: (x.e, x.offset)):
        newest[x.event["kind"], x.event["identity"]] = x
    if not newest:
        return {"kind": "", "size": 0, "permitted": False}
    held = [x for x in newest.values() if x.event["size"] >= 2]
    last = max(newest.values(), key=lambda x: x.offset)
    worst = max(held, key=lambda x: (not x.event["permitted"], STRENGTH.index(x.event["kind"]), x.event["size"]),
                default=last)  # fmt: skip
    return {name: worst.event[name] for name in ("kind", "size", "permitted")}


def frame(entries: Sequence[Entry]) -> dict[str, Any]:
    """The newest measurement; -1.0 where no one measured."""
    x = newest_of(entries, "frame.measured")
    ratios = ("avatar_height_ratio", "embedded_video_ratio", "cover_ratio", "static_ratio")
    event = x.event if x else {}
    return {
        "known": x is not None, "person_present": bool(event.get("person_present")),
        "same_source_audio": bool(event.get("same_source_audio")),
        **{name: -1.0 if event.get(name) is None else float(event[name]) for name in ratios},
    }  # fmt: skip


def challenges_passed(entries: Sequence[Entry]) -> int:
    """How many challenges were passed: the first result of each counts."""
    first: dict[str, Entry] = {}
    for x in first_of_each([x for x in entries if x.type == "challenge.result"]):
        first.setdefault(x.event["challenge_id"], x)
    return sum(x.event["outcome"] == "passed" for x in first.values())


def paused(entries: Sequence[Entry]) -> bool:
    """What the newest word about a break says; a heartbeat without `paused` says nothing."""
    said = False
    for x in first_of_each(entries):
        if x.type in ("room.paused", "room.resumed"):
            said = x.type == "room.paused"
        elif x.type == "room.heartbeat" and x.event.get("paused") is not None:
            said = bool(x.event["paused"])
    return said
