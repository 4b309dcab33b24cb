"""Logs on which earlier designs, or the worker, were wrong, and what the core must make of them. CONTRACT.md says why.

Each case is a function that fails while the core is wrong. The tests demand all that `NOT_YET` does not name.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from tests.meaning.aspects import first_difference
from tests.meaning.core import follow
from tests.meaning.log import HOUR, MINUTE, SECOND, Record
from tests.meaning.rooms import T0, Faults, bent, reconnecting, truth
from tests.meaning.staged import STAGED, count, opened
from tests.meaning.test_counterexamples import LABEL, MARK, Log, douyin, labelled

NOT_YET: frozenset[str] = frozenset()
"""The cases that the core is wrong about. Make one right, and take it out: the tests demand all others."""

CONTESTED: frozenset[str] = frozenset()
"""Cases in which the contract assumes another certainty than the worker's markers state, or none: one must move."""

LONG = ("e2-", "e5-", "e7-", "e9-", "e12-")
"""How the names of cases begin that take half a second and more."""

Make = Callable[[], Sequence[Record]]
SPEECH = {"type": "host.speech", "segment_id": "g", "text": "x"}
NOTHING: frozenset[str] = frozenset()
UNLABELLED = frozenset({"WX-AVATAR-01", "CN-LABEL-01"})


def opens(make: Make, rules: frozenset[str], *, late: int | None = None) -> None:
    """Demand that exactly these rules open live, and perhaps that no more statistics are late than said."""
    followed = follow(make())
    assert opened(followed) == rules
    assert late is None or count(followed, "late") <= late


def agrees(make: Make, *aspects: str) -> None:
    """Demand that core and oracle agree on a log."""
    records = make()
    assert {aspect: first_difference(records, aspect) for aspect in aspects} == dict.fromkeys(aspects)


def visible(make: Make, at: int = -1) -> None:
    """Demand that the label is on at the end, or after a record counted from there."""
    values = follow(make())[at].values
    assert values is not None and values["label.visible"] is True


# --- the lag of a class


def slow_speech(shape: str, delay: int) -> list[Record]:
    """An hour of speech, some of it recognised `delay` s after it was said."""
    share = {"by turns": 0.5, "retried": 0.03, "rarely": 0.01}[shape]
    rnd = random.Random(1)
    log = Log("douyin").beats(60)
    for at in range(0, HOUR, 4 * SECOND):
        arrives = at + (delay if rnd.random() < share else 5) * SECOND
        log.put(arrives, at, SPEECH, start_ms=T0 + at - 3_000, end_ms=T0 + at)
    return log.records()


# --- marks and labels


def mark_of_the_former_session() -> list[Record]:
    return Log("wechat_channels").beats(10).put(60_000, -9 * MINUTE, MARK, session_id=None).records()


def declared(platform: str, skew: int) -> list[Record]:
    """A room whose label says that a digital human presents, and a detector whose clock is wrong."""
    return labelled(platform, mark_skew=skew * SECOND).records()


def never_labelled(skew: int) -> list[Record]:
    log = labelled("douyin", mark_skew=skew * SECOND)
    log.sent = [s for s in log.sent if s[1]["type"] != "label.state"]
    return log.records()


def label_before_the_mark(skew: int) -> list[Record]:
    log = Log("douyin").beats(12).put(92_000, 90_000, LABEL)
    for at in range(100_000, 12 * MINUTE, MINUTE):
        log.put(at + 8_000, at + skew, MARK)
    return log.records()


def generated(log: Log) -> Log:
    """The room with a label that declares no one, so that its mark alone speaks of AI."""
    for _, event in log.sent:
        if event["type"] == "label.state":
            event["kind"] = "ai_generated"
    return log


def marked(platform: str, skew: int) -> list[Record]:
    return generated(labelled(platform, mark_skew=skew * SECOND)).records()


def label_ahead(platform: str) -> list[Record]:
    return generated(labelled(platform, label_skew=90 * SECOND, label_late=93 * SECOND)).records()


def stray_rival(platform: str) -> list[Record]:
    """One heartbeat of a session that claims to start years ahead, at the tenth minute of a labelled room."""
    log = generated(labelled(platform))
    for at in range(610_000, 12 * MINUTE, 20 * SECOND):
        log.put(at, at, MARK, session_id=None)
    return log.beat(600_000, started=4 * 365 * 24 * HOUR, session_id="w", host_id="rival").records()


