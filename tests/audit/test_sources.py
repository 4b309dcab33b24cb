"""What a partition shows of its sources: clocks ahead, delays, lateness, blocks that abstain."""

from dataclasses import dataclass, field
from typing import Any, get_args

import msgspec

from tests.audit.build import MINUTE, SECOND, T0, ask, beat, ev, say
from tests.audit.rooms import random_log
from worker.audit import events as e
from worker.engine.readings import RECENT_MS, of_sources
from worker.partition.rooms import MemoryRooms, PartitionProcessor
from worker.partition.sources import SOURCE_OF, WATCHED
from worker.policy.book import PolicyBook
from worker.policy.judge import Judge

ANSWERS = {e.RegistrationState, e.FleetMatched, e.RestrictionTested, e.ReviewDecided}
Sent = tuple[Any, int]
"""An event, and when it was appended (ms after T0)."""


@dataclass
class Record:
    """What the processor reads of a consumed record."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]] = field(default_factory=list)


def judged(sent: list[Sent], batch: int = 10_000) -> PartitionProcessor:
    log = [Record(i, T0 + a, x.room_id.encode(), msgspec.json.encode(x)) for i, (x, a) in enumerate(sent)]
    processor = PartitionProcessor(topic="t", partition=0, rooms=MemoryRooms(), judge=Judge(PolicyBook([])))
    for i in range(0, len(log), batch):
        processor.process(log[i : i + batch])
    return processor


def at_once(event: Any) -> Sent:
    return event, event.at_ms - T0


def busy(minutes: int, speech_takes_s: int = 0) -> list[Sent]:
    """Heartbeats, questions and speech every 10 s; speech is appended so long after it was said."""
    sent = []
    for t in range(0, minutes * MINUTE, 10 * SECOND):
        said = say(t + 2 * SECOND)
        sent += [at_once(beat(t)), at_once(ask(t + 1)), (said, t + 2 * SECOND + speech_takes_s * SECOND)]
    return sorted(sent, key=lambda one: one[1])


def test_every_type_of_event_is_of_a_source_or_an_answer() -> None:
    assert set(SOURCE_OF) | ANSWERS == set(get_args(e.Event))
    assert set(SOURCE_OF) & ANSWERS == set()


def test_likes_and_joins_are_not_looked_at() -> None:
    assert {e.ViewerLiked, e.ViewerJoined, e.ViewerTally} & set(WATCHED) == set()


def test_a_clock_that_is_ahead_is_counted_for_its_source() -> None:
    ahead = [(ev(e.DetectorScore, 10 * SECOND), 7 * SECOND), (ev(e.LabelState, 10 * SECOND), 8 * SECOND)]
    counts = judged([at_once(beat(0)), *ahead]).counts.sources
    assert counts.ahead == {"gateway": 0, "speech": 0, "looks": 1, "challenges": 0, "markers": 0}


def test_the_least_delay_is_of_the_fastest_event_and_below_zero_for_a_clock_that_is_ahead() -> None:
    sent = [(beat(0), 4 * SECOND), (beat(3 * SECOND), 5 * SECOND), (ev(e.DetectorScore, 9 * SECOND), 6 * SECOND)]
    assert judged(sent).sources.least_ms() == {"gateway": 2 * SECOND, "looks": -3 * SECOND}


def test_the_delay_of_speech_runs_from_the_end_of_what_was_said() -> None:
    heard = say(50 * SECOND)
    heard.start_ms, heard.end_ms = T0 + 5 * SECOND, T0 + 8 * SECOND
    assert judged([at_once(beat(0)), (heard, 50 * SECOND)]).sources.least_ms()["speech"] == 42 * SECOND


def test_a_delay_that_has_passed_is_dropped_within_a_minute() -> None:
    fast = [(beat(t), t) for t in (0, 29 * SECOND)]
    slow = [(beat(t), t + 9 * SECOND) for t in range(30 * SECOND, 80 * SECOND, 10 * SECOND)]
    assert judged([*fast, *slow[:1]]).sources.least_ms() == {"gateway": 0}
    assert judged([*fast, *slow]).sources.least_ms() == {"gateway": 9 * SECOND}


def test_a_source_that_falls_silent_is_dropped_while_others_go_on() -> None:
    sent = [at_once(say(0)), *(at_once(beat(t)) for t in range(0, 2 * MINUTE, 10 * SECOND))]
    assert set(judged(sent).sources.least_ms()) == {"gateway"}


def test_after_a_gap_in_the_log_nothing_of_before_is_shown() -> None:
    sent = [at_once(say(0)), at_once(beat(0)), at_once(ev(e.ViewerLiked, 5 * MINUTE))]
    assert judged(sent).sources.least_ms() == {}


def test_late_events_are_counted_by_source_and_add_up_to_all_late_ones() -> None:
    late = [(say(t * SECOND), 6 * MINUTE) for t in range(0, 50, 10)] + [(ask(7), 6 * MINUTE)]
    counts = judged([*busy(6), *late]).counts
    assert (counts.sources.late["speech"], counts.sources.late["gateway"]) == (5, 1)
    assert sum(counts.sources.late.values()) == counts.late == 6
    assert counts.balanced()


def test_random_rooms_have_a_source_for_every_late_event() -> None:
    late = 0
    for seed in range(4):
        log = random_log(seed, minutes=8)
        sent = [(x, 8 * MINUTE if i % 9 == 0 else max(0, x.at_ms - T0)) for i, x in enumerate(log)]
        counts = judged(sorted(sent, key=lambda one: one[1])).counts
        assert sum(counts.sources.late.values()) == counts.late
        late += counts.late
    assert late > 0


def test_blocks_that_close_are_counted_once_and_those_that_abstain_by_reason() -> None:
    clear = judged(busy(23)).counts.sources
    assert (clear.clear, clear.abstained) == (4, 0)
    unclear = judged(busy(23, speech_takes_s=25)).counts.sources
    assert unclear.abstained > 0
    assert unclear.unclear["clocks"] == unclear.abstained
    assert unclear.clear + unclear.abstained == 4


def test_batches_of_any_size_count_the_same() -> None:
    sent = busy(12, speech_takes_s=25)
    whole = judged(sent)
    for batch in (1, 7, 100):
        one = judged(sent, batch)
        assert one.counts.sources == whole.counts.sources
        assert one.sources.least_ms() == whole.sources.least_ms()


def test_the_open_block_of_a_session_that_ends_is_not_counted() -> None:
    """It makes no bet, and it would go on if the session came back."""
    closed = judged([*busy(3), at_once(ev(e.RoomClosed, 3 * MINUTE))])
    assert closed.counts.sources.clear + closed.counts.sources.abstained == 0
    assert all(room.session.closed == () for room in closed.rooms.live.values())


def test_the_hold_is_what_a_slow_source_costs() -> None:
    prompt = judged(busy(4), batch=1)
    assert prompt.sources.held_ms() == 0
    slow = judged(busy(4, speech_takes_s=90), batch=1)
    assert 40 * SECOND < slow.sources.held_ms() <= 240 * SECOND


def test_a_partition_that_is_far_behind_tells_nothing_of_now() -> None:
    processor = judged([(beat(0), 30 * SECOND)])
    soon, later = T0 + MINUTE, T0 + 30 * SECOND + RECENT_MS
    assert of_sources({0: processor}, soon)["source_delay_min_seconds"] == {("gateway",): 30.0}
    assert of_sources({0: processor}, later)["source_delay_min_seconds"] == {}


def test_of_several_partitions_the_least_delay_counts() -> None:
    found = of_sources({0: judged([(beat(0), 9 * SECOND)]), 1: judged([(beat(0), 4 * SECOND)])}, T0 + MINUTE)
    assert found["source_delay_min_seconds"] == {("gateway",): 4.0}
