"""Random rooms with events of every type and sessions that come and go, to compare two judges on.

They are no promise about honest hosts, as those of `rooms` are: all that the contract gives a meaning may happen.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from tests.meaning.log import HOUR, MINUTE, SECOND, Record
from tests.meaning.rooms import (
    GUILTY_KINDS,
    KEEPER_KINDS,
    T0,
    Faults,
    Happening,
    bent,
    random_faults,
    reconnecting,
    source_of,
    truth,
)

PLATFORMS = ("douyin", "kuaishou", "bilibili", "wechat_channels", "taobao", "xiaohongshu")
WEATHERS = ("plain", "sessions", "bent", "wild", "lively")
"""Kinds of rooms. plain: one session, right clocks, each record once. sessions: right clocks, and sessions that close,
reopen, follow and displace each other. bent: one session under faults. wild: both. lively: those of `rooms`, whose
hosts talk and are asked all the time, under faults."""

NAMES_SESSION = ("room.opened", "room.heartbeat", "room.paused", "room.resumed", "room.closed")
"""Types that must name their session."""


class Stretch(NamedTuple):
    """One session on the air, in ms after T0. `started`: what its descriptors say."""

    session: str
    host: str
    started: int
    start: int
    end: int
    closes: bool


def stretches(rnd: random.Random, minutes: int) -> list[Stretch]:
    """How sessions follow each other in one room."""
    whole = minutes * MINUTE
    cut = rnd.randrange(MINUTE, whole - MINUTE)
    gap = rnd.choice((5 * SECOND, 40 * SECOND, 2 * MINUTE, 9 * MINUTE, 11 * MINUTE))
    first = Stretch("s1", "h", 0, 0, cut, True)
    match rnd.choice(("one", "reopened", "next", "displaced", "alias", "rival", "again", "undescribed")):
        case "reopened":
            return [first, Stretch("s1", "h", 0, cut + gap, whole + gap, rnd.random() < 0.5)]
        case "next":
            return [first, Stretch("s2", "h", cut + gap, cut + gap, whole + gap, False)]
        case "displaced":
            return [first._replace(closes=False), Stretch("s2", "h", cut, cut, whole, False)]
        case "alias":
            return [first._replace(closes=False), Stretch("s1b", "h", 0, cut, whole, True)]
        case "rival":
            upto = cut + rnd.choice((1, 20, 120)) * SECOND
            started = rnd.choice((-HOUR, cut, 60 * HOUR))
            return [first._replace(end=whole, closes=False), Stretch("w", "rival", started, cut, upto, False)]
        case "again":
            later = cut + rnd.choice((6 * HOUR - MINUTE, 6 * HOUR + MINUTE))
            return [first, Stretch("s1", "h", 0, later, later + 3 * MINUTE, False)]
        case "undescribed":
            return [first._replace(started=-20 * MINUTE, end=whole, closes=False)]
    return [first._replace(end=whole, closes=rnd.random() < 0.5)]


class Room:
    """Collects what happens in one random room.

    `strays`: share of events that name a session that never was. Where there are none, nothing tells of a time before
    the session, either.
    """

    def __init__(self, rnd: random.Random, platform: str, room_id: str, strays: float) -> None:
        self.random, self.platform, self.room_id, self.strays = rnd, platform, room_id, strays
        self.happened: list[Happening] = []

    def add(self, at: int, type_: str, session: str, **fields: Any) -> None:
        """Let something happen `at` ms after T0."""
        event = {"type": type_, "id": f"e{len(self.happened)}", "room_id": self.room_id, "at_ms": T0 + at,
                 "session_id": session, **fields}  # fmt: skip
        if type_ not in NAMES_SESSION and self.random.random() < 0.2:
            del event["session_id"]
        if event.get("selling") is not None and self.random.random() < 0.3:
            event["paused"] = False
        self.happened.append(Happening(T0 + at, source_of(event), event))

    def play(self, stretch: Stretch, events: int) -> None:
        """Let a session's events happen: descriptors at their rhythm, all else at random times."""
        rnd, name = self.random, stretch.session
        about = {"platform": self.platform, "region": "CN", "host_id": stretch.host, "operator_id": "op1",
                 "started_at_ms": T0 + stretch.started, "selling": True, "device_id": "d1",
                 "shop_ids": [{"system": "channels_shop", "id": "x"}]}  # fmt: skip
        rhythm, labelled = rnd.choice((15, 25, 30, 70)) * SECOND, rnd.choice((0.0, 0.0, 0.2))
        for at in range(stretch.start, stretch.end, rhythm):
            said = {"label": label(rnd, at)} if rnd.random() < labelled else {}
            self.add(at, "room.heartbeat", name, **about, **said, viewers=rnd.randrange(100))
        if stretch.session != "w":
            for _ in range(events):
                at = rnd.randrange(stretch.start + (0 if self.strays else 10 * SECOND), stretch.end)
                type_, make = rnd.choices(MAKERS, WEIGHTS)[0]
                named = "elsewhere" if rnd.random() < self.strays else name
                self.add(at, type_, named, **make(rnd, at))
        if stretch.closes:
            self.add(stretch.end, "room.closed", name)


