"""Logs on which earlier designs, or the worker, were wrong, with what the contract demands of each."""

import itertools
import json
import random
from collections.abc import Sequence
from typing import Any

import pytest

from tests.meaning import toy
from tests.meaning.episodes import Decision
from tests.meaning.log import HOUR, MINUTE, SECOND, Record
from tests.meaning.oracle import Levels, account, judge, quiet, rooms_of, sights
from tests.meaning.rooms import T0, Faults, bent, reconnecting, truth
from tests.meaning.scan import scan
from tests.meaning.test_rules_of_the_oracle import documents
from tests.meaning.windows import block_of, closed_blocks

POLICIES = documents()
MARK = {"type": "watermark.read", "scheme": "synthid", "detector": "d1", "outcome": "detected", "score": 0.99}
LABEL = {"type": "label.state", "kind": "digital_human", "visible": True, "by": "host"}


class Log:
    """Builds a log of one room: `put` names the append time and the event's own, in ms after T0."""

    def __init__(self, platform: str, *, session: str | None = "s1") -> None:
        self.platform, self.session = platform, session
        self.sent: list[tuple[int, dict[str, Any]]] = []

    def put(self, append: int, at: int, fields: dict[str, Any], **more: Any) -> "Log":
        event = {"id": f"e{len(self.sent)}", "room_id": f"{self.platform}:x", "session_id": self.session,
                 **fields, "at_ms": T0 + at, **more}  # fmt: skip
        self.sent.append((T0 + append, {k: v for k, v in event.items() if v is not None}))
        return self

    def beat(self, at: int, append: int | None = None, *, started: int = 0, **more: Any) -> "Log":
        fields = {"type": "room.heartbeat", "platform": self.platform, "region": "CN", "host_id": "h",
                  "started_at_ms": T0 + started, "selling": True, "viewers": 50}  # fmt: skip
        return self.put(at + 300 if append is None else append, at, fields, **more)

    def beats(self, minutes: int, start: int = 0) -> "Log":
        for at in range(start, minutes * MINUTE, 15 * SECOND):
            self.beat(at)
        return self

    def records(self) -> list[Record]:
        ordered = sorted(self.sent, key=lambda s: s[0])
        return [Record(offset, append, event) for offset, (append, event) in enumerate(ordered)]

    def said(self, levels: Levels = quiet) -> list[Decision]:
        return judge(self.records(), POLICIES, levels)


def live(said: Sequence[Decision]) -> set[str]:
    """The rules that were opened live."""
    return {d.rule for d in said if d.mode == "live" and d.transition == "opened"}


def labelled(platform: str, *, mark_skew: int = 0, label_skew: int = 0, label_late: int = 2_000) -> Log:
    """A room labelled from its fifth second on, with a mark read each minute."""
    log = Log(platform).beats(12)
    log.put(5_000 + label_late, 5_000 + label_skew, LABEL)
    for at in range(30_000, 12 * MINUTE, MINUTE):
        log.put(at + 8_000, at + mark_skew, MARK)
    return log


@pytest.mark.parametrize("platform", ["douyin", "bilibili"])
@pytest.mark.parametrize("skew", [0, -90 * SECOND, -2 * HOUR, 90 * SECOND])
def test_a_mark_of_whatever_age_does_not_convict_a_labelled_room(platform: str, skew: int) -> None:
    assert live(labelled(platform, mark_skew=skew).said()) == set()


@pytest.mark.parametrize("skew", [-90 * SECOND, 90 * SECOND, 2 * HOUR])
def test_a_label_whose_clock_is_wrong_still_labels(skew: int) -> None:
    assert live(labelled("douyin", label_skew=skew).said()) == set()


@pytest.mark.parametrize("late", [76, 105])
def test_a_labels_record_that_comes_late_is_no_violation(late: int) -> None:
    assert live(labelled("douyin", label_late=late * SECOND).said()) == set()


@pytest.mark.parametrize("skew", [0, -90 * SECOND, -2 * HOUR])
def test_a_label_put_up_before_the_first_mark_is_in_time_whatever_the_marks_clock(skew: int) -> None:
    log = Log("douyin").beats(12).put(92_000, 90_000, LABEL)
    for at in range(100_000, 12 * MINUTE, MINUTE):
        log.put(at + 8_000, at + skew, MARK)
    assert live(log.said()) == set()


@pytest.mark.parametrize("overridden", [False, True])
def test_a_label_that_went_is_held_against_no_time_that_was_judged(overridden: bool) -> None:
    log = Log("douyin").beats(20).put(100_000, 100_000, LABEL).put(40_000, 40_000, MARK)
    if overridden:
        log.put(300_000, 300_000, LABEL)
    log.put(15 * MINUTE, 60_000 if overridden else 200_000, LABEL, visible=False)
    last = [seen for _, seen in sights(rooms_of(log.records())[0], quiet, None)][-1]
    assert last.look.off[0] == (T0, T0 + 100_000)
    assert last.look.off[1:] == ([] if overridden else [(T0 + 885_000 - MINUTE, last.look.sight.horizon)])
    assert last.label.visible is overridden


