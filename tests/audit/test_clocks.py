"""Blocks abstain when the clocks of speech and gateway disagree, or too much of either came late."""

from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from tests.audit.build import HOUR, MINUTE, SECOND, T0, ask, beat, beats, ev, in_time, say
from worker.audit import clocks
from worker.audit import events as e
from worker.audit.apply import apply
from worker.audit.room import Room, block_start

START_MS = block_start("douyin:1", T0)
Sent = tuple[Any, int]
"""An event, and when it was appended (ms after T0)."""


def at_once(event: Any) -> Sent:
    return event, event.at_ms - T0


def a_block(minutes: int = 6) -> list[Sent]:
    """Heartbeats, and every 10 s a question and a segment of speech, appended as they happen."""
    times = range(0, minutes * MINUTE, 10 * SECOND)
    return [at_once(event) for t in times for event in (beat(t), ask(t + 1), say(t + 2 * SECOND))]


def why_not(sent: list[Sent], order: int = 0) -> tuple[str, ...]:
    """Why the block of T0 abstains, asked before it closes."""
    room = Room("douyin:1")
    shuffled = list(enumerate(sent))
    if order:
        Random(order).shuffle(shuffled)
    for i, (event, appended_ms) in sorted(shuffled, key=lambda one: one[1][1]):
        apply(room, event, i, T0 + appended_ms)
        if room.session.block_start_ms > START_MS:
            break
    return room.session.block.unclear or clocks.close(room, START_MS)


def test_right_clocks_agree() -> None:
    assert why_not(a_block(4)) == ()


@pytest.mark.parametrize(
    ("behind_s", "found"), [(20, ()), (21, ("clocks",)), (90, ("clocks",)), (-90, ("clamped", "clocks"))]
)
def test_speech_from_a_wrong_clock_makes_its_block_abstain(behind_s: int, found: tuple[str, ...]) -> None:
    wrong = [(say(a - behind_s * SECOND), a) if isinstance(x, e.HostSpeech) else (x, a) for x, a in a_block(4)]
    assert set(why_not([one for one in wrong if one[0].at_ms >= START_MS])) >= set(found)
    assert bool(found) == bool(why_not([one for one in wrong if one[0].at_ms >= START_MS]))


def test_one_wrong_recogniser_among_right_ones_is_seen() -> None:
    speech = [n for n, (x, _) in enumerate(a_block(4)) if isinstance(x, e.HostSpeech)]
    wrong = set(speech[::3])
    sent = [(say(a - 40 * SECOND), a) if n in wrong else (x, a) for n, (x, a) in enumerate(a_block(4))]
    assert why_not(sent) == ("clocks",)


def test_one_slow_segment_among_many_is_borne() -> None:
    sent = a_block(4)
    assert why_not([*sent, (say(60 * SECOND), 100 * SECOND)]) == ()


def test_speech_that_comes_late_makes_its_block_abstain() -> None:
    sent = a_block(5)
    late = [(say(t * SECOND), t * SECOND + 100 * SECOND) for t in range(30, 120, 10)]
    assert "late" in why_not([*sent, *late])


def test_the_order_of_one_moment_changes_nothing() -> None:
    sent = [(x, max(0, a - a % (30 * SECOND)) + 30 * SECOND) for x, a in a_block(4)]
    assert len({why_not(sent, order) for order in range(1, 20)}) == 1


def test_what_is_kept_is_bounded_however_delays_vary() -> None:
    room, rng = Room("douyin:1"), Random(1)
    for i in range(3_000):
        told_ms = i * 100
        kind: Any = rng.choice([ask, say])
        apply(room, kind(told_ms), i, T0 + told_ms + rng.randrange(0, 40 * SECOND) + 60 * SECOND)
    assert len(room.session.arrived) <= 3
    for arrived in room.session.arrived.values():
        assert len(arrived.speech_s) <= clocks.BAND_S + 1
        assert len(arrived.gateway_s) <= clocks.BAND_S + 1


@pytest.mark.parametrize("first_ms", [0, 2 * HOUR])
def test_a_clock_that_starts_in_1970_or_hours_ago_adds_no_evidence(first_ms: int) -> None:
    """Its gateway begins by a wrong clock, which is set right after ten minutes; looks are right all the time."""
    right, wrong = Room("douyin:1"), Room("douyin:1")
    looks = [ev(e.DetectorScore, t * SECOND, score=0.99 if t % 120 else 0.1) for t in range(0, 3_600, 10)]
    for i, event in enumerate(in_time(beats(HOUR), looks)):
        apply(right, event, i, event.at_ms)
        early = isinstance(event, e.RoomHeartbeat) and event.at_ms < T0 + 10 * MINUTE
        at_ms = (event.at_ms - T0 if not first_ms else event.at_ms - first_ms) if early else event.at_ms
        apply(wrong, replace(event, at_ms=at_ms), i, event.at_ms)
    masses = [room.session.families["AI"].mass() for room in (wrong, right)]
    assert 0 < masses[0] <= 1.1 * masses[1]


def test_prompts_that_wait_when_clocks_disagree_never_fall_due() -> None:
    """Answers were said by a clock 90 s slow up to the block's end: those who asked then are no one's silence."""
    events = [beat(t * SECOND) for t in range(0, 720, 10)]
    events += [ask(t * SECOND, f"第{t}个问题多少钱？", viewer_id=f"v{t}") for t in range(0, 300, 10)]
    said = [(say(t * SECOND), t * SECOND) for t in range(300, 720, 10)]
    said += [(say((t - 90) * SECOND), t * SECOND) for t in range(100, 300, 10)]
    sent = sorted([*((x, x.at_ms - T0) for x in events), *said], key=lambda pair: pair[1])
    room = Room("douyin:1")
    for i, (event, after_ms) in enumerate(sent):
        apply(room, event, i, T0 + after_ms)
    assert "clocks" in room.session.closed[0] and room.session.closed[1] == ()
    assert "NONINT" not in room.session.families


def test_a_prompt_behind_which_no_speech_was_heard_is_not_due() -> None:
    """Nine questions, and the recogniser is gone after two minutes: one is due, not nine."""
    room = Room("douyin:1")
    events = [ask(t * SECOND, f"第{t}个问题多少钱？", viewer_id=f"v{t}") for t in range(0, 90, 10)]
    events += [beat(t * SECOND) for t in range(0, 600, 10)]
    events += [say(t * SECOND, "我们先看一下这一款的颜色和做工") for t in range(0, 121, 10)]
    for i, event in enumerate(sorted(events, key=lambda x: x.at_ms)):
        apply(room, event, i, event.at_ms)
    assert room.session.counts.prompts == 1
