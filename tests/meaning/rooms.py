"""Random rooms: what happens in them, and how clocks, delays, repeats and reconnects bend their log.

`truth` makes what happened, by right clocks. `bent` makes a log of it. A fault that changes nothing is `Faults()`.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.meaning.log import CLASSES, HOUR, KINDS, MINUTE, SECOND, Record

T0 = 1_772_400_000_000
STRIPPED = T0 + 250 * SECOND  # when the label of the kind "stripped" goes
DELAYS = {"G": 300, "S": 5_000, "L": 8_000, "C": 1_000, "F": 8_000, "R": 2_000}
"""Source → how long after the event its record is appended, ms. F: facts, R: labels and answers."""

KEEPER_KINDS = ("person", "avatar")
"""Honest kinds: a person who answers, and an avatar with label, registration and a driver who answers."""
GUILTY_KINDS = ("unlabelled", "stripped", "silent")
"""Guilty kinds: an avatar never labelled, one whose label goes after 4 min, and one that answers no one."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened at `at` (ms by a right clock), and the source that tells of it."""

    at: int
    source: str
    event: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Faults:
    """What bends a log. Times in ms; sources as in DELAYS."""

    seed: int = 0
    skew: Mapping[str, int] = field(default_factory=dict)  # source → error of its clock
    delay: Mapping[str, int] = field(default_factory=dict)  # source → added delay
    jitter: int = 0  # a random delay of every record, at most
    retried: float = 0.0  # share of statistics that come up to hours late
    held: tuple[tuple[str, int, int], ...] = ()  # (source, from, to): an outage; all comes at its end
    mirror: int = 0  # every record is appended so much later
    repeated: float = 0.0  # share of records that come twice, up to 40 s apart
    redelivered: tuple[int, int] | None = None  # (from, count): positions sent again as a block
    swapped: float = 0.0  # share of neighbours that change places
    leader: tuple[int, int, int] | None = None  # (from, to, error) of a broker's clock, by position
    created: int = 0  # how many first records carry CreateTime, by their producers' clocks
    wild: tuple[int, ...] = ()  # times of a stray heartbeat of a rival that started in 2099
    lost: tuple[int, int] | None = None  # positions that never arrive
    drift: Mapping[str, int] = field(default_factory=dict)  # source → how much its clock errs more, a minute
    batched: Mapping[str, int] = field(default_factory=dict)  # source → its records come together, once in so long
    ahead: tuple[tuple[str, int, int], ...] = ()  # (source, time, error): the first event of it from then on


def source_of(event: Mapping[str, Any]) -> str:
    kind = KINDS[str(event["type"])]
    if kind == "fact":
        return "F"
    return CLASSES.get(str(event["type"]), "R")


class Scene:
    """Collects what happens in one room."""

    def __init__(self, seed: int, platform: str) -> None:
        self.random = random.Random(seed)
        self.platform, self.room_id, self.session_id = platform, f"{platform}:r{seed}", "s1"
        self.happened: list[Happening] = []
        self.started = T0

    def add(self, at: int, type_: str, **fields: Any) -> None:
        event = {"type": type_, "id": f"e{len(self.happened)}", "room_id": self.room_id, "at_ms": at,
                 "session_id": self.session_id, **fields}  # fmt: skip
        self.happened.append(Happening(at, source_of(event), event))

    def heartbeat(self, at: int, **fields: Any) -> None:
        self.add(at, "room.heartbeat", platform=self.platform, region="CN", host_id="h", started_at_ms=self.started,
                 selling=True, viewers=50, **fields)  # fmt: skip

    def speech(self, at: int, text: str) -> None:
        self.add(at, "host.speech", segment_id=f"g{len(self.happened)}", start_ms=at - 4_000, end_ms=at, text=text)

    def comment(self, at: int, answered_after: int | None) -> None:
        name = f"c{len(self.happened)}"
        self.add(at, "viewer.comment", comment_id=name, viewer_id="v", text="?", question=True)
        if answered_after is not None:
            self.speech(at + answered_after, f"@{name}")