def speech(rnd: random.Random, at: int) -> dict[str, Any]:
    took = rnd.randrange(1, 8) * SECOND
    end = at - rnd.choice((0, 0, 2 * SECOND))
    words = rnd.choice(("hello", "buy this", "@c1 yes", "thank you"))
    return {"segment_id": f"g{at}", "start_ms": T0 + end - took, "end_ms": T0 + end, "text": words}


def provenance(rnd: random.Random, _at: int) -> dict[str, Any]:
    source = rnd.choice(("gb45438", "c2pa", "tampered"))
    if source == "gb45438":
        return {"source": source, "trusted": True, "tampered": False, "aigc": {"Label": rnd.choice("13")}}
    if source == "tampered":
        return {"source": "iptc", "trusted": True, "tampered": True}
    made = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    return {"source": source, "trusted": rnd.random() < 0.5, "tampered": False, "digital_source_type": made}


def label(rnd: random.Random, _at: int) -> dict[str, Any]:
    return {"kind": "ai_generated", "by": "host", "visible": rnd.random() < 0.7, "area_ratio": rnd.choice((0.0, 0.25))}


def frame(rnd: random.Random, _at: int) -> dict[str, Any]:
    return {"person_present": rnd.random() < 0.7, "cover_ratio": rnd.choice((0.1, 0.9)),
            "same_source_audio": rnd.random() < 0.3}  # fmt: skip


Maker = Callable[[random.Random, int], dict[str, Any]]
MADE: dict[str, tuple[int, Maker]] = {
    "host.speech": (25, speech),
    "viewer.comment": (12, lambda r, at: {"comment_id": f"c{at}", "viewer_id": f"v{r.randrange(9)}", "text": "cost?",
                                          "question": True}),
    "viewer.gift": (2, lambda _, at: {"viewer_id": "v", "gift_id": f"g{at}", "value": 1, "currency": "CNY"}),
    "viewer.order": (2, lambda _r, _at: {"viewer_id": "v", "product_id": "p", "quantity": 1, "value": 1,
                                         "currency": "CNY"}),
    "viewer.joined": (3, lambda _r, _at: {"viewer_id": "v"}),
    "viewer.liked": (3, lambda _r, _at: {"count": 3}),
    "viewer.tally": (2, lambda _r, _at: {"span_ms": 1_000, "joined": 2, "liked": 5}),
    "host.reply": (4, lambda _r, _at: {"medium": "voice"}),
    "host.action": (2, lambda _r, _at: {"kind": "thank_gift"}),
    "detector.score": (8, lambda r, _at: {"detector": "d", "version": "1", "modality": r.choice(("face", "voice")),
                                          "score": r.choice((0.1, 0.97)), "look_ms": 10_000}),
    "challenge.issued": (2, lambda r, at: {"challenge_id": f"q{r.randrange(6)}", "kind": "say",
                                           "deadline_ms": T0 + at + MINUTE}),
    "challenge.result": (2, lambda r, _at: {"challenge_id": f"q{r.randrange(6)}",
                                            "outcome": r.choice(("passed", "failed", "no_response"))}),
    "watermark.read": (4, lambda r, _at: {"scheme": "synthid", "detector": "d", "score": 0.9,
                                          "outcome": r.choice(("detected", "not_detected", "not_tested"))}),
    "provenance.read": (3, provenance),
    "persona.flag": (3, lambda r, _at: {"kind": r.choice(("foreign", "elite")), "conduct": "courses",
                                        "confidence": r.choice((0.7, 0.92))}),
    "likeness.match": (3, lambda r, _at: {"person_id": f"p{r.randrange(2)}", "similarity": r.choice((0.75, 0.9, 0.97)),
                                          "consent": r.choice(("granted", "none", "unknown"))}),
    "product.media": (1, lambda _r, _at: {"product_id": "p", "synthetic": False, "misleading": False}),
    "label.state": (6, label),
    "frame.measured": (3, frame),
    "registration.state": (2, lambda r, _at: {"host_id": "h", "avatar_registered": r.random() < 0.5,
                                              "driver_verified": r.random() < 0.5, "likeness_consent": False,
                                              "registry_offset": r.randrange(4)}),
    "fleet.matched": (2, lambda r, _at: {**r.choice(({"kind": "operator", "identity": "op1"},
                                                     {"kind": "device", "identity": "d1"})), "rooms": [],
                                         "size": r.randrange(2, 6), "permitted": r.random() < 0.5}),
    "restriction.tested": (1, lambda r, _at: {"index": r.randrange(1, 4), "threshold": 20.0, "discoveries": 0,
                                              "allowed": False}),
    "room.paused": (1, lambda _r, _at: {}),
    "room.resumed": (1, lambda _r, _at: {}),
}  # fmt: skip
"""Event type → how often it happens, and what it says. Thresholds of claims are left out: single cases hold those."""