def label_every_30_s() -> list[Record]:
    log = Log("douyin").beats(40)
    for at in range(5_000, 40 * MINUTE, 30 * SECOND):
        log.put(at + 500, at, {**LABEL, "kind": "ai_generated"})
    return log.put(20 * MINUTE, 20 * MINUTE, MARK).records()


def flicker(seed: int) -> list[Record]:
    """Forty marks that arrive within 25 s, each with a time of its own."""
    rnd = random.Random(seed)
    log = Log("douyin").beats(10).put(100, 0, LABEL)
    for n in range(40):
        at = 60_000 + 3_000 * n
        log.put(at + rnd.randrange(25_000), at, LABEL, visible=n % 2 == 1, id=f"m{n}")
    return log.records()


def on_for_1_s_in_55() -> list[Record]:
    log = Log("bilibili").beats(12).put(20_000, 20_000, MARK)
    for n in range(12):
        log.put(55_000 * n + 100, 55_000 * n, {**LABEL, "kind": "ai_generated"})
        log.put(55_000 * n + 1_100, 55_000 * n + 1_000, {**LABEL, "kind": "ai_generated"}, visible=False)
    return log.records()


def one_leader_7_h_ahead() -> list[Record]:
    records = labelled("douyin").records()
    return [Record(r.offset, r.timestamp_ms + (7 * HOUR if 20 <= r.offset < 24 else 0), r.event) for r in records]


def swapped_by_a_fast_clock(arrivals: tuple[int, int], name: int) -> list[Record]:
    log = Log("douyin").beats(4)
    log.put(30_000 + arrivals[0], 120_000, LABEL, visible=False, id=f"off{name}")
    return log.put(30_000 + arrivals[1], 120_300, LABEL, id=f"on{name}").records()


def no_swap(arrivals: tuple[int, int]) -> None:
    for name in range(30):
        visible(partial(swapped_by_a_fast_clock, arrivals, name))


def hidden_alike() -> None:
    """Hidden time may not depend on the order of arrival."""
    found = []
    for seed in range(8):
        values = follow(flicker(seed))[-1].values or {}
        found.append({name: value for name, value in values.items() if name.startswith("label.")})
    assert all(one == found[0] for one in found)
    agrees(partial(flicker, 1), "label")


# --- clocks, speech and what is asked


def asked(kind: str, skews: Mapping[str, int]) -> list[Record]:
    """A room in which questions are asked all the time, under wrong clocks."""
    faults = Faults(skew={source: s * SECOND for source, s in skews.items()})
    return bent(truth(kind, 3, minutes=12), faults)


# --- reconnecting


def reconnected(kind: str, every: int, platform: str = "douyin") -> list[Record]:
    """A room that closes for 5 s in every so many seconds."""
    return bent(reconnecting(truth(kind, 1, minutes=26, platform=platform), every * SECOND, 5 * SECOND), Faults())


def sheds_nothing(kind: str, every: int) -> None:
    """Demand that reconnecting opens the same rules, loses no record and begins no session."""
    plain = bent(truth(kind, 1, minutes=26), Faults())
    followed = follow(reconnected(kind, every))
    assert opened(followed) >= opened(follow(plain))
    assert {a.standing.first for a in followed if a.standing is not None} == {0}
    assert count(followed, "rejected") == 0
    agrees(partial(reconnected, kind, every), "status", "session")


def silent_for_7_h() -> list[Record]:
    """A room with an open rule starts again, with a record that describes nothing."""
    log = Log("wechat_channels").beats(2).put(30_000, 30_000, MARK)
    return log.put(7 * HOUR, 7 * HOUR, MARK, outcome="not_detected").records()


def recognised_after_the_close() -> list[Record]:
    log = Log("douyin").beats(1).put(60_300, 60_000, {"type": "room.closed"})
    for at in (56_000, 60_000, 61_000):
        log.put(62_000, at, SPEECH, start_ms=T0 + at - 3_000, end_ms=T0 + at)
    return log.beats(12, 65_000).records()


def begun_by_a_stray_record() -> list[Record]:
    return Log("douyin").put(1_000, 1_000, MARK, session_id="stray").beats(3).records()


