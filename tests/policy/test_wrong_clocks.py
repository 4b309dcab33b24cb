"""Wrong clocks, late records and swapped ones open nothing in an honest room, and hide nothing of a guilty one.

Whole logs go through the processor with the rules that ship.
"""

import itertools
import json
from typing import Any, NamedTuple

import pytest

from tests.policy.build import MINUTE, T0
from worker.partition.rooms import MemoryRooms, PartitionProcessor
from worker.policy.judge import Judge
from worker.tools.policyfiles import read_policies
from worker.topics import VIOLATIONS_TOPIC

SECOND, HOUR = 1_000, 60 * MINUTE
LABEL = {"type": "label.state", "kind": "digital_human", "visible": True, "by": "host"}
MARK = {"type": "watermark.read", "scheme": "synthid", "detector": "d", "outcome": "detected", "score": 0.99}
BOOK = read_policies()


class Line(NamedTuple):
    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class Log:
    """The log of one room: `put` takes when a record was appended and when it says that it happened, ms after T0."""

    def __init__(self, platform: str, minutes: int = 12, started: int = 0) -> None:
        self.room_id, self._sent = f"{platform}:r", list[tuple[int, dict[str, Any]]]()
        beat = {"type": "room.heartbeat", "platform": platform, "region": "CN", "host_id": "h", "selling": True,
                "started_at_ms": T0 + started, "viewers": 50}  # fmt: skip
        for at in range(0, minutes * MINUTE, 15 * SECOND):
            self.put(at + 300, at, beat)

    def put(self, append: int, at: int, event: dict[str, Any], **more: Any) -> "Log":
        named = {"id": f"e{len(self._sent)}", "room_id": self.room_id, "session_id": "s1", "at_ms": T0 + at}
        self._sent.append((T0 + append, {**event, **named, **more}))
        return self

    def each_minute(self, event: dict[str, Any], *, skew: int, start: int, minutes: int = 12) -> "Log":
        for at in range(start, minutes * MINUTE, MINUTE):
            self.put(at + 8 * SECOND, at + skew, event)
        return self

    def said(self) -> list[tuple[str, int, str]]:
        """(transition, append time after T0, rule) of each live violation, in the order of the log."""
        rooms, sent = MemoryRooms(), sorted(self._sent, key=lambda one: one[0])
        processor = PartitionProcessor(topic="live.room.events", partition=0, rooms=rooms, judge=Judge(BOOK))
        out = processor.process(
            Line(n, at, self.room_id.encode(), json.dumps(event).encode()) for n, (at, event) in enumerate(sent)
        )
        assert processor.counts.balanced()
        found = [json.loads(record.value or b"") for record in out.of(VIOLATIONS_TOPIC)]
        return [(v["transition"], v["decided_at_ms"] - T0, v["rule"]["id"]) for v in found if v["mode"] == "live"]

    def opened(self) -> set[str]:
        return {rule for _, _, rule in self.said()}


def honest(platform: str = "douyin", *, label_skew: int = 0, label_late: int = 2 * SECOND, mark_skew: int = 0) -> Log:
    """An avatar, registered and driven, that was labelled in its fifth second."""
    log = Log(platform).put(5_000 + label_late, 5_000 + label_skew, LABEL)
    log.put(5_000, 5_000, {"type": "registration.state", "host_id": "h", "avatar_registered": True,
                           "driver_verified": True, "likeness_consent": True, "registry_offset": 1})  # fmt: skip
    for at in range(60_000, 12 * MINUTE, 3 * MINUTE):
        log.put(at, at, {"type": "host.reply", "medium": "voice"})
    return log.each_minute(MARK, skew=mark_skew, start=30_000)


@pytest.mark.parametrize("platform", ["douyin", "bilibili", "kuaishou"])
@pytest.mark.parametrize("skew", [0, 90 * SECOND, -90 * SECOND, -2 * HOUR])
def test_a_detectors_wrong_clock_convicts_no_labelled_room(platform: str, skew: int) -> None:
    assert honest(platform, mark_skew=skew).opened() == honest(platform).opened() <= {"KS-TRAFFIC-01"}


@pytest.mark.parametrize("skew", [90 * SECOND, -90 * SECOND, 2 * HOUR])
def test_a_labels_wrong_clock_takes_no_label_away(skew: int) -> None:
    assert honest(label_skew=skew).opened() == set()


@pytest.mark.parametrize("late", [55, 61, 76, 105])
def test_a_labels_record_that_comes_late_is_no_violation(late: int) -> None:
    assert honest(label_late=late * SECOND).opened() == set()


@pytest.mark.parametrize("skew", [0, 90 * SECOND])
@pytest.mark.parametrize("arrivals", [(0, 300), (300, 0), (800, 0), (45_000, 0), (70_000, 0)])
def test_two_words_of_a_label_swapped_on_their_way_mean_what_was_said_last(
    arrivals: tuple[int, int], skew: int
) -> None:
    log = honest()
    for at, visible, later in ((20_000, False, arrivals[0]), (20_300, True, arrivals[1])):
        log.put(at + 900 + later, at + skew, LABEL, visible=visible)
    assert log.opened() == set()