def truth(kind: str, seed: int, minutes: int = 12, platform: str = "douyin") -> list[Happening]:
    """What happens in a room of a kind, in the order in which it happens."""
    scene = Scene(seed, platform)
    rnd, end = scene.random, T0 + minutes * MINUTE
    for at in range(T0, end, 15 * SECOND):
        scene.heartbeat(at)
    for at in range(T0 + 2 * SECOND, end, 10 * SECOND):
        scene.speech(at, "selling")
    for at in range(T0 + 7 * SECOND, end, 18 * SECOND):
        scene.comment(at, None if kind == "silent" else rnd.randrange(5, 26) * SECOND)
    if kind != "person":
        for at in range(T0 + 30 * SECOND, end, 60 * SECOND):
            scene.add(at, "watermark.read", scheme="synthid", detector="d", outcome="detected", score=0.99)
        for at in range(T0 + 12 * SECOND, end, 30 * SECOND):
            scene.add(at, "detector.score", detector="d", version="1", modality="face", score=0.97, look_ms=10_000)
        scene.add(T0 + 3 * SECOND, "registration.state", host_id="h", avatar_registered=True, driver_verified=True,
                  likeness_consent=True, registry_offset=1)  # fmt: skip
    label = {"kind": "digital_human", "by": "host"}
    if kind in ("avatar", "stripped", "silent"):
        for at in range(T0 + 5 * SECOND, end if kind != "stripped" else STRIPPED, 2 * MINUTE):
            scene.add(at, "label.state", visible=True, **label)
    if kind == "stripped":
        scene.add(STRIPPED, "label.state", visible=False, **label)
    return sorted((h for h in scene.happened if h.at < end), key=lambda h: h.at)


def moved(event: Mapping[str, Any], by: int) -> dict[str, Any]:
    """An event as a clock with an error of `by` writes it."""
    return {name: value + by if name.endswith("_ms") and isinstance(value, int) and value > T0 // 2 else value
            for name, value in event.items()}  # fmt: skip