def rival_in_a_mirror() -> list[Record]:
    """All records come ten minutes late; one heartbeat of a rival is among them."""
    log, late = Log("douyin"), 10 * MINUTE
    for at in (*range(0, 60_000, 15_000), *range(75_000, 6 * MINUTE, 15_000)):
        log.beat(at, at + late)
    return log.beat(68_000, 68_000 + late, started=4 * 365 * 24 * HOUR, session_id="w", host_id="rival").records()


def beats_again(ahead: int) -> list[Record]:
    """The heartbeats of five minutes come again, five minutes later, all but the newest."""
    log = Log("douyin")
    for n in range(20):
        for again in (0, 5 * MINUTE) if n < 12 else (0,):
            at = 15_000 * n
            log.beat(at + ahead, at + again, id=f"b{n}", viewers=n)
    return log.records()


# --- ages, and one event ahead


def one_comment_2_h_ahead() -> list[Record]:
    log = Log("wechat_channels").beats(45)
    comment = {"type": "viewer.comment", "comment_id": "c", "viewer_id": "v", "text": "?"}
    return log.put(180_000, 180_000 + 2 * HOUR, comment).put(33 * MINUTE, 33 * MINUTE, MARK).records()


def its_batch_with_create_time() -> list[Record]:
    """The same, in a batch whose timestamps the same clock wrote."""
    ahead = {"type": "viewer.joined", "viewer_id": "v"}
    log = Log("wechat_channels").beats(45).put(100, 2 * HOUR, ahead).put(33 * MINUTE, 33 * MINUTE, MARK)
    return [Record(r.offset, int(r.event["at_ms"]) if r.offset < 3 else r.timestamp_ms, r.event, r.offset < 3)
            for r in log.records()]  # fmt: skip


def old_mark(age: int) -> list[Record]:
    return Log("wechat_channels").beats(80).put(70 * MINUTE, 70 * MINUTE - age * SECOND, MARK).records()


def fast_detector(ahead: int) -> list[Record]:
    """A registered avatar whose label is on all the time, and a detector with a fast clock."""
    return douyin(detector_skew=ahead * SECOND).put(40_000, 40_000, LABEL).records()


def held_label(held: int) -> list[Record]:
    """Its label's record is held back by the gateway."""
    return douyin().put(30_000 + held * SECOND, 30_000, LABEL).records()


def off_within_a_break() -> list[Record]:
    """A label that goes with a broadcast, and is back before the session is, 25 minutes before the end."""
    log = Log("douyin").beats(10).put(5_300, 5_000, LABEL)
    log.put(10 * MINUTE, 10 * MINUTE, {"type": "room.closed"})
    log.put(10 * MINUTE + 2_000, 10 * MINUTE + 1_000, LABEL, visible=False).put(11 * MINUTE, 11 * MINUTE - 9_000, LABEL)
    for at in range(30_000, 35 * MINUTE, MINUTE):
        if not 10 * MINUTE <= at < 11 * MINUTE:
            log.put(at + 8_000, at, MARK)
    return log.beats(35, start=11 * MINUTE).records()


def arrived(arrivals: Sequence[tuple[str, int]]) -> list[Record]:
    """Its label goes at 20.0 s and comes at 20.5 s; (which, how much later it arrives)."""
    log = douyin(minutes=5)
    for at in range(0, 100_000, 1_000):
        log.put(at + 100, at + 100, {"type": "host.action", "kind": "other"})
    for name, later in arrivals:
        at = 20_000 if name == "off" else 20_500
        log.put(at + later, at, LABEL, visible=name == "on", id=name)
    return log.records()


def stays_on(arrivals: Sequence[tuple[str, int]]) -> None:
    visible(partial(arrived, arrivals))
    opens(partial(arrived, arrivals), NOTHING)


# --- what single records claim


def claimed(fields: Mapping[str, Any]) -> list[Record]:
    return Log("douyin").beat(0).put(5_000, 4_000, dict(fields)).records()


def recognised_late(minutes: int) -> list[Record]:
    """Speech that ended so long before its time of recognition, which its `at_ms` is."""
    at = 30 * MINUTE
    said = T0 + at - minutes * MINUTE
    return Log("douyin").beats(40).put(at, at, SPEECH, start_ms=said - 3_000, end_ms=said).records()