@pytest.mark.parametrize(("after", "opened"), [(50, set()), (150, {"CN-LABEL-01"})])
def test_a_label_has_a_minute_from_the_first_mark_on(after: int, opened: set[str]) -> None:
    log = Log("douyin").put(30_000 + after * SECOND, 30_000 + after * SECOND, LABEL)
    assert log.each_minute(MARK, skew=0, start=22_000).opened() == opened


@pytest.mark.parametrize("skew", [0, 90 * SECOND, -90 * SECOND, -2 * HOUR])
def test_a_room_never_labelled_is_caught_two_minutes_after_the_first_mark(skew: int) -> None:
    said = Log("douyin").each_minute(MARK, skew=skew, start=30_000).said()
    ((kind, at, rule),) = said[:1]
    assert (kind, rule) == ("opened", "CN-LABEL-01")
    assert 38 * SECOND + 2 * MINUTE <= at <= 38 * SECOND + 2 * MINUTE + 16 * SECOND


@pytest.mark.parametrize("platform", ["douyin", "bilibili"])
def test_a_label_shown_for_a_second_in_55_is_no_label(platform: str) -> None:
    log = Log(platform).each_minute(MARK, skew=0, start=20_000)
    for at in range(0, 12 * MINUTE, 55_000):
        log.put(at + 100, at, LABEL).put(at + 1_100, at + 1_000, LABEL, visible=False)
    assert "CN-LABEL-01" in log.opened()


def test_a_label_that_is_taken_off_is_missed_when_the_watermark_has_passed_it() -> None:
    log = honest().put(5 * MINUTE + 900, 5 * MINUTE, LABEL, visible=False)
    opened = [(at, rule) for kind, at, rule in log.said() if kind == "opened"]
    assert [rule for _, rule in opened] == ["CN-LABEL-01"]
    assert 6 * MINUTE <= opened[0][0] <= 6 * MINUTE + 16 * SECOND


def test_a_session_met_in_its_middle_is_not_called_unlabelled_before_a_word_about_its_label() -> None:
    log = Log("douyin", started=-30 * MINUTE).each_minute(MARK, skew=0, start=30_000)
    assert log.opened() == set()
    assert log.put(3 * MINUTE, 3 * MINUTE, LABEL, visible=False).opened() == {"CN-LABEL-01"}


@pytest.mark.parametrize("age", [59, 61, 3_600])
def test_a_confirmed_fact_counts_at_any_age(age: int) -> None:
    log = Log("wechat_channels", minutes=80).put(70 * MINUTE, 70 * MINUTE - age * SECOND, MARK)
    assert log.opened() == {"WX-AVATAR-01", "CN-LABEL-01"}


def test_a_comment_two_hours_ahead_blinds_no_room() -> None:
    log = Log("wechat_channels", minutes=45)
    log.put(
        3 * MINUTE, 3 * MINUTE + 2 * HOUR, {"type": "viewer.comment", "comment_id": "c", "viewer_id": "v", "text": "?"}
    )
    assert log.put(33 * MINUTE, 33 * MINUTE, MARK).opened() == {"WX-AVATAR-01", "CN-LABEL-01"}


def test_facts_and_registers_end_in_one_state_whatever_order_they_come_in() -> None:
    events = [
        LABEL, {**MARK, "outcome": "uncertain"}, MARK,
        {"type": "provenance.read", "source": "gb45438", "trusted": True, "tampered": True, "aigc": {"Label": "1"}},
        {"type": "persona.flag", "kind": "foreign", "conduct": "courses", "confidence": 0.95},
        {"type": "persona.flag", "kind": "elite", "conduct": "courses", "confidence": 0.95},
        {"type": "likeness.match", "person_id": "p", "similarity": 0.97, "consent": "none"},
        {"type": "likeness.match", "person_id": "p", "similarity": 0.9, "consent": "granted"},
        {"type": "likeness.match", "person_id": "q", "similarity": 0.99, "consent": "unknown"},
        {"type": "product.media", "product_id": "1", "synthetic": True, "misleading": True},
        {"type": "product.media", "product_id": "2", "synthetic": True, "misleading": True},
        {"type": "frame.measured", "person_present": True, "cover_ratio": 0.2},
        {"type": "frame.measured", "person_present": False, "cover_ratio": 0.4},
    ]  # fmt: skip
    found = set()
    for shift in range(len(events)):
        log = Log("douyin", minutes=1)
        turned = [*range(shift, len(events)), *range(shift)]
        for place, n in enumerate(turned):
            log.put(50_000 + place, 1_000 * n, events[n], id=f"x{n}")
        log.put(51_000, 2_000, events[2], id="x2")
        found.add(_state_of(log))
    assert len(found) == 1


def _state_of(log: Log) -> str:
    """What rules would read at the end of a log, without times."""
    rooms, sent = MemoryRooms(), sorted(log._sent, key=lambda one: one[0])
    processor = PartitionProcessor(topic="live.room.events", partition=0, rooms=rooms, judge=Judge(BOOK))
    lines = (Line(n, at, log.room_id.encode(), json.dumps(event).encode()) for n, (at, event) in enumerate(sent))
    for line in lines:
        processor.process([line])
    facts = rooms.live[log.room_id].session.facts
    names = ("ai_presenter", "tamper", "persona", "likeness", "product_media", "label", "frame")
    values = ((name, field, getattr(getattr(facts, name), field))
              for name in names for field in getattr(facts, name).__struct_fields__ if field != "since_ms")  # fmt: skip
    return str(list(itertools.chain.from_iterable(values)))