def arrival(happening: Happening, faults: Faults, rnd: random.Random) -> int:
    """When a record is appended, by a right clock."""
    at = happening.at + DELAYS[happening.source] + faults.delay.get(happening.source, 0)
    at += rnd.randrange(faults.jitter + 1)
    if happening.source in ("S", "L") and rnd.random() < faults.retried:
        at += rnd.choice((90 * SECOND, 10 * MINUTE, 2 * HOUR))
    for source, start, stop in faults.held:
        if source == happening.source and start <= at < stop:
            at = stop + (at - start) // 1_000
    every = faults.batched.get(happening.source)
    return (-(-at // every) * every if every else at) + faults.mirror


def errors(happened: Sequence[Happening], faults: Faults) -> list[int]:
    """By how much the clock errs that writes each event."""
    found = []
    for h in happened:
        drifted = faults.drift.get(h.source, 0) * (h.at - happened[0].at) // MINUTE
        found.append(faults.skew.get(h.source, 0) + drifted)
    for source, start, error in faults.ahead:
        first = next((n for n, h in enumerate(happened) if h.source == source and h.at >= start), None)
        if first is not None:
            found[first] += error
    return found


def appended(happened: Sequence[Happening], faults: Faults) -> Sequence[tuple[int, Mapping[str, Any]]]:
    """When each record is appended, by a right clock, and what it says; in the order of the log."""
    rnd = random.Random(faults.seed)
    first = next(h for h in happened if h.event["type"] == "room.heartbeat")
    wrong = errors(happened, faults)
    sent = [(arrival(h, faults, rnd), moved(h.event, error)) for h, error in zip(happened, wrong, strict=True)]
    for n, at in enumerate(faults.wild):
        stray = {**first.event, "id": f"wild{n}", "session_id": f"w{n}", "at_ms": at, "host_id": "rival",
                 "started_at_ms": 4_070_908_800_000}  # fmt: skip
        sent.append((at + 300 + faults.mirror, stray))
    sent += [(at + rnd.randrange(1, 40 * SECOND), event) for at, event in list(sent) if rnd.random() < faults.repeated]
    sent.sort(key=lambda s: s[0])
    if faults.redelivered is not None:
        start, count = faults.redelivered
        again = sent[start : start + count]
        if again:
            sent[start + count : start + count] = [(again[-1][0] + n, event) for n, (_, event) in enumerate(again)]
    for n in range(len(sent) - 1):
        if rnd.random() < faults.swapped:
            (_, x), (b, y) = sent[n], sent[n + 1]
            sent[n], sent[n + 1] = (b, y), (b, x)
    if faults.lost is not None:
        del sent[faults.lost[0] : faults.lost[1]]
    return sent


def bent(happened: Sequence[Happening], faults: Faults) -> list[Record]:
    """The log of what happened, under faults."""
    records = []
    for offset, (at, event) in enumerate(appended(happened, faults)):
        error = faults.leader[2] if faults.leader and faults.leader[0] <= offset < faults.leader[1] else 0
        created = offset < faults.created
        records.append(Record(offset, int(event["at_ms"]) if created else at + error, event, created))
    return records


def reconnecting(happened: Sequence[Happening], every: int, gap: int) -> list[Happening]:
    """The same room, closed for `gap` ms in every `every`: off the air nothing happens."""
    base = next(h.event for h in happened if h.event["type"] == "room.heartbeat")
    kept = [h for h in happened if h.at - T0 < every or (h.at - T0) % every >= gap]
    for at in range(T0 + every, happened[-1].at - gap, every):
        closed = {name: base[name] for name in ("room_id", "session_id")}
        kept.append(Happening(at, "G", {"type": "room.closed", "id": f"x{at}", "at_ms": at, **closed}))
        kept.append(Happening(at + gap, "G", {**base, "id": f"o{at}", "at_ms": at + gap}))
    return sorted(kept, key=lambda h: h.at)


def random_faults(seed: int) -> Faults:
    """Faults under which nothing may be held against an honest room. CONTRACT.md says what lies beyond them."""
    rnd = random.Random(seed)
    skews = (0, 0, -15 * SECOND, 15 * SECOND, -90 * SECOND, 90 * SECOND, -2 * HOUR, 2 * HOUR)
    skew = {source: rnd.choice(skews) for source in "GSLFR" if rnd.random() < 0.5}
    start = T0 + rnd.randrange(60, 500) * SECOND
    outage = rnd.choice((None, None, ("S", 180), ("S", 480), ("G", 180), ("L", 300), ("F", 400)))
    held = ((outage[0], start, start + outage[1] * SECOND),) if outage and not skew.get(outage[0]) else ()
    faults = Faults(
        seed=seed, skew=skew, held=held,
        delay={source: rnd.choice((0, 0, 20 * SECOND, 70 * SECOND, HOUR)) for source in "LF"},
        jitter=rnd.choice((0, 0, 3 * SECOND, 12 * SECOND)),
        retried=rnd.choice((0.0, 0.0, 0.03)),
        mirror=rnd.choice((0, 0, 0, 10 * MINUTE)),
        repeated=rnd.choice((0.0, 0.05, 0.2)),
        swapped=rnd.choice((0.0, 0.1)),
    )  # fmt: skip
    extra = rnd.choice(("", "", "redelivered", "leader", "created", "wild"))
    if extra == "redelivered":
        faults = replace(faults, redelivered=(rnd.randrange(50, 150), 60))
    elif extra == "leader":
        faults = replace(faults, leader=(100, 140, rnd.choice((-5 * MINUTE, 4 * MINUTE, 7 * HOUR))))
    elif extra == "created":
        faults = replace(faults, created=rnd.randrange(1, 40))
    elif extra == "wild":
        faults = replace(faults, wild=(start,))
    return faults