def test_a_label_that_floods_is_unknown() -> None:
    log = Log("bilibili").beats(12).put(20_000, 20_000, MARK)
    for n in range(1_400):
        log.put(500 * n, 500 * n, LABEL, visible=False)
    records = log.records()
    seen = [s for _, s in sights(rooms_of(records)[0], quiet, {records[-1].offset})][-1]
    assert (seen.label.visible, seen.label.continuous) == (None, None)


@pytest.mark.parametrize("silence", [6 * HOUR, 6 * HOUR + 1])
def test_a_room_starts_again_after_more_than_six_hours(silence: int) -> None:
    log = Log("douyin").beat(0).beat(silence)
    numbers = [p.current.number for p in scan(log.records()) if p.current]
    assert numbers == ([1, 1] if silence == 6 * HOUR else [1, 2])


@pytest.mark.parametrize(("after", "opened"), [(50, set()), (150, {"CN-LABEL-01"})])
def test_a_label_has_a_minute_from_the_first_mark_on(after: int, opened: set[str]) -> None:
    log = Log("douyin").beats(12).put(30_000 + after * SECOND, 30_000 + after * SECOND, LABEL)
    for at in range(22_000, 12 * MINUTE, MINUTE):
        log.put(at + 8_000, at, MARK)
    assert live(log.said()) == opened


@pytest.mark.parametrize("skew", [0, -90 * SECOND, -2 * HOUR])
def test_a_room_never_labelled_is_caught_whatever_the_marks_clock(skew: int) -> None:
    log = labelled("douyin", mark_skew=skew)
    log.sent = [s for s in log.sent if s[1]["type"] != "label.state"]
    opened = [d for d in log.said() if d.rule == "CN-LABEL-01" and d.transition == "opened"]
    assert [d.certainty for d in opened] == [3]
    assert opened[0].append_ms - T0 < 38 * SECOND + 120 * SECOND + 60 * SECOND


def test_a_mark_of_the_session_before_is_foreign() -> None:
    log = Log("wechat_channels").beats(10).put(60_000, -9 * MINUTE, MARK, session_id=None)
    assert live(log.said()) == set()
    assert account(log.records())["foreign"] == 1


def test_a_mark_that_names_the_session_counts_at_any_age() -> None:
    log = Log("wechat_channels").beats(10).put(300_000, -9 * MINUTE, MARK)
    assert live(log.said()) >= {"WX-AVATAR-01", "CN-LABEL-01"}


@pytest.mark.parametrize("platform", ["douyin", "bilibili"])
def test_a_stray_heartbeat_of_a_rival_session_takes_no_label_away(platform: str) -> None:
    log = labelled(platform)
    for at in range(610_000, 12 * MINUTE, 20 * SECOND):
        log.put(at, at, MARK, session_id=None)
    log.beat(600_000, started=4 * 365 * 24 * HOUR, session_id="w", host_id="rival")
    assert live(log.said()) == set()
    names = [p.current.names[0] for p in scan(log.records()) if p.current]
    assert [name for name, _ in itertools.groupby(names)] == ["s1", "w", "s1"]
    wild = [p.append for p in scan(log.records()) if p.current and p.current.names[0] == "w"]
    assert wild[-1] - wild[0] <= 120 * SECOND


def test_a_lease_that_ends_gives_back_what_it_displaced() -> None:
    log = labelled("kuaishou")
    before = live(log.said())
    log.beat(300_000, started=4 * 365 * 24 * HOUR, session_id="w", host_id="rival")
    room = rooms_of(log.records())[0]
    last = [seen for _, seen in sights(room, quiet, None)][-1]
    assert (last.look.session.number, last.label.visible) == (1, True)
    assert last.world.facts["ai_presenter"]["certainty"] == 3
    assert live(log.said()) == before == {"KS-TRAFFIC-01"}


@pytest.mark.parametrize(("shape", "delay"), [("by turns", 75), ("retried", 90), ("rarely", 90)])
def test_the_lag_is_the_slowest_sources_not_the_fastest(shape: str, delay: int) -> None:
    share = {"by turns": 0.5, "retried": 0.03, "rarely": 0.01}[shape]
    rnd = random.Random(1)
    log = Log("douyin").beats(60)
    speech = {"type": "host.speech", "segment_id": "g", "text": "x"}
    for at in range(0, HOUR, 4 * SECOND):
        late = delay if rnd.random() < share else 5
        log.put(at + late * SECOND, at, speech, start_ms=T0 + at - 3_000, end_ms=T0 + at)
    assert account(log.records())["late"] <= {"by turns": 12, "retried": 8, "rarely": 8}[shape]