MAKERS = [(name, make) for name, (_, make) in MADE.items()]
WEIGHTS = [weight for weight, _ in MADE.values()]


def happenings(seed: int, weather: str) -> list[Happening]:
    """What happens in a random room, in the order in which it does."""
    rnd = random.Random(f"{weather}{seed}")
    moves = weather in ("sessions", "wild")
    room = Room(rnd, rnd.choice(PLATFORMS), f"r:{seed}", 0.02 if moves else 0.0)
    minutes = rnd.choice((3, 6, 9, 14))
    played = stretches(rnd, minutes) if moves else [Stretch("s1", "h", 0, 0, minutes * MINUTE, False)]
    for stretch in played:
        room.play(stretch, rnd.choice((10, 30, 60)) // len(played))
    return sorted(room.happened, key=lambda h: h.at)


def weather_of(seed: int, weather: str) -> Faults:
    """The faults of a random room."""
    if weather not in ("bent", "wild"):
        return Faults(seed=seed)
    rnd = random.Random(-seed)
    faults = random_faults(seed)
    if rnd.random() < 0.3:
        faults = replace(faults, lost=(start := rnd.randrange(60), start + rnd.randrange(20)))
    if faults.wild:
        faults = replace(faults, wild=(T0 + rnd.randrange(30, 200) * SECOND,))
    return faults


def wrong_units(records: list[Record], rnd: random.Random) -> list[Record]:
    """The log with a few clocks that are wild: a day ahead, or two minutes and more where that is a letter."""
    ahead = {
        n: rnd.choice((130 * SECOND, 6 * MINUTE, 25 * HOUR)) for n in range(1, len(records)) if rnd.random() < 0.01
    }
    return [
        replace(r, event={**r.event, "at_ms": r.timestamp_ms + ahead[n]}) if n in ahead and not r.created else r
        for n, r in enumerate(records)
    ]


def lively(seed: int) -> list[Record]:
    """A room in which blocks fill. Its label declares nothing, which the contract gives no meaning."""
    rnd = random.Random(seed)
    happened = truth(rnd.choice((*KEEPER_KINDS, *GUILTY_KINDS)), seed, minutes=rnd.choice((12, 18, 24)))
    if rnd.random() < 0.3:
        happened = reconnecting(happened, rnd.choice((4, 10)) * MINUTE, 5 * SECOND)
    plain = [
        replace(h, event={**h.event, "kind": "ai_generated"}) if h.event["type"] == "label.state" else h
        for h in happened
    ]
    return bent(plain, random_faults(seed) if rnd.random() < 0.8 else Faults())


def varied(seed: int, weather: str) -> list[Record]:
    """The log of a random room in some weather."""
    if weather == "lively":
        return lively(seed)
    records = bent(happenings(seed, weather), weather_of(seed, weather))
    return wrong_units(records, random.Random(seed)) if weather == "wild" else records