CLAIMS: Mapping[str, Mapping[str, Any]] = {
    "persona-0.5": {"type": "persona.flag", "kind": "foreign", "conduct": "courses", "confidence": 0.5},
    "persona-0.7": {"type": "persona.flag", "kind": "foreign", "conduct": "courses", "confidence": 0.7},
    "persona-0.85": {"type": "persona.flag", "kind": "foreign", "conduct": "courses", "confidence": 0.85},
    "persona-0.97": {"type": "persona.flag", "kind": "foreign", "conduct": "courses", "confidence": 0.97},
    "likeness-0.5": {"type": "likeness.match", "person_id": "p", "similarity": 0.5, "consent": "none"},
    "likeness-0.9": {"type": "likeness.match", "person_id": "p", "similarity": 0.9, "consent": "none"},
    "likeness-0.97": {"type": "likeness.match", "person_id": "p", "similarity": 0.97, "consent": "none"},
    "media-synthetic": {"type": "product.media", "product_id": "p", "synthetic": True, "misleading": False},
    "media-misleading": {"type": "product.media", "product_id": "p", "synthetic": False, "misleading": True},
    "media-both": {"type": "product.media", "product_id": "p", "synthetic": True, "misleading": True},
    "watermark-uncertain": {**MARK, "outcome": "uncertain"},
    "gb45438-1": {"type": "provenance.read", "source": "gb45438", "trusted": True, "tampered": False,
                  "aigc": {"Label": "1"}},
    "gb45438-2": {"type": "provenance.read", "source": "gb45438", "trusted": True, "tampered": False,
                  "aigc": {"Label": "2"}},
    "gb45438-other": {"type": "provenance.read", "source": "gb45438", "trusted": True, "tampered": False,
                      "aigc": {"label": " 7"}},
    "c2pa-trusted": {"type": "provenance.read", "source": "c2pa", "trusted": True, "tampered": False,
                     "digital_source_type": "trainedAlgorithmicMedia"},
    "c2pa-composite": {"type": "provenance.read", "source": "c2pa", "trusted": True, "tampered": False,
                       "digital_source_type": "compositeSynthetic"},
    "c2pa-tampered": {"type": "provenance.read", "source": "c2pa", "trusted": True, "tampered": True,
                      "digital_source_type": "trainedAlgorithmicMedia"},
    "tampered-untrusted": {"type": "provenance.read", "source": "c2pa", "trusted": False, "tampered": True},
    "label-of-the-host": LABEL,
    "label-of-the-platform": {**LABEL, "by": "platform"},
}  # fmt: skip
"""Records whose claims the contract states or leaves out. Where a case is wrong, one of the two must move."""

SKEWS: Sequence[Mapping[str, int]] = ({"S": -90}, {"G": -90}, {"S": -45}, {"S": 90}, {"G": 90}, {"S": -7_200})
ON_SCREEN = ("douyin", "kuaishou", "bilibili")
SAID_LAST: Mapping[str, Sequence[tuple[str, int]]] = {
    "in-order": [("off", 0), ("on", 0)],
    "swapped": [("off", 800), ("on", 0)],
    "off-twice-45-s-apart": [("off", 0), ("off", 45_000), ("on", 0)],
    "off-twice-70-s-apart": [("off", 0), ("off", 70_000), ("on", 0)],
}


def named(skews: Mapping[str, int]) -> str:
    return "-".join(f"{source}{s:+d}" for source, s in skews.items())


