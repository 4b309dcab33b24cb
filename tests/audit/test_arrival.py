"""When events arrive: effective times, the lag of the slowest source, what is late."""

from typing import Any

import pytest

from tests.audit.build import MINUTE, SECOND, T0, a_room, ask, beat, beats, ev, in_time, say
from worker.audit import arrival
from worker.audit import events as e
from worker.audit.apply import apply
from worker.audit.room import Room
from worker.audit.sessions import Status


def arrive(room: Room, *records: tuple[Any, int]) -> list[Status]:
    """Apply events that were appended at given times, ms after T0."""
    return [apply(room, event, i, T0 + appended_ms) for i, (event, appended_ms) in enumerate(records)]


def behind_s(room: Room) -> float:
    """How far the watermark is behind the newest event, s."""
    return (room.max_at_ms - room.watermark_ms) / 1000


def test_nothing_happens_after_its_record_was_appended() -> None:
    room = a_room([beat(0)])
    arrive(room, (ask(2 * 60 * MINUTE), SECOND))
    assert (room.max_at_ms, room.appended_ms) == (T0 + SECOND, T0 + SECOND)


def test_all_times_of_an_event_move_with_it() -> None:
    spoken = say(50_000, start_ms=T0 + 40_000, end_ms=T0 + 48_000)
    moved: Any = arrival.shifted(spoken, -20_000)
    assert (moved.at_ms, moved.start_ms, moved.end_ms) == (T0 + 30_000, T0 + 20_000, T0 + 28_000)


def test_a_comment_from_a_fast_clock_makes_nothing_late() -> None:
    room = a_room(beats(10 * MINUTE))
    arrive(room, (ask(130 * MINUTE), 10 * MINUTE))
    log = in_time(beats(20 * MINUTE, from_ms=10 * MINUTE + SECOND), [say(t * SECOND) for t in range(601, 1200, 4)])
    assert {apply(room, event, i, event.at_ms) for i, event in enumerate(log)} == {Status.APPLIED}


def go_on(room: Room, from_s: int, to_s: int) -> None:
    """Heartbeats every 10 s, each appended as soon as it was sent."""
    for t in range(from_s, to_s, 10):
        apply(room, beat(t * SECOND), 1, T0 + t * SECOND)


@pytest.mark.parametrize(
    ("delay_s", "held_s"), [(0, 0), (30, 0), (75, 45), (150, 120), (400, 240)], ids=lambda value: f"{value}s"
)
def test_the_watermark_waits_for_the_slowest_source_up_to_four_minutes(delay_s: int, held_s: int) -> None:
    room = Room("r")
    for t in range(delay_s, 1_200 + delay_s, 10):
        apply(room, beat(t * SECOND), 1, T0 + t * SECOND)
        apply(room, ev(e.FrameMeasured, (t - delay_s) * SECOND), 1, T0 + t * SECOND)
    assert behind_s(room) == pytest.approx(60 + held_s, abs=1), "a step of 10 s gives up 1 s"


def test_a_lag_is_given_up_by_a_tenth_of_a_second_each_second() -> None:
    room = a_room(beats(10 * MINUTE))
    arrive(room, (ask(8 * MINUTE), 10 * MINUTE))
    go_on(room, 600, 901)
    assert behind_s(room) == 60 + 120 - 30 - 30
    go_on(room, 910, 1_501)
    assert behind_s(room) == 60


def test_an_event_of_1970_holds_a_room_back_for_an_hour_and_a_half_at_most() -> None:
    room = a_room(beats(10 * MINUTE))
    arrive(room, (say(-T0), 10 * MINUTE))
    go_on(room, 600, 901)
    assert behind_s(room) == 60 + 240
    go_on(room, 910, 600 + 96 * 60)
    assert behind_s(room) == 60


def test_a_heartbeat_that_is_sent_again_behind_others_holds_nothing_back() -> None:
    log = beats(10 * MINUTE, every_ms=15 * SECOND)
    room = a_room(log)
    assert arrive(room, *((one, 10 * MINUTE + i) for i, one in enumerate(log[:20]))) == [Status.APPLIED] * 20
    assert behind_s(room) == 60


def test_heartbeats_of_a_clock_that_is_ahead_are_known_for_longer() -> None:
    room, log = Room("r"), [beat(2 * 60 * MINUTE + t * SECOND) for t in range(0, 900, 15)]
    arrive(room, *((one, 15 * SECOND * i) for i, one in enumerate(log)))
    assert set(arrive(room, *((one, 16 * MINUTE) for one in log))) == {Status.DUPLICATE}
    assert len(room.beats) == len(log) * arrival.BEAT_BYTES
    arrive(room, (beat(17 * MINUTE), 17 * MINUTE))
    assert len(room.beats) == arrival.BEATS_BYTES_MAX, "a room whose clock is right keeps few"


def test_a_silent_gateway_is_waited_for() -> None:
    room = a_room(beats(10 * MINUTE))
    for i, t in enumerate(range(600, 780, 4)):
        apply(room, say(t * SECOND), i, T0 + t * SECOND)
    assert behind_s(room) > 60 + 100


def test_registers_facts_and_challenges_are_never_late() -> None:
    room = a_room(beats(30 * MINUTE))
    old: list[Any] = [
        ev(e.LabelState, 0), ev(e.FrameMeasured, 0), ev(e.WatermarkRead, 0), ev(e.PersonaFlag, 0),
        ev(e.ChallengeIssued, 0, challenge_id="x"), ev(e.ChallengeResult, 0, challenge_id="x"),
    ]  # fmt: skip
    assert set(arrive(room, *((event, 30 * MINUTE) for event in old))) == {Status.APPLIED}
    assert set(arrive(room, (say(0), 30 * MINUTE), (ask(1), 30 * MINUTE))) == {Status.LATE}


@pytest.mark.parametrize("kind", [e.WatermarkRead, e.ChallengeResult, e.LabelState])
def test_a_privileged_clock_two_minutes_ahead_is_refused_and_moves_no_time(kind: type) -> None:
    room = a_room([beat(0)])
    fields = {"by": "platform"} if kind is e.LabelState else {}
    status = arrive(room, (ev(kind, 10 * SECOND + 120_001, **fields), 10 * SECOND))
    assert (status, room.appended_ms) == ([Status.AHEAD], T0)
    assert arrive(room, (ev(kind, 10 * SECOND + 120_000, **fields), 10 * SECOND)) == [Status.APPLIED]


def test_speech_has_the_time_at_which_it_had_been_said() -> None:
    assert arrival.told_ms(say(90_000, start_ms=T0 + 10_000, end_ms=T0 + 20_000)) == T0 + 20_000
    assert arrival.told_ms(say(90_000, start_ms=T0 + 10_000, end_ms=T0 + 95_000)) == T0 + 90_000
    assert arrival.told_ms(say(90_000, start_ms=10, end_ms=20)) == T0 + 90_000, "times since the stream began"