@pytest.mark.parametrize("kind", ["person", "avatar"])
@pytest.mark.parametrize("skews", [{"S": -90}, {"G": -90}, {"S": -45}, {"S": 90}, {"G": 90}, {"S": -7_200}])
def test_a_wrong_clock_turns_no_answer_into_evidence(kind: str, skews: dict[str, int]) -> None:
    records = bent(truth(kind, 3, minutes=26), Faults(skew={source: s * SECOND for source, s in skews.items()}))
    room = rooms_of(records)[0]
    last = [seen for _, seen in sights(room, toy.levels, {records[-1].offset})][-1]
    assert last.world.levels["NONINT"] == 0
    assert live(judge(records, POLICIES, toy.levels, looks=set(range(0, len(records), 20)))) == set()


@pytest.mark.parametrize("every", [60, 240, 600])
@pytest.mark.parametrize(("kind", "rule"), [("silent", "DY-DRIVE-01"), ("stripped", "CN-LABEL-01")])
def test_reconnecting_sheds_no_evidence(every: int, kind: str, rule: str) -> None:
    records = bent(reconnecting(truth(kind, 1, minutes=26), every * SECOND, 5 * SECOND), Faults())
    assert rule in live(judge(records, POLICIES, toy.levels, looks=set(range(0, len(records), 8))))
    assert {p.current.number for p in scan(records) if p.current} == {1}


@pytest.mark.parametrize("every", [240, 1_200])
def test_reconnecting_convicts_no_honest_room(every: int) -> None:
    records = bent(reconnecting(truth("avatar", 2, minutes=26), every * SECOND, 5 * SECOND), Faults())
    assert live(judge(records, POLICIES, toy.levels, looks=set(range(0, len(records), 8)))) == set()


def test_a_label_read_every_30_s_keeps_its_beginning() -> None:
    log = Log("douyin").beats(40)
    for at in range(5_000, 40 * MINUTE, 30 * SECOND):
        log.put(at + 500, at, LABEL)
    log.put(20 * MINUTE, 20 * MINUTE, MARK)
    last = [seen for _, seen in sights(rooms_of(log.records())[0], quiet, None)][-1]
    assert last.look.off == [(T0, T0 + 5_000)]
    assert live(log.said()) == set()


def test_hidden_time_does_not_depend_on_the_order_of_arrival() -> None:
    found = set()
    for seed in range(8):
        rnd = random.Random(seed)
        log = Log("douyin").beats(10).put(100, 0, LABEL)
        for n in range(40):
            at = 60_000 + 3_000 * n
            log.put(at + rnd.randrange(25_000), at, LABEL, visible=n % 2 == 1, id=f"m{n}")
        last = [seen for _, seen in sights(rooms_of(log.records())[0], quiet, None)][-1]
        found.add((tuple(last.look.off), last.label.visible, last.label.continuous))
    assert len(found) == 1
    assert sum(b - a for a, b in next(iter(found))[0]) == 20 * 3_000


def test_a_label_on_for_1_s_in_55_is_no_label() -> None:
    log = Log("bilibili").beats(12).put(20_000, 20_000, MARK)
    for n in range(12):
        log.put(55_000 * n + 100, 55_000 * n, LABEL, by="platform")
        log.put(55_000 * n + 1_100, 55_000 * n + 1_000, LABEL, by="platform", visible=False)
    assert live(log.said()) == {"CN-LABEL-01", "BILI-LABEL-01"}


def test_one_leader_7_h_ahead_for_a_minute_convicts_no_one() -> None:
    records = labelled("douyin").records()
    bent_once = [Record(r.offset, r.timestamp_ms + (7 * HOUR if 20 <= r.offset < 24 else 0), r.event) for r in records]
    assert live(judge(bent_once, POLICIES)) == set()


@pytest.mark.parametrize("arrivals", [(900, 900), (1_200, 900)])
def test_a_clock_90_s_fast_swaps_no_two_marks_of_a_label(arrivals: tuple[int, int]) -> None:
    for n in range(30):
        log = Log("douyin").beats(4)
        log.put(30_000 + arrivals[0], 120_000, LABEL, visible=False, id=f"off{n}")
        log.put(30_000 + arrivals[1], 120_300, LABEL, id=f"on{n}")
        records = log.records()
        last = [seen for _, seen in sights(rooms_of(records)[0], quiet, {records[-1].offset})][-1]
        assert last.label.visible is True


def test_one_comment_2_h_ahead_does_not_blind_a_room() -> None:
    log = Log("wechat_channels").beats(45)
    comment = {"type": "viewer.comment", "comment_id": "c", "viewer_id": "v", "text": "?"}
    log.put(180_000, 180_000 + 2 * HOUR, comment)
    log.put(33 * MINUTE, 33 * MINUTE, MARK)
    assert live(log.said()) == {"WX-AVATAR-01", "CN-LABEL-01"}
    assert account(log.records())["late"] == 0