CASES: Mapping[str, Callable[[], None]] = {
    **{f"e2-speech-{shape.replace(' ', '-')}-{delay}-s-late": partial(opens, partial(slow_speech, shape, delay),
                                                                      NOTHING, late=late)
       for shape, delay, late in (("by turns", 75, 12), ("retried", 90, 8), ("rarely", 90, 8))},
    **{f"e4-mark-{skew:+d}-s-{p}": partial(opens, partial(declared, p, skew),
                                           NOTHING)
       for p in ("douyin", "bilibili") for skew in (0, -90, -7_200, 90)},
    "e4-mark-of-the-former-session": partial(opens, mark_of_the_former_session, NOTHING),
    **{f"e4-label-before-mark-{skew:+d}-s": partial(opens, partial(label_before_the_mark, skew * SECOND), NOTHING)
       for skew in (0, -90, -7_200)},
    **{f"e4-never-labelled-mark-{skew:+d}-s": partial(
        opens, partial(never_labelled, skew),
        frozenset({"CN-LABEL-01"})) for skew in (0, -90, -7_200)},
    **{f"e5-blocks-of-{kind}-{named(skews)}": partial(agrees, partial(asked, kind, skews), "abstain")
       for kind in ("person", "avatar") for skews in SKEWS},
    **{f"e6-mark-{skew:+d}-s-{p}": partial(opens, partial(marked, p, skew),
                                           frozenset({"KS-TRAFFIC-01"} if p == "kuaishou" else ()))
       for p in ON_SCREEN for skew in (0, -90, -7_200)},
    **{f"e6-label-90-s-ahead-{p}": partial(opens, partial(label_ahead, p),
                                           frozenset({"KS-TRAFFIC-01"} if p == "kuaishou" else ()))
       for p in ON_SCREEN},
    **{f"e6-stray-rival-{p}": partial(opens, partial(stray_rival, p), NOTHING) for p in ("douyin", "bilibili")},
    **{f"e7-{kind}-reconnects-every-{every}-s": partial(sheds_nothing, kind, every)
       for kind in ("silent", "stripped", "unlabelled") for every in (60, 240, 600)},
    "label-off-within-a-break": partial(opens, off_within_a_break, NOTHING),
    "e8-label-read-every-30-s": partial(opens, label_every_30_s, NOTHING),
    "e8-label-read-every-30-s-keeps-its-beginning": partial(agrees, label_every_30_s, "label"),
    "e8-hidden-time-in-any-order": hidden_alike,
    "e8-on-for-1-s-in-55": partial(opens, on_for_1_s_in_55, frozenset({"CN-LABEL-01", "BILI-LABEL-01"})),
    "e8-one-leader-7-h-ahead": partial(opens, one_leader_7_h_ahead, NOTHING),
    **{f"e12-{kind}-reconnects-every-{every}-s": partial(opens, partial(reconnected, kind, every), NOTHING)
       for kind in ("avatar", "person") for every in (240, 1_200)},
    "e14-in-one-batch": partial(no_swap, (900, 900)),
    "e14-swapped-by-300-ms": partial(no_swap, (1_200, 900)),
    **STAGED,
    "silent-for-7-h": partial(agrees, silent_for_7_h, "status", "session", "decisions"),
    "recognised-after-the-close": partial(agrees, recognised_after_the_close, "status", "times"),
    "label-off-within-a-break-agrees": partial(agrees, off_within_a_break, "label"),
    "begun-by-a-stray-record": partial(agrees, begun_by_a_stray_record, "status", "session", "label"),
    "rival-in-a-mirror": partial(agrees, rival_in_a_mirror, "status", "label"),
    **{f"heartbeats-again-{ahead}-h-ahead": partial(agrees, partial(beats_again, ahead * HOUR), "status", "times",
                                                    "facts") for ahead in (0, 2)},
    "case-03-one-comment-2-h-ahead": partial(opens, one_comment_2_h_ahead, UNLABELLED, late=0),
    "case-03-with-create-time": partial(opens, its_batch_with_create_time, UNLABELLED),
    **{f"case-04-mark-{age}-s-old": partial(opens, partial(old_mark, age), UNLABELLED) for age in (59, 61, 3_600)},
    **{f"p17-detector-{ahead:+d}-s": partial(opens, partial(fast_detector, ahead), NOTHING, late=0)
       for ahead in (0, 90)},
    **{f"p17b-label-held-{held}-s": partial(opens, partial(held_label, held), NOTHING) for held in (55, 76)},
    **{f"p32-{name}": partial(stays_on, arrivals) for name, arrivals in SAID_LAST.items()},
    **{f"speech-recognised-{minutes}-min-late": partial(agrees, partial(recognised_late, minutes), "status", "times")
       for minutes in (2, 9, 11)},
    **{f"claim-{name}": partial(agrees, partial(claimed, fields), "facts") for name, fields in CLAIMS.items()},
}  # fmt: skip
"""Name → what must hold. e…, p… and case-… are counterexamples by number."""