def test_a_batch_with_create_time_moves_no_clock() -> None:
    log = Log("wechat_channels").beats(45)
    ahead = {"type": "viewer.joined", "viewer_id": "v"}
    log.put(100, 2 * HOUR, ahead).put(33 * MINUTE, 33 * MINUTE, MARK)
    records = [Record(r.offset, int(r.event["at_ms"]) if r.offset < 3 else r.timestamp_ms, r.event, r.offset < 3)
               for r in log.records()]  # fmt: skip
    assert live(judge(records, POLICIES)) == {"WX-AVATAR-01", "CN-LABEL-01"}


@pytest.mark.parametrize("age", [59, 61, 3_600])
def test_a_confirmed_fact_of_any_age_is_kept(age: int) -> None:
    log = Log("wechat_channels").beats(80).put(70 * MINUTE, 70 * MINUTE - age * SECOND, MARK)
    assert live(log.said()) == {"WX-AVATAR-01", "CN-LABEL-01"}


def douyin(*, detector_skew: int = 0, minutes: int = 12) -> Log:
    """A registered avatar whose driver answers and whose label is said once."""
    log = Log("douyin").beats(minutes)
    log.put(5_000, 5_000, {"type": "registration.state", "host_id": "h", "avatar_registered": True,
                           "driver_verified": True, "likeness_consent": True, "registry_offset": 1})  # fmt: skip
    score = {"type": "detector.score", "detector": "d", "version": "1", "modality": "voice", "score": 0.1}
    for at in range(10_000, minutes * MINUTE, 15 * SECOND):
        log.put(at, at + detector_skew, score, look_ms=10_000)
    log.put(100_000, 100_000 + detector_skew, MARK)
    return log


@pytest.mark.parametrize("ahead", [0, 90 * SECOND])
def test_one_detectors_fast_clock_loses_no_label(ahead: int) -> None:
    log = douyin(detector_skew=ahead).put(40_000, 40_000, LABEL)
    assert live(log.said(toy.levels)) == set()
    assert account(log.records())["late"] == 0


@pytest.mark.parametrize("held", [55_000, 76_000])
def test_a_label_that_the_gateway_holds_back_is_no_violation(held: int) -> None:
    assert live(douyin().put(30_000 + held, 30_000, LABEL).said()) == set()


@pytest.mark.parametrize(
    "arrivals",
    [[("off", 0), ("on", 0)], [("off", 800), ("on", 0)], [("off", 0), ("off", 45_000), ("on", 0)],
     [("off", 0), ("off", 70_000), ("on", 0)]],
)  # fmt: skip
def test_a_label_stands_as_it_was_said_last_not_as_it_came_last(arrivals: list[tuple[str, int]]) -> None:
    log = douyin(minutes=5)
    for at in range(0, 100_000, 1_000):
        log.put(at + 100, at + 100, {"type": "host.action", "kind": "other"})
    for name, later in arrivals:
        at = 20_000 if name == "off" else 20_500
        log.put(at + later, at, LABEL, visible=name == "on", id=name)
    last = [seen for _, seen in sights(rooms_of(log.records())[0], quiet, None)][-1]
    assert last.label.visible is True
    assert live(log.said()) == set()


def test_speech_held_back_for_3_min_makes_its_blocks_abstain() -> None:
    start = T0 + 200 * SECOND
    records = bent(truth("silent", 2, minutes=20), Faults(held=(("S", start, start + 180 * SECOND),)))
    placed = scan(records)
    blocks = closed_blocks(placed, 1, 0)
    late = [p for p in placed if p.status == "late"]
    assert late and {p.entry.cls for p in late} == {"S"}
    of = {b.number: b for b in blocks}
    for p in late:
        block = of[block_of(p.entry.tells, 0)]
        assert block.abstain or p.entry.tells > block.heard
    assert [b.number for b in blocks if not b.abstain]


@pytest.mark.parametrize("span", [(310, 490), (310, 790), (450, 1_100)])
def test_an_outage_of_speech_is_no_silence_of_the_host(span: tuple[int, int]) -> None:
    held = (("S", T0 + span[0] * SECOND, T0 + span[1] * SECOND),)
    records = bent(truth("person", 2, minutes=26), Faults(held=held))
    last = [seen for _, seen in sights(rooms_of(records)[0], toy.levels, {records[-1].offset})][-1]
    assert last.world.levels["NONINT"] == 0


def test_records_survive_a_journey_through_json() -> None:
    records = labelled("douyin").records()
    again = [Record(r.offset, r.timestamp_ms, json.loads(json.dumps(r.event))) for r in records]
    assert judge(again, POLICIES) == judge(records, POLICIES)
